"""Names in Route 53 in bad times: a thousand at once, calls that fail in every way, control planes that are killed or
stopped in the middle of a batch, two of them, zones that are not fit."""
import collections
import random
import signal
import subprocess
import threading

import lab
import route53_lab
import test_postgres
from route53_case import PATIENCE, Route53Case


def in_threads(count, work, things):
    """Does `work` for each of the things, in so many threads."""
    left, problems = list(things), []

    def run():
        try:
            while True:
                work(left.pop())
        except IndexError:
            pass
        except Exception as problem:  # noqa: BLE001
            problems.append(problem)
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


class AThousandServices(Route53Case):
    SERVICES = [f"s{number}" for number in range(1000)]

    def names(self, state):
        return self.metric("route53_names", zone=self.zone, state=state)

    def test_1_at_once_take_a_handful_of_calls(self):
        self.make_mesh_services()
        in_threads(4, self.register, self.SERVICES)
        self.wait_for(lambda: self.names("owned") == 2000, "2,000 names are published", 180)
        self.assertEqual(len(self.addresses()), 2000)
        self.assert_calls_keep_their_distance()
        self.say(f"1,000 services while they came: {len(self.route53.journal)} calls, {self.route53.count(route53_lab.CHANGE)} of them batches")
        self.assertEqual(self.route53.count(route53_lab.GET_ZONE), 1)
        self.assertEqual(self.route53.count(route53_lab.LIST), 1)

    def test_2_are_merged_into_full_batches_while_none_can_be_sent(self):
        self.control_plane.expect("DELETE", "/hostnamegenerators/hosted-zone-mesh-services")
        self.wait_for(lambda: len(self.addresses()) == 1000, "the generator's names are gone")
        self.route53.fault = lambda action: "throttled" if action == route53_lab.CHANGE else None
        self.make_mesh_services()
        self.wait_for(lambda: self.names("pending") == 1000, "1,000 names wait", 120)
        self.wait_for(lambda: self.metric("route53_throttles_total") > 0, "AWS throttles")
        self.assertGreater(self.metric("route53_oldest_pending_seconds", zone=self.zone), 0)
        since = len(self.route53.journal)
        self.route53.fault = None
        self.wait_for(lambda: self.names("owned") == 2000, "2,000 names are published", 120)
        # 1,000 records to a batch, two of which are the epoch's.
        self.assertLessEqual(self.route53.count(route53_lab.CHANGE, since), 3)  # one may have been on its way
        self.assert_calls_keep_their_distance()

    def test_3_are_read_in_pages_by_a_control_plane_that_comes_back_and_changes_nothing(self):
        before, since = self.addresses(), len(self.route53.journal)
        self.control_plane.kill()
        self.control_plane.start().wait_until_ready()
        self.wait_for(lambda: self.names("owned") == 2000 and self.names("pending") == 0, "it has read the zone")
        self.wait_for(lambda: self.route53.count(route53_lab.CHANGE, since) == 1, "it has claimed the zone")
        self.assertEqual(self.route53.count(route53_lab.LIST, since), 7)
        self.assertEqual(self.route53.journal[-1].changes, 2)  # the epoch record alone
        self.assertEqual(self.addresses(), before)

    def test_4_are_seen_and_removed_by_the_operator(self):
        self.control_plane.kill()
        plan = self.run_command("route53", "plan")
        self.assertEqual(plan.returncode, 0, plan.stdout + plan.stderr)
        self.assertIn("nothing to change", plan.stdout)
        self.route53.change(self.zone, ("CREATE", route53_lab.Record("other.mesh.local.", "A", ("10.9.9.9",))))
        purged = self.run_command("route53", "purge")
        self.assertEqual(purged.returncode, 0, purged.stdout[-2000:] + purged.stderr)
        self.assertEqual({record.type: record.name for record in self.route53.records(self.zone)},
                         {"SOA": "mesh.local.", "NS": "mesh.local.", "A": "other.mesh.local."})
        plan = self.run_command("route53", "plan")
        self.assertIn("CREATE s7.svc.mesh.local A 127.4.", plan.stdout)
        self.assertNotIn("s7.mesh.local", self.addresses())
        synced = self.run_command("route53", "sync")
        self.assertEqual(synced.returncode, 0, synced.stdout[-2000:] + synced.stderr)
        self.assertEqual(len(self.addresses()), 2001)


