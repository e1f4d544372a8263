"""Real Envoys through trouble of the control plane's and of their own: what they had, they keep."""
import base64
import re
import signal

import plane  # finds the lab
import lab
from mesh_case import MeshCase


class Restart(MeshCase):
    mtls = True
    kv_instances = 2

    def membership(self):
        """Of the cluster kv at its caller: how often its endpoints changed, and how many there are. The counter would tell of an
        empty moment that nobody saw."""
        return {name: self.app.stat(f"cluster.kv.membership_{name}") for name in ("change", "total", "healthy")}

    def given(self, task):
        """What Envoy says it was given: names and versions, and how many endpoints."""
        dump = task.admin("/config_dump?include_eds").json()["configs"]
        names = {}
        for part in dump:
            for kind in ("dynamic_active_clusters", "dynamic_listeners", "dynamic_endpoint_configs", "dynamic_route_configs", "dynamic_active_secrets"):
                for item in part.get(kind, []):
                    what = item.get("cluster") or item.get("active_state", {}).get("listener") or item.get("endpoint_config") or item.get("route_config") or item
                    names.setdefault(kind, set()).add(what.get("name") or what.get("cluster_name"))
        return names

    def refusals(self):
        return {task.name: [task.stat(f"{kind}.update_rejected") for kind in ("cluster_manager.cds", "listener_manager.lds")]
                for task in (*self.kv, self.app)}

    def in_sync(self, task):
        insight = self.control_plane.overview(task.name)["dataplaneInsight"]
        newest = insight["subscriptions"][-1]
        total = newest["status"]["total"]
        return ("disconnectTime" not in newest and task.stat("control_plane.connected_state") == 1
                and int(total.get("responsesAcknowledged", 0)) >= int(total.get("responsesSent", 0)))

    def stop(self):
        self.control_plane.part.signal(signal.SIGTERM)
        self.assertEqual(self.control_plane.part.wait(15), 0)

    def test_without_a_goodbye_or_with_one_no_proxy_was_ever_empty_and_no_request_lost(self):
        before, given, refusals = self.membership(), {task.name: self.given(task) for task in (*self.kv, self.app)}, self.refusals()
        self.assertEqual((before["total"], before["healthy"]), (2, 2))
        with lab.Traffic(self.app.counter) as traffic:
            for end in (self.control_plane.kill, self.stop, self.control_plane.kill):
                traffic.more(30)
                end()
                lab.wait_for(lambda: self.app.stat("control_plane.connected_state") == 0, "Envoy has lost the control plane")
                traffic.more(100)
                self.control_plane.start().wait_until_ready()
                for task in (*self.kv, self.app):
                    lab.wait_for(lambda task=task: self.in_sync(task), f"{task.name} is in sync again", timeout=40)
                traffic.more(100)
        self.assert_nothing_lost(traffic)
        self.assertEqual(self.membership(), before, "the endpoints of kv never changed")
        for task in (*self.kv, self.app):
            self.assertEqual(self.given(task), given[task.name])
            for kind in ("listener_manager.listener_removed", "cluster_manager.cluster_removed"):
                self.assertEqual(task.stat(kind), 0, f"{kind} of {task.name}")
        self.assertEqual(self.refusals(), refusals)
        # And it follows again.
        self.new_task("kv").start().wait_until_ready()
        self.wait_for_instance("kv-3")
        self.assertEqual(self.membership()["total"], 3)


