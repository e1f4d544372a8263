"""The box: an emulated AWS account, a network, and everything that AWS would run in it."""
import contextlib
import io
import pathlib
import shutil
import tempfile
import threading
import traceback

import lab

from .authority import Authority
from .balancer import Balancers
from .database import Databases
from .emulator import Aws
from .firewall import Firewall
from .front import Front
from .images import Store
from .names import Resolver
from .network import Network
from .policies import Policies
from .reach import Reach
from .scheduler import Scheduler

PERIOD = 0.2
SYSTEM_CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


class Around:
    """What every task of this box needs."""

    def __init__(self, box):
        self.aws, self.network, self.images, self.directory = box.aws, box.network, box.images, box.directory
        self.issue, self.trusted, self.reach, self._policies = box.front.issue, box.trusted, box.reach, box.policies

    def check_execution_role(self, definition, secret):
        role = definition.get("executionRoleArn", "").rsplit("/", 1)[-1]
        if not self._policies.allowed(role, "secretsmanager:GetSecretValue", secret):
            raise lab.Failure(f"ResourceInitializationError: the execution role {role or '(none)'} may not read {secret}")


class Box:
    """Use it inside namespaces of its own (lab.enter)."""

    def __init__(self, binaries, envoy, directory=None, stand_ins=None):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="taskmesh-ecs-"))
        self.directory.chmod(0o711)  # the database server has a user of its own
        self.problems = []
        with contextlib.ExitStack() as stack:
            self.aws = Aws()
            stack.callback(self.aws.close)
            self.network = Network()
            stack.callback(self.network.close)
            self.reach = Reach(self.aws)
            self.firewall = Firewall(self.aws, self.network, self.reach)
            self.authority = Authority(self.directory)
            self.trusted = self.directory / "trusted.pem"
            self.trusted.write_text((SYSTEM_CERTIFICATES.read_text() if SYSTEM_CERTIFICATES.exists() else "") + self.authority.certificate.read_text())
            self.policies = Policies(self.aws)
            self.resolver = Resolver(self.aws, self.network, self.directory, self.reach)
            stack.callback(self.resolver.close)
            self.databases = Databases(self.aws, self.network, self.resolver, self.directory, self.authority)
            stack.callback(self.databases.close)
            self.balancers = Balancers(self.aws, self.network, self.resolver)
            stack.callback(self.balancers.close)
            self.front = Front(self.aws, self.network, self.authority, self.policies, self.directory)
            stack.callback(self.front.close)
            self.images = Store(binaries, envoy, self.directory, stand_ins)
            self.around = Around(self)
            self.scheduler = Scheduler(self.aws, self.around)
            stack.callback(self.scheduler.close)
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._tend, daemon=True, name="box")
            stack.callback(self._end)
            self._thread.start()
            self._closing = stack.pop_all()

    def _end(self):
        self._stop.set()
        self._thread.join()

    def close(self, keep=False):
        self._closing.close()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _tend(self):
        while not self._stop.is_set():
            for part in (self.databases.refresh, self.balancers.refresh, self.scheduler.tick, self.firewall.refresh, self.resolver.refresh):
                try:
                    part()
                except Exception:  # a resource that goes away while we look at it; told when something waits in vain
                    if (problem := traceback.format_exc()) not in self.problems:
                        self.problems = [*self.problems[-5:], problem]
            self._stop.wait(PERIOD)

    # --- stacks -----------------------------------------------------------------------------------------------------

    def deploy(self, name, template, parameters=None):
        """Creates the stack, or updates it. `template` is a file."""
        client, text = self.aws.client("cloudformation"), pathlib.Path(template).read_text()
        given = [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in (parameters or {}).items()]
        exists = name in [stack["StackName"] for stack in client.describe_stacks()["Stacks"]]
        call = client.update_stack if exists else client.create_stack
        call(StackName=name, TemplateBody=text, Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"])
        return self.outputs(name)

    def outputs(self, name):
        stack = self.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def stacks(self):
        return [stack["StackName"] for stack in self.aws.client("cloudformation").describe_stacks()["Stacks"]]

    def delete(self, name):
        self.aws.client("cloudformation").delete_stack(StackName=name)

    def secret(self, name, text):
        """The ARN of a new secret."""
        return self.aws.client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"]

    # --- tasks ------------------------------------------------------------------------------------------------------

    def tasks(self, service=None):
        return [task for task in self.scheduler.tasks() if service in (None, task.service_name)]

    def services(self):
        ecs = self.aws.client("ecs")
        for cluster in ecs.list_clusters()["clusterArns"]:
            if names := ecs.list_services(cluster=cluster, maxResults=100)["serviceArns"]:
                yield from (service for service in ecs.describe_services(cluster=cluster, services=names)["services"] if service["status"] == "ACTIVE")

    def wait_until_steady(self, *names, timeout=90):
        """Until the deployments of these services (nothing: of all) are complete."""
        def steady():
            services = {service["serviceName"]: service for service in self.services()}
            for name in names or services:
                deployment = services[name]["deployments"][0]
                if deployment["rolloutState"] == "FAILED":
                    raise lab.Failure(f"the deployment of {name} failed: {deployment.get('rolloutStateReason')}\n{self.report(name)}")
                if deployment["rolloutState"] != "COMPLETED" or deployment["taskDefinition"] != services[name]["taskDefinition"]:
                    return False
            return True
        begin = self.scheduler.rounds
        try:
            lab.wait_for(lambda: self.scheduler.rounds >= begin + 2, "the scheduler looks at its services", 30)
            lab.wait_for(steady, f"{', '.join(names) or 'all services'} come up", timeout, pause=0.1)
        except lab.Failure as problem:
            raise lab.Failure(f"{problem}\n{self.report(*names)}") from None

    def _service(self, name):
        found = next((each for each in self.services() if each["serviceName"] == name), None)
        if found is None:
            raise lab.Failure(f"there is no service {name}")
        return found

    def scale(self, service, count):
        found = self._service(service)
        self.aws.client("ecs").update_service(cluster=found["clusterArn"], service=service, desiredCount=count)

    def force_deployment(self, service):
        """As update-service --force-new-deployment: every task is replaced by one of the same definition."""
        found = self._service(service)
        self.aws.client("ecs").update_service(cluster=found["clusterArn"], service=service, forceNewDeployment=True)

    def healthy(self, service):
        return [task for task in self.tasks(service) if task.is_healthy]

    def report(self, *services):
        """What tasks said last: for people."""
        out = io.StringIO()
        with self.scheduler._lock:
            known = [service for service in self.scheduler.services.values() if not services or service.name in services]
            events = [f"{service.name}: {event}" for service in known for event in service.events[-5:]]
            tasks = [*self.tasks(), *self.scheduler.stopped[-4:]]
        for line in events:
            print(line, file=out)
        for task in tasks:
            if services and task.service_name not in services:
                continue
            print(f"=== {task.name} {task.known_status} {task.health} {task.stop_reason}", file=out)
            for container in task.containers:
                print(f"--- {container.name} exit={container.exit_code} health={container.health}", file=out)
                print("\n".join(container.log().splitlines()[-12:]), file=out)
        for problem in self.problems[-2:]:
            print(problem, file=out)
        return out.getvalue()