class KilledInTheMiddle(Route53Case):
    def test_of_a_batch_that_was_applied_it_finds_its_way(self):
        self.register("one")
        self.wait_until_published("one.mesh.local")
        batch = route53_lab.Held(after=True)
        self.route53.faults.append(batch)
        self.register("two")
        self.assertTrue(batch.arrived.wait(PATIENCE))
        self.register("three")  # known, and in no batch yet
        self.control_plane.kill()
        batch.go.set()
        self.control_plane.start().wait_until_ready()
        self.wait_until_published("one.mesh.local", "two.mesh.local", "three.mesh.local")
        self.assertTrue(all(" " not in address for address in self.addresses().values()), self.addresses())
        self.wait_for(lambda: self.metric("route53_names", zone=self.zone, state="pending") == 0, "nothing is left to do")

    def test_of_a_batch_that_is_under_way_it_fails_as_a_whole_once_another_has_written(self):
        self.register("first")
        self.wait_until_published("first.mesh.local")
        batch = route53_lab.Held()
        self.route53.faults.append(batch)
        self.register("second")
        self.assertTrue(batch.arrived.wait(PATIENCE))
        self.control_plane.kill()
        self.control_plane.start().wait_until_ready()
        self.wait_until_published("second.mesh.local")
        self.register("third")
        self.wait_until_published("third.mesh.local")
        self.deregister("second")
        self.wait_until_withdrawn("second.mesh.local")
        before = self.route53.records(self.zone)
        batch.go.set()  # the request of the dead one arrives only now
        self.assertTrue(batch.ended.wait(PATIENCE))
        self.assertEqual(batch.outcome, "InvalidChangeBatch")
        self.assertEqual(self.route53.records(self.zone), before)