class Refusal(MeshCase):
    mtls = True

    def dataplane(self):
        document = self.control_plane.expect("GET", f"/meshes/default/dataplanes/{self.app.name}").json()
        return {key: document[key] for key in ("type", "mesh", "name", "networking")}

    def newest(self):
        return self.control_plane.overview(self.app.name)["dataplaneInsight"]["subscriptions"][-1]

    def test_keeps_the_last_good_configuration_and_shows_in_the_insight(self):
        listeners = {line.split("::")[0] for line in self.app.admin("/listeners").text.splitlines()}
        good = self.dataplane()
        bad = self.dataplane()
        bad["networking"]["outbound"].append({"address": "203.0.113.9", "port": 7777, "tags": {"kuma.io/service": "kv"}})  # not of this host
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(20)
            self.control_plane.expect("PUT", f"/meshes/default/dataplanes/{self.app.name}", bad)
            status = lab.wait_for(lambda: (it := self.newest()["status"])["lds"].get("responsesRejected") and it, "the refusal shows in the insight")
            self.assertIn("203.0.113.9", str(self.newest()), "with Envoy's reason")
            self.assertEqual(status["cds"].get("responsesRejected", "0"), "0")
            self.assertTrue({line.split("::")[0] for line in self.app.admin("/listeners").text.splitlines()} >= listeners)
            rejected = self.app.stat("listener_manager.lds.update_rejected")
            traffic.more(50)

            # What is refused is not sent again and again; other changes arrive meanwhile.
            self.control_plane.forbid("demo-app", "kv")
            lab.wait_for(lambda: self.app.counter().status == 403, "a change of the permission arrives")
            self.control_plane.permit("demo-app", "kv")
            self.wait_for_traffic()
            self.new_task("kv").start().wait_until_ready()
            self.wait_for_instance("kv-2")
            self.assertEqual(self.app.stat("listener_manager.lds.update_rejected"), rejected)
            self.assertTrue(self.app.sidecar.is_running)
        self.assertEqual({text[:3] for _, text in traffic.failures}, {"403"}, "none but those that were forbidden")

        # A repaired Dataplane is taken, and the insight is clean.
        good["networking"]["outbound"].append({"address": "127.0.0.1", "port": 7778, "tags": {"kuma.io/service": "kv"}})
        self.control_plane.expect("PUT", f"/meshes/default/dataplanes/{self.app.name}", good)
        lab.wait_for(lambda: "127.0.0.1_7778" in self.app.admin("/listeners").text or "127.0.0.1:7778" in self.app.admin("/listeners").text,
                     "the repaired Dataplane is taken")
        self.assertEqual(self.app.get(7778, "/api/key-value").status // 100, 2)


class Logs(MeshCase):
    """Of a mesh that works: no token, no key, in no log of any part, also not at the finest level."""

    mtls = True

    @classmethod
    def build(cls):
        lab.os.environ["TASKMESH_LOG_LEVEL"] = "debug"
        cls.addClassCleanup(lab.os.environ.pop, "TASKMESH_LOG_LEVEL", None)
        super().build()

    def test_hold_no_secret(self):
        cp = self.control_plane
        secrets = [(task.directory / "token").read_text() for task in (*self.kv, self.app)]
        secrets.append(lab.read_secret(cp, "/global-secrets/admin-user-token"))
        for where in ("/global-secrets", "/meshes/default/secrets"):
            for item in cp.expect("GET", where).json()["items"]:
                secrets += [item["data"], base64.b64decode(item["data"]).decode(errors="replace")]
        needles = set()
        for secret in secrets:
            lines = [line for line in re.split(r"[\s.]", secret) if len(line) >= 30]
            needles |= {line for line in lines if "-----" not in line and not line.startswith("eyJhbGciOi")}
        self.assertGreater(len(needles), 20)
        for part in self.lab.parts:
            log = part.log()
            self.assertGreater(len(log), 0, part.name)
            self.assertNotIn("PRIVATE KEY", log, part.name)
            for needle in needles:
                self.assertNotIn(needle, log, part.name)

    def test_hold_no_token_of_who_is_refused(self):
        token = self.control_plane.token("demo-app")
        task = lab.Task(self.lab, self.control_plane, "kv", "kv-refused").start_app().start_sidecar(token=token)
        self.assertNotEqual(task.sidecar.wait(15), 0)
        for log in (task.sidecar.log(), self.control_plane.part.log()):
            for part in token.split(".")[1:]:
                self.assertNotIn(part, log)
        self.assertIn("kuma.io/service", task.sidecar.log())


class EnvoyInTheWay(MeshCase):
    """What a task may bring along instead of a working Envoy is in the end-to-end tests; here, that the mesh does not care."""

    def test_an_envoy_that_ends_at_once_is_reported_and_never_an_endpoint(self):
        path = self.lab.directory / "bad-envoy"
        path.write_text("#!/bin/sh\ncase \"$1\" in --version) echo 'envoy  version: 0/1.36.0/Clean/RELEASE/BoringSSL';; *) echo oh no >&2; exit 3;; esac\n")
        path.chmod(0o755)
        task = lab.Task(self.lab, self.control_plane, "kv", "kv-bad").start_app().start_sidecar(extra=["--binary-path", path])
        self.assertEqual(task.sidecar.wait(15), 3)
        self.assertIn("oh no", task.sidecar.log())
        self.assertEqual(self.instances_in(10), {"kv-1"})


del plane
