"""One task: its place on the network, its containers in the order of `dependsOn`, and its stop in the reverse order."""
import re
import shutil
import signal
import threading
import time
import uuid

import lab

from .agent import Agent
from .container import SCRATCH, Container
from .emulator import ACCOUNT

PAUSE = 0.05


class Environment:
    """What tasks share: the box they run in."""

    def __init__(self, aws, network, images, directory, issue, trusted):
        self.aws, self.network, self.images, self.directory, self.issue, self.trusted = aws, network, images, directory, issue, trusted


class Task:
    """Runs a task definition (as DescribeTaskDefinition shows it). A thread of its own starts, watches and stops it."""

    def __init__(self, around, definition, cluster, service="", subnet=None, launch_type="FARGATE", groups=()):
        self.around, self.definition, self.cluster, self.launch_type = around, definition, cluster, launch_type
        self.id = uuid.uuid4().hex
        self.credentials_id = str(uuid.uuid4())
        self.region = around.aws.region
        self.cluster_arn = f"arn:aws:ecs:{self.region}:{ACCOUNT}:cluster/{cluster}"
        self.arn = f"arn:aws:ecs:{self.region}:{ACCOUNT}:task/{cluster}/{self.id}"
        self.service_name, self.created_at, self.stopping_at = service, time.time(), None
        self.name = f"{service or definition['family']}-{self.id[:6]}"
        self.zone, self.subnet_cidr, self.subnet = ((subnet["AvailabilityZone"], subnet["CidrBlock"], subnet["SubnetId"]) if subnet else
                                                    (self.region + "a", None, None))
        self.role = definition.get("taskRoleArn", "").rsplit("/", 1)[-1]
        self.place = around.network.add(self.name, self.subnet_cidr, groups, self.subnet)
        self.router = around.network.router
        self.hostname = f"ip-{self.place.address.replace('.', '-')}.{self.region}.compute.internal"
        self.directory = around.directory / "tasks" / self.name
        self.directory.mkdir(parents=True)
        self.desired_status, self.known_status, self.stop_reason = "RUNNING", "PROVISIONING", ""
        self.agent = Agent(self, around.issue)
        self.containers = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._live, daemon=True, name=self.name)

    def start(self):
        self._thread.start()
        return self

    # --- what others see ----------------------------------------------------------------------------------------

    def container(self, name):
        return next(each for each in self.containers if each.name == name)

    @property
    def is_running(self):
        return self.known_status == "RUNNING" and self.desired_status == "RUNNING"

    @property
    def is_stopped(self):
        return self.known_status == "STOPPED"

    @property
    def health(self):
        """Of the essential containers that have a check."""
        states = [each.health for each in self.containers if each.essential and each.has_health_check]
        if not states:
            return "UNKNOWN"
        return next((state for state in ("UNHEALTHY", "UNKNOWN") if state in states), "HEALTHY")

    @property
    def is_healthy(self):
        has_check = any(each.has_health_check and each.essential for each in self.containers)
        return self.is_running and (self.health == "HEALTHY" if has_check else True)

    def stop(self, reason):
        """As StopTask: from now on the metadata say STOPPED."""
        with self._lock:
            if self.desired_status == "STOPPED":
                return
            self.stop_reason, self.stopping_at = reason, time.time()
            self.desired_status = "STOPPED"

    def kill(self, reason="the machine under it is gone"):
        """Without a goodbye."""
        with self._lock:
            self.stop_reason = self.stop_reason or reason
            self.stopping_at = self.stopping_at or time.time()
            for container in reversed(self._in_order()):
                container.signal(signal.SIGKILL)
            self.desired_status = "STOPPED"

    def wait_until_stopped(self, timeout=180):
        lab.wait_for(lambda: self.is_stopped, f"{self.name} is stopped", timeout)
        return self

    def _in_order(self):
        """Whom nobody depends on comes last, so that a kill takes the network's side first."""
        return sorted(self.containers, key=lambda each: not each.given.get("dependsOn"), reverse=True)

    # --- its life -----------------------------------------------------------------------------------------------

    def _live(self):
        try:
            self._prepare()
            self.known_status = "PENDING"
            self._run()
        except Exception as problem:  # whatever it is: it is the task's end and its reason
            self.stop_reason = self.stop_reason or f"{type(problem).__name__}: {problem}"
            self.desired_status = "STOPPED"
        finally:
            self._clear_away()

    def _prepare(self):
        hosts, resolv, hostname = (self.directory / name for name in ("hosts", "resolv.conf", "hostname"))
        hosts.write_text(f"127.0.0.1 localhost\n{self.place.address} {self.hostname}\n")
        resolv.write_text(f"nameserver {self.around.network.dns}\noptions timeout:2 attempts:2\n")
        hostname.write_text(self.hostname + "\n")
        shared = [[str(hosts), "/etc/hosts", False], [str(resolv), "/etc/resolv.conf", False], [str(hostname), "/etc/hostname", False],
                  [str(self.around.trusted), "/etc/ssl/certs/ca-certificates.crt", True]]
        for given in self.definition["containerDefinitions"]:
            needs = [service for name, service in (("secrets", "secretsmanager"), ("logConfiguration", "logs")) if given.get(name)]
            if missing := self.around.reach.missing(self.subnet, given["image"], needs):
                raise lab.Failure(missing)
            image = self.around.images.find(given["image"])
            environment = {entry["name"]: entry["value"] for entry in given.get("environment", [])}
            environment |= {entry["name"]: self._secret(entry["valueFrom"]) for entry in given.get("secrets", [])}
            environment |= self.agent.environment_of(given["name"])
            mounts = shared + [[str(self._volume(point, image)), point["containerPath"], point.get("readOnly", False)]
                               for point in given.get("mountPoints", [])]
            self.containers.append(Container(self, given, image, environment, mounts))

    def _secret(self, source):
        """As the execution role reads it: a secret's ARN, perhaps with :key:stage:version behind it."""
        found = re.fullmatch(r"(arn:aws[\w-]*:secretsmanager:[^:]+:\d+:secret:[^:]+)(?::([^:]*):[^:]*:[^:]*)?", source)
        if found is None:
            raise lab.Failure(f"a secret must be named by its ARN: {source}")
        self.around.check_execution_role(self.definition, found.group(1))
        return self.around.aws.read_secret(found.group(1), found.group(2) or None)

    def _volume(self, point, image):
        """A new volume has the owner and mode that the image gives the folder at which it is mounted first."""
        folder = self.directory / "volumes" / point["sourceVolume"]
        if not folder.exists():
            folder.mkdir(parents=True)
            model = image.find(point["containerPath"]) if point["containerPath"].rstrip("/") in image.config.get("Volumes", {}) else None
            if model:
                shutil.chown(folder, model.stat().st_uid, model.stat().st_gid)
                folder.chmod(model.stat().st_mode & 0o7777)
        return folder

    def _run(self):
        while self.desired_status == "RUNNING":
            for container in self.containers:
                container.poll()
                if container.process is None and self._may_start(container):
                    with self._lock:
                        if self.desired_status == "RUNNING":
                            container.start()
            if all(each.process is not None for each in self.containers if each.essential) and self.known_status == "PENDING":
                self.known_status = "RUNNING"
            self._look_for_the_end()
            time.sleep(PAUSE)
        self._stop_containers()

    def _may_start(self, container):
        for need in container.given.get("dependsOn", []):
            other = self.container(need["containerName"])
            if need["condition"] in ("COMPLETE", "SUCCESS") and other.exit_code not in (None, 0) and need["condition"] == "SUCCESS":
                self.stop(f"{other.name} ended with exit code {other.exit_code}, and {container.name} needs its success")
            if not {"START": other.process is not None, "COMPLETE": other.exit_code is not None, "SUCCESS": other.exit_code == 0,
                    "HEALTHY": other.health == "HEALTHY"}[need["condition"]]:
                return False
        return True

    def _look_for_the_end(self):
        for container in self.containers:
            if container.essential and container.exit_code is not None:
                self.stop(f"Essential container in task exited: {container.name}, exit code {container.exit_code}")
            if container.essential and container.health == "UNHEALTHY":
                self.stop(f"Task failed container health checks: {container.name}")

    def _stop_containers(self):
        """SIGTERM to whom nobody that still runs depends on; SIGKILL after its stop timeout."""
        self.known_status = "STOPPING"
        told = {}
        while True:
            for container in self.containers:
                container.poll()
            running = [each for each in self.containers if each.is_running]
            if not running:
                return
            for container in running:
                if any(need["containerName"] == container.name for other in running for need in other.given.get("dependsOn", [])):
                    continue
                if container.name not in told:
                    told[container.name] = time.monotonic()
                    container.signal(signal.SIGTERM)
                elif time.monotonic() - told[container.name] > container.stop_timeout:
                    container.signal(signal.SIGKILL)
            time.sleep(PAUSE)

    def _clear_away(self):
        for container in self.containers:
            if container.process is not None:
                container.kill()
        self.agent.close()
        self.around.network.remove(self.place)
        shutil.rmtree(SCRATCH / self.id, ignore_errors=True)
        shutil.rmtree(self.directory / "volumes", ignore_errors=True)
        self.known_status = "STOPPED"
