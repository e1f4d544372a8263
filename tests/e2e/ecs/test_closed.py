"""deploy/cloudformation with everything that may be chosen chosen otherwise than in test_templates: a VPC without a way out, where AWS
is reached through endpoints alone, Aurora with its certificate verified, a TLS secret of one's own, the launch type EC2."""
import unittest

import lab

from ecs_case import BoxCase

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/taskmesh"
DEMO = {"VpcStackName": "taskmesh-vpc", "ControlPlaneStackName": "taskmesh-cp", "AppImage": f"{REGISTRY}/counter:latest",
        "SidecarImage": f"{REGISTRY}/sidecar:latest"}


class Closed(BoxCase):
    plan_file = "closed.json"

    def plane(self):
        return next(task for task in self.box.tasks() if any(container.name == "control-plane" for container in task.containers))

    def test_1_two_services_talk_and_aws_is_reached_through_endpoints_alone(self):
        lab.wait_for(lambda: self.counter("POST").status == 200, "demo-app reaches kv", 60)
        self.assertEqual(self.box.aws.client("ec2").describe_nat_gateways()["NatGateways"], [])
        for task in (self.plane(), self.app):
            self.assertFalse(self.takes_connections(self.box.network.aws, 443, task), "nothing outside of the VPC is reached")
        done = {action for _, action, outcome in self.box.front.journal if outcome == "200"}
        self.assertLessEqual({"sts:GetCallerIdentity", "iam:GetRole", "route53:ChangeResourceRecordSets", "secretsmanager:PutSecretValue"}, done)

    def test_2_without_nat_and_endpoints_there_is_no_stack(self):
        with self.assertRaisesRegex(Exception, "NatGateways=0 needs VpcEndpoints=true"):
            self.box.deploy("no-way", self.templates / "vpc.yaml", {"NatGateways": "0"})
        self.assertNotIn("no-way", self.box.stacks())

    def test_3_an_image_from_elsewhere_is_not_pulled_and_the_version_is_rolled_back(self):
        before = self.one("kv").definition["taskDefinitionArn"]
        with lab.Traffic(self.counter) as traffic:
            self.box.deploy("taskmesh-demo", self.templates / "demo.yaml", {**DEMO, "AppImage": "example/counter:1"})
            lab.wait_for(lambda: any("rolling back" in event for event in self.box.scheduler.events("kv")), "the circuit breaker opens", 120)
            self.box.wait_until_steady("kv", timeout=90)
            traffic.more(20)
        self.assertEqual(traffic.failures[:3], [])
        self.assertEqual(self.one("kv").definition["taskDefinitionArn"], before)
        self.assertTrue(any("CannotPullContainerError" in event for event in self.box.scheduler.events("kv")))
        self.box.deploy("taskmesh-demo", self.templates / "demo.yaml", DEMO)
        self.box.wait_until_steady(timeout=120)

    def test_4_aurora_with_its_certificate_verified(self):
        self.assertEqual(self.plane().container("control-plane").environment["KUMA_STORE_POSTGRES_TLS_MODE"], "verifyFull")
        self.assertEqual(self.counter("POST").status, 200)

    def test_5_the_key_of_the_tls_secret_stays_with_the_control_plane(self):
        secret = self.plan.secrets["taskmesh/tls"]
        self.assertEqual(self.box.outputs("taskmesh-cp")["TlsSecret"], secret)
        readers = {role["RoleName"] for role in self.box.aws.client("iam").list_roles()["Roles"]
                   if self.box.policies.allowed(role["RoleName"], "secretsmanager:GetSecretValue", secret)}
        self.assertEqual(readers, {self.plane().role})
        self.assertFalse(self.box.policies.allowed(self.plane().role, "secretsmanager:PutSecretValue", secret), "nor is it changed")
        for container in self.plane().containers:
            self.assertNotIn("PRIVATE KEY", "".join(container.environment.values()))

    def test_6_a_service_of_ones_own_with_enumerated_outbounds_on_ec2(self):
        parameters = {**DEMO, "ServiceName": "caller", "AppPort": "5000", "AppCommand": "demo-app",
                      "Outbounds": "[{address: 127.0.0.1, port: 6050, tags: {kuma.io/service: kv}}]", "AppVariableName": "KV_URL",
                      "AppVariableValue": "http://127.0.0.1:6050", "LaunchType": "EC2"}
        self.box.deploy("caller", self.templates / "service.yaml", parameters)
        self.box.wait_until_steady("caller", timeout=120)
        lab.wait_for(lambda: self.counter(task=self.one("caller")).status == 200, "caller reaches kv", 60)
        self.box.delete("caller")
        self.assertEqual(self.box.tasks("caller"), [])

    def test_7_what_has_no_endpoint_is_not_reached(self):
        subnet, image = self.app.subnet, f"{REGISTRY}/sidecar:latest"
        self.assertIsNone(self.box.reach.missing(subnet, image, ["logs", "secretsmanager"]))
        logs = self.box.reach.endpoints()["logs"]["VpcEndpointId"]
        self.box.aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[logs])
        self.assertEqual(self.box.reach.missing(subnet, image, ["logs", "secretsmanager"]), "ResourceInitializationError: the subnet has no way to logs")


if __name__ == "__main__":
    unittest.main()