class WhateverFails(Route53Case):
    granted_too = (route53_lab.GET_CHANGE,)
    FAULTS = ["throttled", "busy", "error", "lost request", "lost answer", "half"]

    def test_1_it_gets_there_in_the_end(self):
        foreign = [("CREATE", route53_lab.Record(f"s{number}.mesh.local.", kind, values)) for number, kind, values in
                   ((10, "A", ("10.9.9.9",)), (11, "CNAME", ("elsewhere.example.",)), (12, "TXT", ('"ours not"',)))]
        self.route53.change(self.zone, *foreign)
        faults = collections.deque(random.Random(5).sample(self.FAULTS, len(self.FAULTS)))
        self.route53.fault = lambda action: faults.popleft() if faults else None
        in_threads(4, self.register, [f"s{number}" for number in range(60)])
        more = 60
        while faults:
            left = len(faults)
            self.register(f"s{more}")
            more += 1
            self.wait_for(lambda: len(faults) < left, "another call fails")
            if left == 3:
                self.control_plane.kill()
                self.control_plane.start().wait_until_ready()
        for number in range(20, 40, 2):
            self.deregister(f"s{number}")
        self.assertLessEqual({"Throttling", "PriorRequestNotComplete", "InternalFailure", "lost request", "lost answer", "half"},
                             {request.outcome for request in self.route53.journal})
        wanted = {f"s{number}.mesh.local" for number in range(more) if number not in range(20, 40, 2)}
        self.wait_for(lambda: set(self.addresses()) == wanted - {"s11.mesh.local"}, "all names are there, and no other", 120)
        found = self.addresses()
        self.assertEqual(found.pop("s10.mesh.local"), "10.9.9.9")
        self.assertTrue(all(address.startswith("127.1.") and " " not in address for address in found.values()), found)
        self.assertLessEqual({change[1] for change in foreign}, set(self.route53.records(self.zone)))
        self.assert_calls_keep_their_distance()

    def test_2_a_call_without_an_end_is_given_up(self):
        self.route53.faults.append("stall")
        self.register("patient")
        self.wait_until_published("patient.mesh.local")
        self.assertEqual(len(self.route53.faults), 0)
        self.wait_for(lambda: self.metric("route53_failures_total", kind="unreachable") > 0, "it is counted")

    def test_3_one_bad_record_never_blocks_the_others(self):
        self.make_mesh_services()
        self.route53.bad = {"bad.svc.mesh.local"}
        in_threads(4, self.register, ["bad", *(f"good-{number}" for number in range(12))])
        self.wait_until_published("bad.mesh.local", *(f"good-{number}.svc.mesh.local" for number in range(12)))
        condition = self.wait_for_condition("bad", status="False", reason="Refused")
        self.assertIn("ARRDATAIllegalIPv4Address", condition["message"])
        self.wait_for(lambda: self.metric("route53_names", zone=self.zone, state="refused") == 1, "it is counted")

    def test_4_in_sync_is_told_where_that_may_be_asked(self):
        condition = self.wait_for_condition("good-1", status="True", reason="InSync")
        self.assertIn("all servers", condition["message"])
        self.assertGreater(self.route53.count(route53_lab.GET_CHANGE), 0)

    def test_5_what_aws_refuses_stands_in_the_status(self):
        self.route53.granted.remove(route53_lab.CHANGE)
        self.register("denied")
        condition = self.wait_for_condition("denied", status="False", reason="Unavailable")
        self.assertIn("AccessDenied", condition["message"])
        self.route53.granted.add(route53_lab.CHANGE)
        self.wait_for_condition("denied", status="True")


    def test_6_names_move_with_their_generator_to_another_zone_and_leave_nothing(self):
        other = self.route53.create("svc.mesh.local")
        untouched = self.route53.records(other)

        def name_zone(zone):
            self.control_plane.expect("PUT", "/hostnamegenerators/hosted-zone-mesh-services", {
                "type": "HostnameGenerator", "name": "hosted-zone-mesh-services", "spec": {
                    "selector": {"meshService": {"matchLabels": {}}}, "template": "{{ .DisplayName }}.svc.mesh.local",
                    "extension": {"type": "Route53", "config": {"hostedZones": [{"name": "default", "hostedZoneId": zone},
                                                                                {"name": "elsewhere", "hostedZoneId": "Z0NOWHERE"}]}}}})
        here = {name for name in self.addresses() if name.endswith(".svc.mesh.local")}
        self.assertIn("good-1.svc.mesh.local", here)
        name_zone(other)
        self.wait_for(lambda: set(self.route53.addresses(other)) == here, "they are in the other zone")
        self.wait_for(lambda: not any(name.endswith(".svc.mesh.local") for name in self.addresses()), "and no more in this one")
        self.assertIn("good-1.mesh.local", self.addresses())
        self.wait_for_condition("good-1", status="True", message=f"good-1.svc.mesh.local leads to {self.route53.addresses(other)['good-1.svc.mesh.local']} "
                                                                 f"in all servers of hosted zone {other}")
        name_zone(self.zone)
        self.wait_for(lambda: here <= set(self.addresses()), "they are back")
        self.wait_for(lambda: self.route53.records(other) == untouched, "nothing of ours is left there")


