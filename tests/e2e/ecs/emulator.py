"""AWS for the box: moto in this process, with the shims it needs, and clients that talk to it as everybody else does.

Everything that the box knows about stacks, tasks and names it reads through these clients. What AWS's own machinery would
report back (how many tasks run, where a database listens) is written into moto's objects directly; those places say "shim".
"""
import json
import threading

import boto3
import botocore.config

from . import cloudformation

ACCOUNT = "123456789012"
PORT = 5999


class Aws:
    """The emulator and its clients, as an administrator uses them."""

    def __init__(self, region="eu-west-1", port=PORT):
        from moto.moto_api._internal import moto_api_backend
        from moto.server import ThreadedMotoServer
        import logging
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.region, self.url = region, f"http://127.0.0.1:{port}"
        self.zones = [region + letter for letter in "abc"]
        self._clients, self._lock = {}, threading.Lock()
        self.database_passwords = {}  # the API never shows them; the databases themselves have to know
        self.wait_until_stopped = lambda cluster, service: None  # the scheduler sets it
        self.wait_until_available = lambda database: None        # Databases sets it
        moto_api_backend.reset()  # a box before this one, in the same process, may have left something
        cloudformation.install(self)
        _shim_services()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()

    def close(self):
        self._server.stop()

    def client(self, service):
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service, endpoint_url=self.url, region_name=self.region, aws_access_key_id="AKIABOX", aws_secret_access_key="box",
                    config=botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=120, max_pool_connections=20))
            return self._clients[service]

    # --- what the engine asks -----------------------------------------------------------------------------------

    def exports(self):
        from moto.cloudformation.models import cloudformation_backends
        return cloudformation_backends[ACCOUNT][self.region].exports

    def read_secret(self, secret, key=None):
        value = self.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        return json.loads(value)[key] if key else value

    def know_managed_policy(self, arn):
        """shim: moto knows AWS's managed policies only when it loads all of them, which takes seconds."""
        from moto.iam import models
        from moto.iam.aws_managed_policies import aws_managed_policies_data
        backend = models.iam_backends[ACCOUNT]["aws"]
        if arn in backend.managed_policies:
            return
        for name, data in json.loads(aws_managed_policies_data).items():
            if arn == f"arn:aws:iam::aws:policy{data['Path']}{name}":
                backend.managed_policies[arn] = models.AWSManagedPolicy.from_data(name, ACCOUNT, self.region, data)
                return

    def endpoint_of(self, database):
        return self.client("rds").describe_db_instances(DBInstanceIdentifier=database)["DBInstances"][0]["Endpoint"]

    # --- what AWS's own machinery knows and reports -------------------------------------------------------------

    def report_service(self, cluster, name, running, pending, rollout, failed=0, task_definition=None, reason=""):
        """shim: ECS tells how its services are doing."""
        from moto.ecs.models import ecs_backends
        service = ecs_backends[ACCOUNT][self.region].services.get(f"{cluster}:{name}")
        if service is None:
            return
        service.running_count, service.pending_count = running, pending
        if service.deployments:
            service.deployments[0].update(runningCount=running, pendingCount=pending, rolloutState=rollout, failedTasks=failed,
                                          desiredCount=service.desired_count, taskDefinition=service.task_definition, rolloutStateReason=reason)

    def forget_service(self, cluster, name):
        """shim: a deleted service stays visible as INACTIVE in moto for ever."""
        from moto.ecs.models import ecs_backends
        ecs_backends[ACCOUNT][self.region].services.pop(f"{cluster}:{name}", None)


def _shim_services():
    """moto's CreateService keeps less than it is given."""
    from moto.core.utils import camelcase_to_underscores
    from moto.ecs import models, responses
    kept = ("deploymentConfiguration", "enableExecuteCommand", "healthCheckGracePeriodSeconds")
    create = responses.EC2ContainerServiceResponse.create_service

    def create_service(self):
        answer = create(self)
        cluster = self._get_param("cluster", "default").rsplit("/", 1)[-1]
        service = self.ecs_backend.services[f"{cluster}:{self._get_param('serviceName')}"]
        for name in kept:
            if (value := self._get_param(name)) is not None:
                setattr(service, camelcase_to_underscores(name), value)
        return answer
    responses.EC2ContainerServiceResponse.create_service = create_service
    del models
