"""The box itself: what ECS does to a task, with a template of a few lines and no mesh in it."""
import json
import os
import pathlib
import tempfile
import unittest

import lab

from ecs.box import Box
from ecs.stand_ins import stand_ins

IMAGE = "taskmesh/counter:latest"  # any with a shell


def container(name, script, **more):
    return {"Name": name, "Image": IMAGE, "Essential": False, "EntryPoint": ["sh", "-c"], "Command": [script],
            "MountPoints": [{"SourceVolume": "shared", "ContainerPath": "/shared"}], **more}


def after(name, condition):
    return {"ContainerName": name, "Condition": condition}


STEPS = [
    container("first", "echo first >> /shared/order; chmod 777 /shared; chmod 666 /shared/order", User="0"),
    container("second", "echo second >> /shared/order; exit 3", DependsOn=[after("first", "SUCCESS")]),
    # It does not hear SIGTERM.
    container("third", "trap '' TERM; echo third >> /shared/order; exec sleep infinity", Essential=True, User="5678", StopTimeout=2,
              ReadonlyRootFilesystem=True, DependsOn=[after("second", "COMPLETE")], Secrets=[{"Name": "PASSWORD", "ValueFrom": {"Ref": "Known"}}],
              HealthCheck={"Command": ["CMD-SHELL", "test -f /shared/healthy"], "Interval": 1, "Timeout": 2, "Retries": 2, "StartPeriod": 30}),
    container("fourth", "echo fourth >> /shared/order; trap 'exit 0' TERM; sleep infinity & wait", Essential=True,
              DependsOn=[after("third", "HEALTHY")]),
]


