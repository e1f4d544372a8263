"""What takes longer: a version that does not come up, Aurora, service.yaml; and the published templates of
Kong Mesh for ECS with our programs behind their names, when MESH_ECS_REFERENCE names their folder."""
import os
import pathlib
import unittest

import lab

from ecs_case import BoxCase

LONG = unittest.skipUnless(os.environ.get("MESH_ECS_LONG"), "takes minutes: set MESH_ECS_LONG=1")
REFERENCE = os.environ.get("MESH_ECS_REFERENCE")
DEMO = {"VpcStackName": "taskmesh-vpc", "ControlPlaneStackName": "taskmesh-cp", "PullFromEcr": "false"}


@LONG
class Operations(BoxCase):
    parameters = {"taskmesh-cp": {"Database": "aurora-serverless", "DatabaseCaSecret": "{secret:database-ca}"}}

    @classmethod
    def setUpClass(cls):
        import ecs.plan
        make = ecs.plan.Plan.make_secrets

        def with_authority(plan):
            make(plan)
            plan.secrets["database-ca"] = plan.box.secret("database-ca", plan.box.authority.certificate.read_text())
        ecs.plan.Plan.make_secrets = with_authority
        cls.addClassCleanup(setattr, ecs.plan.Plan, "make_secrets", make)
        super().setUpClass()

    def test_1_aurora_with_its_certificate_verified(self):
        plane = next(task for task in self.box.tasks() if any(container.name == "control-plane" for container in task.containers))
        self.assertEqual(plane.container("control-plane").environment["KUMA_STORE_POSTGRES_TLS_MODE"], "verifyFull")
        lab.wait_for(lambda: self.counter("POST").status == 200, "demo-app reaches kv", 30)

    def test_2_a_version_that_does_not_come_up_is_rolled_back(self):
        before = self.one("kv").definition["taskDefinitionArn"]
        with lab.Traffic(self.counter) as traffic:
            self.box.deploy("taskmesh-demo", self.templates / "demo.yaml", {**DEMO, "AppImage": "example/does-not-exist:1"})
            lab.wait_for(lambda: any("rolling back" in event for event in self.box.scheduler.events("kv")), "the circuit breaker opens", 120)
            self.box.wait_until_steady("kv", timeout=90)
            traffic.more(20)
        self.assertEqual(traffic.failures[:3], [])
        self.assertEqual(self.one("kv").definition["taskDefinitionArn"], before)
        self.box.deploy("taskmesh-demo", self.templates / "demo.yaml", DEMO)
        self.box.wait_until_steady(timeout=120)

    def test_3_a_service_of_ones_own_with_enumerated_outbounds_on_ec2(self):
        parameters = {**DEMO, "ServiceName": "caller", "AppImage": "taskmesh/counter:latest", "AppPort": "5000", "AppCommand": "demo-app",
                      "Outbounds": "[{address: 127.0.0.1, port: 6050, tags: {kuma.io/service: kv}}]", "AppVariableName": "KV_URL",
                      "AppVariableValue": "http://127.0.0.1:6050", "LaunchType": "EC2"}
        self.box.deploy("caller", self.templates / "service.yaml", parameters)
        self.box.wait_until_steady("caller", timeout=120)
        lab.wait_for(lambda: self.counter(task=self.one("caller")).status == 200, "caller reaches kv", 60)
        self.box.delete("caller")
        self.assertEqual(self.box.tasks("caller"), [])


@unittest.skipUnless(REFERENCE, "MESH_ECS_REFERENCE names no folder of published templates")
class Published(BoxCase):
    """As published: with --auth-type=aws --bind-outbounds, in a lone zone, which needs generators of its own."""

    plan_file, templates = "kong-mesh-ecs.json", pathlib.Path(REFERENCE or "/")

    def test_1_every_stack_comes_up_and_both_proxies_are_online(self):
        overview = lab.wait_for(lambda: (found := self.expect("GET", "/meshes/default/dataplanes+insights").json())["total"] == 2 and found, "two proxies", 60)
        for item in overview["items"]:
            self.assertNotIn("disconnectTime", item["dataplaneInsight"]["subscriptions"][-1])
        self.assertGreater(len(self.admin_token()), 20)

    def test_2_the_sidecars_hear_sigterm_through_their_shell(self):
        kv = self.one("kv")
        kv.stop("by the test")
        kv.wait_until_stopped()
        self.assertEqual(kv.container("kuma-dp").exit_code, 0)

    def test_3_the_app_reaches_kv_by_a_name_of_the_hosted_zone(self):
        zone = self.box.outputs("ecs-demo-vpc")["HostedZoneId"]
        self.expect("PUT", "/meshes/default", {"type": "Mesh", "name": "default", "meshServices": {"mode": "Exclusive"},
                                               "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}})
        self.expect("PUT", "/meshes/default/meshtrafficpermissions/allow-all", {
            "type": "MeshTrafficPermission", "mesh": "default", "name": "allow-all",
            "spec": {"targetRef": {"kind": "Mesh"}, "from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]}})
        self.expect("PUT", "/hostnamegenerators/local", {
            "type": "HostnameGenerator", "name": "local",
            "spec": {"selector": {"meshService": {"matchLabels": {"kuma.io/origin": "zone"}}}, "template": "{{ .DisplayName }}.mzms.mesh.local",
                     "extension": {"type": "Route53", "config": {"hostedZoneId": zone}}}})
        lab.wait_for(lambda: any(name == "kv.mzms.mesh.local" for name, _ in self.box.resolver.records()), "the name of kv is in the zone", 60)
        app = self.one("demo-app")
        lab.wait_for(lambda: lab.request("POST", "127.0.0.1", 5050, "/api/counter", namespace=app.place.namespace, timeout=20).status == 200,
                     "demo-app counts in kv by its name", 60)