class TwoControlPlanes(Route53Case):
    @classmethod
    def prepare(cls):
        cls.database = test_postgres.Database(cls.lab)
        cls.addClassCleanup(cls.database.kill)
        cls.settings = {"KUMA_STORE_TYPE": "postgres", "KUMA_STORE_POSTGRES_HOST": test_postgres.ADDRESS,
                        "KUMA_STORE_POSTGRES_PORT": str(test_postgres.PORT), "KUMA_STORE_POSTGRES_USER": "mesh", "KUMA_STORE_POSTGRES_DB_NAME": "mesh"}
        subprocess.run([cls.lab.program("cp"), "migrate", "up"], env=cls.settings, check=True, capture_output=True)

    @classmethod
    def build(cls):
        super().build()
        cls.other = cls.new_control_plane("cp2", "10.77.0.3")
        cls.other.start().wait_until_ready()

    def batches(self):
        """(term, instance) of the batches that were applied, in order."""
        return [tuple(word.partition("=")[2] for word in request.writer.split()[2:5:2]) for request in self.route53.journal
                if request.action == route53_lab.CHANGE and request.outcome == "200"]

    def test_never_write_both(self):
        self.register("one")
        self.wait_until_published("one.mesh.local")
        self.register("two", control_plane=self.other)
        self.wait_until_published("two.mesh.local")
        self.assertEqual(len(set(self.batches())), 1)  # the leader's, wherever something was registered
        leader, follower = self.control_plane, self.other
        if "route53_calls_total" not in leader.diagnostics("/metrics").text:
            leader, follower = follower, leader
        self.assertNotIn("route53_calls_total", follower.diagnostics("/metrics").text)

        # The leader is stopped with a batch under way, and another one leads.
        batch = route53_lab.Held()
        self.route53.faults.append(batch)
        self.register("three", control_plane=follower)
        self.assertTrue(batch.arrived.wait(PATIENCE))
        leader.part.signal(signal.SIGSTOP)
        lab.wait_for(lambda: "leads now" in follower.part.log(), "the other one leads", PATIENCE)
        lab.wait_for(lambda: "three.mesh.local" in self.addresses(), "it publishes", PATIENCE)
        self.deregister("three", control_plane=follower)
        lab.wait_for(lambda: "three.mesh.local" not in self.addresses(), "and withdraws", PATIENCE)
        before = self.route53.records(self.zone)
        batch.go.set()
        self.assertTrue(batch.ended.wait(PATIENCE))
        self.assertEqual((batch.outcome, self.route53.records(self.zone)), ("InvalidChangeBatch", before))

        # It wakes up, and does not write any more.
        leader.part.signal(signal.SIGCONT)
        self.register("four", control_plane=leader)
        lab.wait_for(lambda: "four.mesh.local" in self.addresses(), "the new leader publishes what was registered at the old one", PATIENCE)
        follower.part.kill()
        lab.wait_for(lambda: leader.part.log().count("leads now") >= 2, "the old one leads again", PATIENCE)
        self.register("five", control_plane=leader)
        lab.wait_for(lambda: "five.mesh.local" in self.addresses(), "it publishes again", PATIENCE)
        batches = self.batches()
        terms = [int(term) for term, _ in batches]
        self.assertEqual(terms, sorted(terms))
        self.assertEqual(len(set(batches)), len(set(terms)), batches)  # one writer for each term


class ZonesThatAreNotFit(Route53Case):
    def refused(self, text, zone=None, **settings):
        control_plane = type(self).new_control_plane(f"cp-{len(self.lab.parts)}", f"10.77.0.{100 + len(self.lab.parts)}",
                                                     **({"KMESH_RUNTIME_AWS_ROUTE53_HOSTED_ZONE_ID": zone} if zone else {}), **settings)
        control_plane.start()
        self.addCleanup(control_plane.kill)
        lab.wait_for(lambda: text in control_plane.part.log(), f'its log says "{text}"', PATIENCE)
        return control_plane

    def test_are_told_in_words_at_the_start(self):
        public = self.route53.create("mesh.local", private=False)
        self.refused(f"hosted zone {public} (mesh.local) is public", public)
        self.refused("hosted zone Z0NOWHERE does not exist", "Z0NOWHERE")
        elsewhere = self.route53.create("example.org")
        self.refused(f"hosted zone {elsewhere} (example.org) does not hold the domain mesh.local; set KUMA_DNS_SERVER_DOMAIN", elsewhere)
        slow = self.route53.create("mesh.local", negative_ttl=900)
        self.refused(f'keep "no such name" of hosted zone {slow} (mesh.local) for 900 s', slow)
        self.assertEqual(self.route53.count(route53_lab.CHANGE), 0)

    def test_no_id_and_no_ipv4_stop_the_start(self):
        for text, zone, settings in (("must be the id of a hosted zone", "zone/1", {}),
                                     ("IPv6", None, {"KUMA_IPAM_MESH_SERVICE_CIDR": "fd00::/64"})):
            control_plane = self.refused(text, zone, **settings)
            self.assertNotEqual(control_plane.part.wait(20), 0)
