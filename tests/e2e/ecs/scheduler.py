"""ECS's scheduler: keeps each service of the API at its desired count, rolls new task definitions out, and registers tasks where
services say (Cloud Map, target groups). It knows services only by what the API says of them."""
import threading
import time

from .task import Task

FAILURES_FOR_CIRCUIT = 3


class Managed:
    """What the scheduler remembers of one service."""

    def __init__(self, cluster, name):
        self.cluster, self.name, self.tasks, self.deployment = cluster, name, [], None
        self.registered = {}   # task → what has to be undone
        self.revision, self.good_revision, self.failures, self.state, self.reason, self.next_try = None, None, 0, "IN_PROGRESS", "", 0.0
        self.events = []

    @property
    def current(self):
        """Tasks of the newest deployment."""
        return [task for task in self.tasks if task.deployment == self.deployment]


class Scheduler:
    def __init__(self, aws, around):
        self.aws, self.around, self.services, self.stopped = aws, around, {}, []
        self._lock, self.rounds = threading.RLock(), 0
        aws.wait_until_stopped = self.wait_until_stopped

    def tasks(self):
        with self._lock:
            return [task for service in self.services.values() for task in service.tasks]

    def events(self, name):
        with self._lock:
            return [event for service in self.services.values() if service.name == name for event in service.events]

    def wait_until_stopped(self, cluster, name, timeout=180):
        """For DeleteService: CloudFormation waits until the last task is gone."""
        key, end = (cluster.rsplit("/", 1)[-1], name), time.monotonic() + timeout
        while time.monotonic() < end:
            with self._lock:
                service = self.services.get(key)
                if service is None or not service.tasks:
                    self.services.pop(key, None)
                    return
            time.sleep(0.05)
        raise RuntimeError(f"tasks of {name} do not stop")

    def is_steady(self, cluster, name):
        with self._lock:
            service = self.services.get((cluster, name))
            return service is not None and service.state in ("COMPLETED", "FAILED")

    def tick(self):
        ecs = self.aws.client("ecs")
        for cluster in ecs.list_clusters()["clusterArns"]:
            arns = ecs.list_services(cluster=cluster, maxResults=100)["serviceArns"]
            for first in range(0, len(arns), 10):
                for given in ecs.describe_services(cluster=cluster, services=arns[first:first + 10])["services"]:
                    with self._lock:
                        if given["status"] == "ACTIVE":
                            self._tend(cluster.rsplit("/", 1)[-1], given)
        self.rounds += 1

    # --- one service ------------------------------------------------------------------------------------------------

    def _tend(self, cluster, given):
        service = self.services.setdefault((cluster, given["serviceName"]), Managed(cluster, given["serviceName"]))
        deployment = (given["taskDefinition"], given["deployments"][0]["id"])
        if service.deployment != deployment:
            service.deployment = deployment
            service.revision, service.failures, service.state, service.reason, service.next_try = given["taskDefinition"], 0, "IN_PROGRESS", "", 0.0
        self._bury(service, given)
        self._register(service, given)
        self._scale(service, given)
        running = [task for task in service.tasks if task.is_running]
        current = [task for task in service.current if task.is_healthy]
        done = len(current) == given["desiredCount"] == len([task for task in service.tasks if not task.is_stopped])
        if done and service.state != "FAILED":
            service.state, service.good_revision = "COMPLETED", service.revision
        elif service.state == "COMPLETED":
            service.state = "IN_PROGRESS"
        self.aws.report_service(cluster, service.name, len(running), len(service.tasks) - len(running), service.state, service.failures,
                                reason=service.reason)

    def _bury(self, service, given):
        for task in [task for task in service.tasks if task.desired_status == "STOPPED"]:
            self._deregister(service, task)
            if not task.is_stopped:
                continue
            service.tasks.remove(task)
            self.stopped.append(task)
            reached = getattr(task, "was_healthy", False)
            service.events.append(f"{task.name} stopped: {task.stop_reason}")
            if not reached and not task.stop_reason.startswith("Scaling") and task.deployment == service.deployment:
                service.failures += 1
                service.reason = task.stop_reason
                service.next_try = time.monotonic() + min(0.5 * 2 ** service.failures, 30)
                self._break_circuit(service, given)

    def _break_circuit(self, service, given):
        breaker = given.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
        if not breaker.get("enable") or service.failures < FAILURES_FOR_CIRCUIT:
            return
        service.state = "FAILED"
        if breaker.get("rollback") and service.good_revision and service.good_revision != service.revision:
            service.events.append(f"deployment of {service.revision} failed ({service.reason}); rolling back")
            self.aws.client("ecs").update_service(cluster=service.cluster, service=service.name, taskDefinition=service.good_revision)

    def _scale(self, service, given):
        wanted, current = given["desiredCount"], service.current
        current = [task for task in current if task.desired_status == "RUNNING"]
        old = [task for task in service.tasks if task.desired_status == "RUNNING" and task not in current]
        rules = given.get("deploymentConfiguration", {})
        most = max(wanted, wanted * rules.get("maximumPercent", 200) // 100) if old else wanted
        least = -(-wanted * rules.get("minimumHealthyPercent", 100) // 100)
        for task in current[wanted:] if not old else []:
            self._stop(service, task, "Scaling activity initiated by deployment")
        start = min(wanted - len(current), most - len(current) - len(old))
        if start > 0 and service.state != "FAILED" and time.monotonic() >= service.next_try:
            for _ in range(start):
                service.tasks.append(self._new_task(service, given))
        healthy = [task for task in current if task.is_healthy]
        spare = len(healthy) + len([task for task in old if task.is_healthy]) - least
        for task in old:
            if not task.is_healthy or spare > 0:
                spare -= task.is_healthy
                self._stop(service, task, "Scaling activity initiated by deployment")

    def _stop(self, service, task, reason):
        self._deregister(service, task)
        task.stop(reason)

    def _new_task(self, service, given):
        definition = self.aws.client("ecs").describe_task_definition(taskDefinition=service.revision)["taskDefinition"]
        network = given["networkConfiguration"]["awsvpcConfiguration"]
        subnets = self.aws.client("ec2").describe_subnets(SubnetIds=network["subnets"])["Subnets"]
        fewest = min(subnets, key=lambda subnet: sum(task.subnet_cidr == subnet["CidrBlock"] for task in service.tasks))
        task = Task(self.around, definition, service.cluster, service.name, fewest, given.get("launchType") or "FARGATE",
                    network.get("securityGroups", ()))
        task.deployment = service.deployment
        return task.start()

    # --- where its tasks are found ------------------------------------------------------------------------------

    def _register(self, service, given):
        for task in service.tasks:
            if not task.is_healthy or task in service.registered:
                continue
            task.was_healthy = True
            undo = []
            for registry in given.get("serviceRegistries", []):
                undo.append(self._to_cloud_map(registry, task))
            for target in given.get("loadBalancers", []):
                undo.append(self._to_target_group(target, task))
            service.registered[task] = undo

    def _to_cloud_map(self, registry, task):
        client, service = self.aws.client("servicediscovery"), registry["registryArn"].rsplit("/", 1)[1]
        attributes = {"AWS_INSTANCE_IPV4": task.place.address, "AVAILABILITY_ZONE": task.zone, "ECS_SERVICE_NAME": task.service_name}
        if registry.get("port"):
            attributes["AWS_INSTANCE_PORT"] = str(registry["port"])
        client.register_instance(ServiceId=service, InstanceId=task.id, Attributes=attributes)
        return lambda: client.deregister_instance(ServiceId=service, InstanceId=task.id)

    def _to_target_group(self, target, task):
        client, address = self.aws.client("elbv2"), {"Id": task.place.address, "Port": target["containerPort"]}
        client.register_targets(TargetGroupArn=target["targetGroupArn"], Targets=[address])
        return lambda: client.deregister_targets(TargetGroupArn=target["targetGroupArn"], Targets=[address])

    def _deregister(self, service, task):
        for undo in service.registered.pop(task, []):
            try:
                undo()
            except Exception as problem:  # the stack may have taken the registry away already
                service.events.append(f"{task.name} could not be deregistered: {problem}")

    def close(self):
        for task in self.tasks():
            task.kill("the box is closed")
        for task in self.tasks():
            task.wait_until_stopped(30)