def role(*actions):
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    policy = {"PolicyName": "p", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": {"Ref": "Known"}}]}}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, "Policies": [policy] if actions else []}}


def template(containers):
    def of(kind, **properties):
        return {"Type": kind, "Properties": properties}
    ref = {"Ref": "Vpc"}
    return {"Resources": {
        "Vpc": of("AWS::EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Subnet": of("AWS::EC2::Subnet", VpcId=ref, CidrBlock="10.0.1.0/24", AvailabilityZone="eu-west-1a"),
        "Gateway": of("AWS::EC2::InternetGateway"),
        "Attachment": of("AWS::EC2::VPCGatewayAttachment", VpcId=ref, InternetGatewayId={"Ref": "Gateway"}),
        "Routes": of("AWS::EC2::RouteTable", VpcId=ref),
        "WayOut": {**of("AWS::EC2::Route", RouteTableId={"Ref": "Routes"}, DestinationCidrBlock="0.0.0.0/0", GatewayId={"Ref": "Gateway"}),
                   "DependsOn": "Attachment"},
        "Association": of("AWS::EC2::SubnetRouteTableAssociation", SubnetId={"Ref": "Subnet"}, RouteTableId={"Ref": "Routes"}),
        "Group": of("AWS::EC2::SecurityGroup", GroupDescription="nobody comes in", VpcId=ref),
        "Cluster": of("AWS::ECS::Cluster"),
        "Known": of("AWS::SecretsManager::Secret", SecretString="open sesame"), "Hidden": of("AWS::SecretsManager::Secret", SecretString="hidden"),
        "ExecutionRole": role("secretsmanager:GetSecretValue"), "TaskRole": role(),
        "Definition": of("AWS::ECS::TaskDefinition", Family="steps", NetworkMode="awsvpc", TaskRoleArn={"Fn::GetAtt": "TaskRole.Arn"}, Cpu=256, Memory=512,
                         ExecutionRoleArn={"Fn::GetAtt": "ExecutionRole.Arn"}, Volumes=[{"Name": "shared"}], ContainerDefinitions=containers),
        "Service": of("AWS::ECS::Service", ServiceName="steps", Cluster={"Ref": "Cluster"}, LaunchType="FARGATE", DesiredCount=1, TaskDefinition={"Ref": "Definition"},
                      DeploymentConfiguration={"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}},
                      NetworkConfiguration={"AwsvpcConfiguration": {"Subnets": [{"Ref": "Subnet"}], "SecurityGroups": [{"Ref": "Group"}]}}),
    }}


class Task(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="taskmesh-ecs-"))
        envoy = os.environ.get("TASKMESH_ENVOY") or lab.ROOT / ".tools/envoy/envoy"
        cls.box = Box(os.environ["TASKMESH_BINARIES"], envoy, cls.directory, stand_ins(cls.directory))
        cls.addClassCleanup(cls.box.close)
        cls.box.images.own("counter")
        cls.deploy(STEPS)

    @classmethod
    def deploy(cls, containers):
        file = cls.directory / "template.json"
        file.write_text(json.dumps(template(containers)))
        cls.box.deploy("steps", file)

    def wait_for_task(self, other_than=None):
        """A task whose third container runs."""
        def found():
            return next((task for task in self.box.tasks("steps") if task is not other_than and task.desired_status == "RUNNING" and task.known_status != "PROVISIONING"
                         and task.container("third").is_running and "third" in self.order(task)), None)
        return lab.wait_for(found, "a task with three containers", 30)

    def healthy_task(self, other_than=None):
        task = self.wait_for_task(other_than)
        self.inside(task, "touch /shared/healthy")
        lab.wait_for(lambda: task.is_healthy and "fourth" in self.order(task), "all four containers run", 30)
        return task

    @staticmethod
    def order(task):
        file = task.directory / "volumes/shared/order"
        return file.read_text().split() if file.exists() else []

    def inside(self, task, script, name="third"):
        """(exit code, what it said)"""
        with tempfile.TemporaryFile() as out:
            code = task.container(name).run_inside(["sh", "-c", script], timeout=10, stdout=out, stderr=out)
            out.seek(0)
            return code, out.read().decode().strip()

    # --- the tests, in the order of their numbers -----------------------------------------------------------------------

    def test_1_containers_start_in_the_order_and_under_the_conditions_of_depends_on(self):
        task = self.wait_for_task()
        self.assertEqual((task.container("first").exit_code, task.container("second").exit_code), (0, 3))
        lab.wait_for(lambda: task.container("third").health == "UNKNOWN" and time_of(task, "third") > 1.5, "its health was looked at", 10)
        self.assertEqual(self.order(task), ["first", "second", "third"], "the fourth waits until the third is healthy")
        self.assertIsNone(task.container("fourth").process)
        self.healthy_task()
        self.assertEqual(self.order(task), ["first", "second", "third", "fourth"])

    def test_2_a_container_has_its_user_its_files_and_the_address_and_name_of_its_task(self):
        task = self.wait_for_task()
        self.assertEqual(self.inside(task, "id -u; hostname; hostname -i"), (0, f"5678\n{task.hostname}\n{task.place.address}"))
        self.assertTrue(task.place.address.startswith("10.0.1."))
        code, said = self.inside(task, "echo x > /x")
        self.assertEqual((code != 0, "Read-only" in said), (True, True), said)
        self.assertEqual(self.inside(task, "echo x > /shared/x && cat /shared/x")[0], 0, "a volume is not")
        self.assertEqual(self.inside(task, "cat /shared/x", "fourth"), (0, "x"), "and it is shared")
        self.assertEqual(self.inside(task, "tr '\\0' ' ' < /proc/1/cmdline")[1], "sleep infinity", "it is process 1 of its own")

    def test_3_secrets_are_in_the_environment_of_who_names_them(self):
        task = self.wait_for_task()
        self.assertEqual(self.inside(task, "echo $PASSWORD"), (0, "open sesame"))
        self.assertEqual(self.inside(task, "echo $PASSWORD", "fourth"), (0, ""))

    def test_4_metadata_and_credentials_are_those_of_the_task(self):
        task = self.wait_for_task()
        uri = self.inside(task, "echo $ECS_CONTAINER_METADATA_URI_V4")[1]

        def get(path):
            return lab.request("GET", "169.254.170.2", 80, path, namespace=task.place.namespace)
        path = uri.removeprefix("http://169.254.170.2")
        whole = get(path + "/task").json()
        self.assertEqual((whole["TaskARN"], whole["Family"], whole["DesiredStatus"], whole["LaunchType"]), (task.arn, "steps", "RUNNING", "FARGATE"))
        self.assertEqual([each["Name"] for each in whole["Containers"]], ["first", "second", "third", "fourth"])
        own = get(path).json()
        self.assertEqual((own["Name"], own["Networks"][0]["IPv4Addresses"]), ("third", [task.place.address]))
        keys = get(self.inside(task, "echo $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")[1]).json()
        self.assertEqual(keys["RoleArn"], task.definition["taskRoleArn"])
        self.assertEqual(get("/v2/credentials/of-somebody-else").status, 404)

    def test_5_a_stop_is_said_first_then_sigterm_in_reverse_order_then_sigkill(self):
        task = self.healthy_task()
        task.stop("by the test")
        self.assertEqual(task.agent.whole_task()["DesiredStatus"], "STOPPED")
        task.wait_until_stopped()
        third, fourth = task.container("third"), task.container("fourth")
        self.assertEqual((fourth.exit_code, third.exit_code), (0, 128 + 9))
        self.assertGreater(third.ended_at - fourth.ended_at, 1.9, "stopTimeout, after who depends on it had ended")

    def test_6_the_end_of_an_essential_container_is_that_of_the_task_and_another_takes_its_place(self):
        task = self.healthy_task()
        task.container("fourth").signal(15)
        task.wait_until_stopped()
        self.assertEqual(task.stop_reason, "Essential container in task exited: fourth, exit code 0")
        self.healthy_task(other_than=task)

    def test_7_a_task_that_is_unhealthy_is_replaced(self):
        task = self.healthy_task()
        self.inside(task, "rm /shared/healthy")
        task.wait_until_stopped()
        self.assertEqual(task.stop_reason, "Task failed container health checks: third")
        self.healthy_task(other_than=task)

    def test_8_what_the_execution_role_may_not_read_starts_no_task_and_the_deployment_is_rolled_back(self):
        before = self.healthy_task()
        hidden = {**STEPS[2], "Secrets": [{"Name": "PASSWORD", "ValueFrom": {"Ref": "Hidden"}}]}
        self.deploy([*STEPS[:2], hidden, STEPS[3]])
        lab.wait_for(lambda: any("rolling back" in event for event in self.box.scheduler.events("steps")), "the circuit breaker opens", 60)
        self.assertTrue(any("ResourceInitializationError" in event and "may not read" in event for event in self.box.scheduler.events("steps")))
        self.assertTrue(before.is_running, "the old task was kept meanwhile")

    def test_9_a_property_with_a_typing_mistake_is_an_error(self):
        with self.assertRaisesRegex(Exception, "there is no Enviroment"):
            self.deploy([{**STEPS[0], "Enviroment": []}])


def time_of(task, name):
    import time
    return time.time() - task.container(name).started_at


if __name__ == "__main__":
    unittest.main()
