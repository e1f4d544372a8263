"""deploy/cloudformation, deployed from nothing: identity by IAM roles, one open port, deployments without a lost request."""
import os
import unittest

import lab

from ecs_case import BoxCase, spiffe_ids

NOT_OURS = ("AWSServiceRole",)


class Templates(BoxCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = lab.wait_for(lambda: cls.box.healthy("demo-app"), "demo-app is healthy")[0]

    def test_1_two_services_talk_through_two_sidecars_and_no_token_is_anywhere(self):
        lab.wait_for(lambda: self.counter("POST").status == 200, "demo-app reaches kv", 30)
        actions = {action for _, action, _ in self.box.front.journal}
        self.assertIn("sts:GetCallerIdentity", actions)
        self.assertIn("iam:GetRole", actions)
        self.assertEqual({outcome for _, _, outcome in self.box.front.journal}, {"200"}, self.box.front.journal)
        for task in (self.app, self.one("kv")):
            self.assertFalse([name for container in task.containers for name in container.environment if "TOKEN" in name])
        # With mutual TLS each side says who it is, and who is not permitted gets 403.
        backend = {"name": "ca-1", "type": "builtin"}
        self.expect("PUT", "/meshes/default", {"type": "Mesh", "name": "default", "mtls": {"enabledBackend": "ca-1", "backends": [backend]}})
        lab.wait_for(lambda: self.counter().status == 403, "nobody is permitted anything", 20)
        self.permit("demo-app", "kv")
        lab.wait_for(lambda: self.counter().status == 200, "the permitted request goes through", 20)
        self.assertEqual(spiffe_ids(self.counter().json()["caller"]), ["spiffe://default/kv", "spiffe://default/demo-app"])

    def permit(self, source, target):
        rule = {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": source}}, "default": {"action": "Allow"}}
        self.expect("PUT", f"/meshes/default/meshtrafficpermissions/{source}-to-{target}",
                    {"type": "MeshTrafficPermission", "mesh": "default", "name": f"{source}-to-{target}",
                     "spec": {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": target}}, "from": [rule]}})

    def test_2_only_the_inbound_port_of_a_task_is_open_to_others(self):
        kv = self.one("kv")
        listening = self.listening(kv)
        self.assertIn(("127.0.0.1", 5050), listening, "the application listens on loopback")
        self.assertNotIn(("0.0.0.0", 5050), listening)
        reached = {port for _, port in listening if self.takes_connections(kv.place.address, port, self.app)}
        self.assertEqual(reached, {15050})
        database = next(iter(self.box.databases.servers.values()))
        self.assertFalse(self.takes_connections(database.place.address, 5432, self.app), "the database is for the control plane alone")
        # What does not come through a sidecar of the mesh does not get in.
        with self.assertRaises(Exception):
            lab.request("GET", kv.place.address, 15050, "/api/key-value", namespace=self.app.place.namespace, timeout=3)

    def test_3_a_new_version_is_rolled_out_and_no_request_is_lost(self):
        old = self.one("kv")
        parameters = {"VpcStackName": "taskmesh-vpc", "ControlPlaneStackName": "taskmesh-cp", "PullFromEcr": "false", "KvVersion": "2"}
        with lab.Traffic(self.counter) as traffic:
            traffic.more(20)
            self.box.deploy("taskmesh-demo", self.templates / "demo.yaml", parameters)
            self.box.wait_until_steady("kv", timeout=90)
            traffic.more(50)
        self.assertEqual([failure for _, failure in traffic.failures[:3]], [], f"{len(traffic.failures)} of {traffic.total} failed")
        self.assertTrue(old.is_stopped)
        self.assertEqual(self.one("kv").container("app").environment["VERSION"], "2")
        self.assertIn("the task is to stop: leaving the mesh while the application still serves", old.container("sidecar").log())
        self.assertEqual([each.exit_code for each in old.containers], [0, 0], "nothing had to be killed")

    def test_4_scaled_out_killed_and_scaled_in(self):
        self.box.scale("kv", 2)
        self.box.wait_until_steady("kv")
        both = {task.hostname for task in self.box.healthy("kv")}
        seen = set()
        with lab.Traffic(lambda: seen.add((answer := self.counter()).json().get("instance")) or answer) as traffic:
            lab.wait_for(lambda: both <= seen, "both tasks answer", 20)
            lost = self.one("kv")
            lost.kill()
            traffic.more(100)
            self.box.wait_until_steady("kv")
            self.box.scale("kv", 1)
            self.box.wait_until_steady("kv")
            traffic.more(30)
        # Two threads ask: what was under way in the killed task may be lost, nothing else.
        self.assertLessEqual(len(traffic.failures), 2, traffic.failures[:5])

    def test_5_a_control_plane_task_is_lost_and_replaced(self):
        planes = [task for task in self.box.tasks() if any(container.name == "control-plane" for container in task.containers)]
        self.assertEqual(len(planes), 2)
        with lab.Traffic(self.counter) as traffic:
            planes[0].kill()
            self.box.scale("kv", 2)
            self.box.wait_until_steady(timeout=90)
            traffic.more(20)
        self.assertEqual([failure for _, failure in traffic.failures[:3]], [], f"{len(traffic.failures)} of {traffic.total} failed")
        def others():
            names = {address for name, address in self.box.resolver.records() if name == "control-plane.mesh.internal"}
            return len(names) == 2 and planes[0].place.address not in names
        lab.wait_for(others, "the name of the control plane leads to two others", 60)

    def test_9_deleted_stacks_leave_nothing(self):
        tasks = self.box.tasks()
        self.plan.delete()
        self.assertEqual(self.box.stacks(), [])
        self.assertTrue(all(task.is_stopped for task in tasks))
        client = self.box.aws.client
        self.assertEqual([role["RoleName"] for role in client("iam").list_roles()["Roles"] if not role["RoleName"].startswith(NOT_OURS)], [])
        self.assertEqual(client("secretsmanager").list_secrets()["SecretList"], [])
        self.assertEqual(client("route53").list_hosted_zones()["HostedZones"], [])
        self.assertEqual(client("servicediscovery").list_services()["Services"], [])
        clusters = client("ecs").describe_clusters(clusters=client("ecs").list_clusters()["clusterArns"])["clusters"]
        self.assertEqual([cluster["clusterName"] for cluster in clusters if cluster["status"] == "ACTIVE"], [])
        self.assertEqual(client("logs").describe_log_groups()["logGroups"], [])
        lab.wait_for(lambda: not self.box.databases.servers and not self.box.balancers.running, "database and load balancer are gone")
        lab.wait_for(lambda: not os.listdir("/run/netns"), "no namespace is left")
        lab.wait_for(lambda: not self.box.resolver.records(), "no name is left")


if __name__ == "__main__":
    unittest.main()
