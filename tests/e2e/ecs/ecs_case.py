"""What the tests share: a box, made once per class, with a plan's stacks in it."""
import contextlib
import os
import pathlib
import re
import socket
import ssl
import sys
import tempfile
import unittest

import lab

from ecs.box import Box
from ecs.plan import PLANS, Plan
from ecs.stand_ins import stand_ins

LISTEN = "0A"


class BoxCase(unittest.TestCase):
    plan_file, templates, stacks, parameters = "taskmesh.json", lab.ROOT / "deploy/cloudformation", None, {}

    @classmethod
    def setUpClass(cls):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="taskmesh-ecs-"))
        envoy = os.environ.get("TASKMESH_ENVOY") or lab.ROOT / ".tools/envoy/envoy"
        cls.box = Box(os.environ["TASKMESH_BINARIES"], envoy, directory, stand_ins(directory))
        cls.addClassCleanup(cls.box.close)
        cls.plan = Plan(cls.box, cls.templates, PLANS / cls.plan_file, cls.parameters)

        def say(text):
            print(text, file=sys.stderr)
        try:
            cls.box.images.prepare()
            cls.plan.apply(say, only=cls.stacks)
        except Exception:
            print(cls.box.report(), file=sys.stderr)
            raise

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(f"\n{self.id()} failed; the tasks said last:\n{self.box.report()}", file=sys.stderr)

    # --- asking ---------------------------------------------------------------------------------------------------

    def one(self, service):
        """A healthy task of the service, of its newest deployment."""
        return lab.wait_for(lambda: self.box.healthy(service), f"a healthy task of {service}", 60)[-1]

    _app = None

    @property
    def app(self):
        """A task of demo-app that nobody told to stop."""
        if self._app is None or not self._app.is_running:
            type(self)._app = self.one("demo-app")
        return self._app

    def counter(self, method="GET", task=None):
        """The counter's API from inside the task of demo-app."""
        return lab.request(method, "127.0.0.1", 5000, "/api/counter", namespace=(task or self.app).place.namespace, timeout=20)

    def api(self, method, path, body=None):
        """The control plane's API through the load balancer, as an administrator with the token of the secret."""
        address = next(value for name, value in self.box.outputs(self.plan.stacks[0]).items() if name in ("ApiAddress", "ExternalCPAddress"))
        return api_request(self.box, address, self.admin_token(), method, path, body)

    def admin_token(self):
        outputs = self.box.outputs(self.plan.stacks[1])
        arn = outputs.get("AdminTokenSecret") or outputs["APITokenSecret"]

        def token():
            with contextlib.suppress(self.box.aws.client("secretsmanager").exceptions.ResourceNotFoundException):  # no value yet
                return len(value := self.box.aws.read_secret(arn)) > 20 and value.strip()
        return lab.wait_for(token, "the administrator's token is in its secret", 60)

    def expect(self, method, path, body=None):
        answer = self.api(method, path, body)
        self.assertEqual(answer.status // 100, 2, answer.text)
        return answer

    def listening(self, task):
        """{(address, port)} of every TCP listener in the task's network namespace, as the kernel lists them."""
        pid = next(container.pid for container in task.containers if container.is_running)
        found = set()
        for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == LISTEN:
                address, port = local.split(":")
                found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
        return found

    def certificate_at(self, task, port):
        """In PEM, as the task shows it to who connects from inside of it."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with lab.inside(task.place.namespace):
            plain = socket.create_connection((task.place.address, port), timeout=5)
        with context.wrap_socket(plain) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))

    def takes_connections(self, address, port, source):
        with lab.inside(source.place.namespace):
            probe = socket.socket()
        with probe:
            probe.settimeout(1)  # a closed port answers, a filtered one never does
            return probe.connect_ex((address, port)) == 0


def api_request(box, host, token, method, path, body=None):
    """HTTPS to a load balancer's name, from the VPC, checked against the certificate of the control plane's secret."""
    import http.client
    import json
    certificate = next((text for text in (box.aws.client("secretsmanager").get_secret_value(SecretId=entry["ARN"])["SecretString"]
                                          for entry in box.aws.client("secretsmanager").list_secrets()["SecretList"]) if "BEGIN CERTIFICATE" in text))
    pem = json.loads(certificate)["ca"] if certificate.lstrip().startswith("{") else certificate
    context = ssl.create_default_context(cadata=pem)
    address = box.resolver.own[host][0]
    connection = http.client.HTTPSConnection(host, 5682, timeout=15, context=context)
    plain = socket.create_connection((address, 5682), timeout=15)
    connection.sock = context.wrap_socket(plain, server_hostname=host)
    try:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return lab.Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def spiffe_ids(caller):
    return re.findall(r"spiffe://[^;,\"]+", caller or "")
