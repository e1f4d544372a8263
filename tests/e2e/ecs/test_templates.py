"""deploy/cloudformation, deployed from nothing: identity by IAM roles, one open port, deployments without a lost request."""
import json
import os
import pathlib
import unittest

import lab

from ecs.plan import self_signed
from ecs_case import BoxCase, spiffe_ids

NOT_OURS = ("AWSServiceRole",)
DEMO = {"VpcStackName": "taskmesh-vpc", "ControlPlaneStackName": "taskmesh-cp", "PullFromEcr": "false"}


class Templates(BoxCase):
    parameters_of_demo = dict(DEMO)  # as the stack has them now

    def update_demo(self, **parameters):
        self.parameters_of_demo |= parameters
        self.box.deploy("taskmesh-demo", self.templates / "demo.yaml", self.parameters_of_demo)

    def secret_of(self, output):
        return self.box.outputs("taskmesh-cp")[output]

    def read_tls_secret(self):
        return json.loads(self.box.aws.read_secret(self.secret_of("TlsSecret")))

    def put_tls_secret(self, **parts):
        self.box.aws.client("secretsmanager").put_secret_value(SecretId=self.secret_of("TlsSecret"), SecretString=json.dumps(parts))

    def replace_planes(self):
        plane = next(service["serviceName"] for service in self.box.services() if service["serviceName"].startswith("taskmesh-cp"))
        self.box.force_deployment(plane)
        self.box.wait_until_steady(plane, timeout=120)

    def planes(self):
        return [task for task in self.box.tasks() if task.is_healthy and any(container.name == "control-plane" for container in task.containers)]

    def assert_nothing_lost(self, traffic):
        self.assertEqual([failure for _, failure in traffic.failures[:3]], [], f"{len(traffic.failures)} of {traffic.total} failed")

    # --- the tests, in the order of their numbers -------------------------------------------------------------------

    def test_0_the_certificate_was_made_once_for_both_control_planes_and_no_service_can_read_its_key(self):
        made = self.read_tls_secret()
        self.assertEqual({self.certificate_at(plane, 5678) for plane in self.planes()}, {made["certificate"]})
        self.assertEqual(len(self.planes()), 2)
        versions = self.box.aws.client("secretsmanager").list_secret_version_ids(SecretId=self.secret_of("TlsSecret"), IncludeDeprecated=True)
        self.assertEqual(len(versions["Versions"]), 2, "the one of CloudFormation, and one certificate")
        published = self.box.aws.read_secret(self.secret_of("CaSecret"))
        self.assertEqual(published, made["ca"])
        self.assertNotIn("KEY", published)
        readers = {secret: {role["RoleName"] for role in self.box.aws.client("iam").list_roles()["Roles"]
                            if self.box.policies.allowed(role["RoleName"], "secretsmanager:GetSecretValue", self.secret_of(secret))}
                   for secret in ("TlsSecret", "CaSecret", "AdminTokenSecret")}
        plane = self.planes()[0].role
        self.assertEqual(readers["TlsSecret"], {plane})
        self.assertEqual(readers["AdminTokenSecret"], set())
        services = {task.definition["executionRoleArn"].rsplit("/", 1)[-1] for task in (self.app, self.one("kv"))}
        self.assertEqual(readers["CaSecret"], {plane} | services)

    def test_1_two_services_talk_through_two_sidecars_and_no_token_is_anywhere(self):
        lab.wait_for(lambda: self.counter("POST").status == 200, "demo-app reaches kv", 60)
        actions = {action for _, action, _ in self.box.front.journal}
        self.assertIn("sts:GetCallerIdentity", actions)
        self.assertIn("iam:GetRole", actions)
        # GetChange is asked for once: the template does not grant it, as it cannot be granted for one zone. And of two control planes
        # that make a certificate at once one is refused.
        refused = {(action, outcome) for _, action, outcome in self.box.front.journal if outcome != "200"}
        self.assertLessEqual(refused, {("route53:GetChange", "AccessDenied"), ("secretsmanager:PutSecretValue", "400")})
        for task in (self.app, self.one("kv")):
            self.assertFalse([name for container in task.containers for name in container.environment if "TOKEN" in name])
        # With mutual TLS each side says who it is, and who is not permitted gets 403.
        backend = {"name": "ca-1", "type": "builtin"}
        self.expect("PUT", "/meshes/default", {"type": "Mesh", "name": "default", "mtls": {"enabledBackend": "ca-1", "backends": [backend]}})
        lab.wait_for(lambda: self.counter().status == 403, "nobody is permitted anything", 60)
        self.permit("demo-app", "kv")
        # Envoy judges a request by the rules under which its connection was opened, and closes that with the answer: each worker
        # that had one is refused once more. So many requests in a row come to every worker.
        lab.wait_for(lambda: all(self.counter().status == 200 for _ in range(40)), "permitted requests go through, on new connections", 60)
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
        with lab.Traffic(self.counter) as traffic:
            traffic.more(20)
            self.update_demo(KvVersion="2")
            self.box.wait_until_steady("kv", timeout=120)
            traffic.more(50)
        self.assert_nothing_lost(traffic)
        self.assertTrue(old.is_stopped)
        self.assertEqual(self.one("kv").container("app").environment["VERSION"], "2")
        self.assertIn("the task is to stop: leaving the mesh while the application still serves", old.container("sidecar").log())
        self.assertEqual([each.exit_code for each in old.containers], [0, 0], "nothing had to be killed")

    def test_4_the_certificate_of_the_control_plane_is_rotated_and_no_request_is_lost(self):
        old = self.read_tls_secret()
        certificate, key = self_signed(self.box.images.binaries / "taskmeshctl", "control-plane.mesh.internal", self.box.outputs("taskmesh-vpc")["ApiAddress"])
        both = old["ca"] + certificate
        before = {task.id for task in self.box.tasks()}
        with lab.Traffic(self.counter) as traffic:
            # First sidecars learn to trust both, then the control plane shows the new one. And demo-app finds kv by its name from now on.
            self.put_tls_secret(**{**old, "ca": both})
            self.replace_planes()
            self.assertEqual(self.box.aws.read_secret(self.secret_of("CaSecret")), both)
            self.update_demo(KvVersion="3", DemoAppVersion="2", BindOutbounds="true")
            self.box.wait_until_steady("kv", "demo-app", timeout=120)
            self.put_tls_secret(certificate=certificate, key=key, ca=both)
            self.replace_planes()
            traffic.more(50)
        self.assert_nothing_lost(traffic)
        self.assertFalse(before & {task.id for task in self.box.tasks()}, "every task was replaced")
        self.assertEqual({self.certificate_at(plane, 5678) for plane in self.planes()}, {certificate})
        self.put_tls_secret(certificate=certificate, key=key, ca=certificate)  # what control planes publish from their next start on

        def are_online():
            overviews = self.expect("GET", "/meshes/default/dataplanes+insights").json()["items"]
            online = [each for each in overviews if "disconnectTime" not in each["dataplaneInsight"]["subscriptions"][-1]]
            return len(overviews) == len(online) == 2
        lab.wait_for(are_online, "both sidecars are connected to the new control planes", 60)

    def test_5_a_service_is_called_by_its_name_in_the_hosted_zone(self):
        container = self.app.container("app")
        self.assertEqual(container.environment["KV_URL"], "http://kv.mesh.local:8080")
        lab.wait_for(lambda: self.counter("POST").status == 200, "demo-app counts in kv by its name", 60)
        answer = pathlib.Path(self.box.directory, "answer")
        with open(answer, "wb") as out:
            code = container.run_inside(["wget", "-q", "-O", "-", "http://kv.mesh.local:8080/api/key-value"], timeout=20, stdout=out)
        self.assertEqual((code, json.loads(answer.read_text())), (0, {"keys": ["counter"]}))
        names = {name: address for name, address in self.box.resolver.records() if name.endswith(".mesh.local")}
        self.assertEqual(set(names), {"kv.mesh.local", "demo-app.mesh.local"})
        self.assertIn((names["kv.mesh.local"], 8080), self.listening(self.app), "the sidecar listens where the name leads to")
        # A service of one's own, from service.yaml, finds it in the same way.
        self.box.deploy("caller", self.templates / "service.yaml", {
            **DEMO, "ServiceName": "caller", "AppImage": "taskmesh/counter:latest", "AppPort": "5000", "AppCommand": "demo-app",
            "BindOutbounds": "true", "AppVariableName": "KV_URL", "AppVariableValue": "http://kv.mesh.local:8080"})
        self.box.wait_until_steady("caller", timeout=120)
        self.permit("caller", "kv")
        caller = self.one("caller")
        lab.wait_for(lambda: self.counter(task=caller).status == 200, "caller reaches kv by its name", 60)
        self.box.delete("caller")
        self.assertTrue(caller.is_stopped)
        lab.wait_for(lambda: "caller.mesh.local" not in {name for name, _ in self.box.resolver.records()}, "its name goes with it", 60)

    def test_6_scaled_out_killed_and_scaled_in(self):
        self.box.scale("kv", 2)
        self.box.wait_until_steady("kv", timeout=120)
        both = {task.hostname for task in self.box.healthy("kv")}
        seen = set()
        with lab.Traffic(lambda: seen.add((answer := self.counter()).json().get("instance")) or answer) as traffic:
            lab.wait_for(lambda: both <= seen, "both tasks answer", 60)
            self.one("kv").kill()
            traffic.more(100, timeout=60)
            self.box.wait_until_steady("kv", timeout=120)
            self.box.scale("kv", 1)
            self.box.wait_until_steady("kv", timeout=120)
            traffic.more(30, timeout=60)
        # Two threads ask: what was under way in the killed task may be lost, nothing else.
        self.assertLessEqual(len(traffic.failures), 2, traffic.failures[:5])

    def test_7_a_control_plane_task_is_lost_and_replaced(self):
        planes = self.planes()
        self.assertEqual(len(planes), 2)
        with lab.Traffic(self.counter) as traffic:
            planes[0].kill()
            self.box.scale("kv", 2)
            self.box.wait_until_steady(timeout=120)
            traffic.more(20, timeout=60)
        self.assert_nothing_lost(traffic)
        self.assertEqual({self.certificate_at(plane, 5678) for plane in self.planes()}, {self.read_tls_secret()["certificate"]},
                         "the new one did not make another certificate")

        def others():
            names = {address for name, address in self.box.resolver.records() if name == "control-plane.mesh.internal"}
            return len(names) == 2 and planes[0].place.address not in names
        lab.wait_for(others, "the name of the control plane leads to two others", 60)

    def test_8_what_the_stacks_are_made_of_as_the_api_tells_it(self):
        client = self.box.aws.client
        cluster = client("ecs").describe_clusters(clusters=[self.box.outputs("taskmesh-vpc")["ClusterName"]], include=["SETTINGS"])["clusters"][0]
        self.assertEqual(cluster["settings"], [{"name": "containerInsights", "value": "enabled"}])
        subnets = client("ec2").describe_subnets(SubnetIds=self.box.outputs("taskmesh-vpc")["PrivateSubnets"].split(","))["Subnets"]
        self.assertEqual(len({subnet["AvailabilityZone"] for subnet in subnets}), 2)
        self.assertEqual(len({plane.zone for plane in self.planes()}), 2, "a zone may be lost")
        database = client("rds").describe_db_instances()["DBInstances"][0]
        self.assertTrue(database["StorageEncrypted"])
        self.assertFalse(database["PubliclyAccessible"])
        for service in self.box.services():
            self.assertEqual(service["deploymentConfiguration"]["deploymentCircuitBreaker"], {"enable": True, "rollback": True})
            self.assertEqual(service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"], "DISABLED")
            definition = client("ecs").describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
            for container in definition["containerDefinitions"]:
                self.assertTrue(container["readonlyRootFilesystem"], container["name"])
                self.assertFalse([entry for entry in container.get("environment", []) if "PASSWORD" in entry["name"]], "passwords are secrets")
                if container["essential"]:
                    self.assertIn("healthCheck", container)
                    self.assertGreaterEqual(container["stopTimeout"], 30)
                if container["name"] == "app":
                    self.assertEqual(container["dependsOn"], [{"containerName": "sidecar", "condition": "HEALTHY"}])

    def test_9_deleted_stacks_leave_nothing(self):
        tasks = self.box.tasks()
        databases = list(self.box.databases.servers.values())
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
        lab.wait_for(lambda: not self.box.databases.servers and not self.box.balancers.running, "database and load balancer are gone", 60)
        left = [each.name for task in tasks for each in task.containers if each.is_running] + [each.name for each in databases if each.process.poll() is None]
        self.assertEqual(left, [], "no process is left")
        lab.wait_for(lambda: not os.listdir("/run/netns"), "no namespace is left", 60)
        lab.wait_for(lambda: not self.box.resolver.records(), "no name is left", 60)


if __name__ == "__main__":
    unittest.main()
