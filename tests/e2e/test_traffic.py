import re

import lab
from mesh_case import MeshCase


class PlainTraffic(MeshCase):
    def test_goes_through_both_envoys(self):
        answer = self.app.counter("POST")
        self.assertEqual((answer.status, answer.json()["instance"]), (200, "kv-1"))
        self.assertGreater(self.app.stat("cluster.kv.upstream_rq_total"), 0)
        self.assertGreater(self.kv[0].stat(f"listener.{self.kv[0].address}_8080.downstream_cx_total"), 0)

    def test_reaches_an_instance_that_comes_later_and_shares_the_load(self):
        self.new_task("kv").start().wait_until_ready()
        self.wait_for_instance("kv-2")
        self.assertEqual(self.instances_in(20), {"kv-1", "kv-2"})

    def test_manager_stays_small(self):
        self.assertLess(self.kv[0].sidecar.memory_kb(), 15 * 1024)


class MutualTls(MeshCase):
    mtls = True

    def test_shows_the_spiffe_ids_of_both_sides(self):
        caller = self.app.counter().json()["caller"]
        self.assertRegex(caller, r"URI=spiffe://default/demo-app")
        self.assertRegex(caller, r"By=spiffe://default/kv")
        self.assertTrue(re.search(r"ssl\.handshake: [1-9]", self.kv[0].admin("/stats?filter=8080.*ssl.handshake").text))

    def test_refuses_who_has_no_certificate_of_the_mesh(self):
        with self.assertRaises((OSError, lab.http.client.HTTPException)):
            lab.request("GET", self.kv[0].address, 8080, "/api/key-value", namespace="demo-app-1", timeout=5)

    def test_follows_the_permission(self):
        self.control_plane.forbid("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 403, "403 without the permission")
        self.control_plane.permit("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 200, "200 with the permission")

    def test_an_open_connection_carries_one_more_request_by_the_rules_that_it_began_with(self):
        lab.wait_for(lambda: [self.app.counter().status for _ in range(3)] == [200] * 3, "one connection is open, and used again and again")
        updates = "listener_manager.listener_in_place_updated"
        before = self.kv[0].stat(updates)
        self.control_plane.forbid("demo-app", "kv")
        lab.wait_for(lambda: self.kv[0].stat(updates) > before, "the Envoy of kv has the new rules")
        self.assertEqual(self.app.counter().status, 200)
        lab.wait_for(lambda: self.app.counter().status == 403, "it closed the connection, and the next one is judged by the new rules")
        self.assertEqual({self.app.counter().status for _ in range(10)}, {403})
        before = self.kv[0].stat(updates)
        self.control_plane.permit("demo-app", "kv")
        lab.wait_for(lambda: self.kv[0].stat(updates) > before, "it has the old rules again")
        self.assertEqual(self.app.counter().status, 403)
        lab.wait_for(lambda: self.app.counter().status == 200, "a new connection")
        self.assertEqual({self.app.counter().status for _ in range(10)}, {200})

    def test_permission_of_another_service_does_not_help(self):
        self.control_plane.permit("somebody", "kv")
        self.control_plane.forbid("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 403, "403 without the permission")
        self.control_plane.permit("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 200, "200 with the permission")


class TurningTlsOn(MeshCase):
    def test_loses_no_request_when_the_backend_is_permissive(self):
        self.control_plane.permit("demo-app", "kv")
        backend = {"name": "ca-1", "type": "builtin", "mode": "PERMISSIVE"}
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            self.control_plane.expect("PUT", "/meshes/default", {
                "type": "Mesh", "name": "default", "mtls": {"enabledBackend": "ca-1", "backends": [backend]}})
            lab.wait_for(lambda: "spiffe://default/demo-app" in self.app.counter().json().get("caller", ""), "the connection is mutual TLS")
            traffic.more(50)
        self.assert_nothing_lost(traffic)
