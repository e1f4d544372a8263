"""What the tests of Route 53 share: moto with a private hosted zone, the DNS of a VPC, a control plane that publishes."""
import re
import subprocess
import sys
import unittest

import aws_lab
import lab
import mesh_case
import route53_lab

DOMAIN = "mesh.local"
# What the page on ECS tells to set at the control plane.
SETTINGS = {"KUMA_DNS_SERVER_CIDR": "127.1.0.0/16",
            "KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR": "127.2.0.0/16",
            "KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR": "127.3.0.0/16",
            "KUMA_IPAM_MESH_SERVICE_CIDR": "127.4.0.0/16",
            "KUMA_DNS_SERVER_SERVICE_VIP_PORT": "8080",
            "KUMA_DNS_SERVER_DOMAIN": DOMAIN,
            "KMESH_RUNTIME_AWS_ROUTE53_ENABLED": "true"}
# Tests have no patience: what AWS's users would wait for is short here.
HASTE = {"KMESH_RUNTIME_AWS_ROUTE53_REFRESH_INTERVAL": "1s", "KMESH_RUNTIME_AWS_ROUTE53_RETRY_BASE_BACKOFF": "200ms",
         "KMESH_RUNTIME_AWS_ROUTE53_RECORD_TTL": "1s"}
PATIENCE = 60  # seconds that a slow machine may take


class Route53Case(mesh_case.MeshCase):
    settings = {}
    granted_too = ()
    _moto = None  # the emulator takes its time to start: one for all classes

    @classmethod
    def setUpClass(cls):
        if not aws_lab.MOTO.exists():
            raise unittest.SkipTest("moto is missing: tools/fetch_moto")
        super().setUpClass()

    @classmethod
    def build(cls):
        if Route53Case._moto is None:
            Route53Case._moto = aws_lab.Moto(cls.lab.directory)
            unittest.addModuleCleanup(Route53Case._moto.close)
            Route53Case._moto.create_role("control-plane", {})
        cls.moto = Route53Case._moto
        cls.aws = aws_lab.StandIn(cls.moto, cls.lab.directory)
        cls.addClassCleanup(cls.aws.close)
        cls.route53 = cls.aws.route53 = route53_lab.Route53(cls.moto)
        cls.route53.granted |= set(cls.granted_too)
        cls.addClassCleanup(cls.route53.released.set)
        cls.zone = cls.route53.create(DOMAIN)
        cls.prepare()
        cls.control_plane = cls.new_control_plane()
        cls.control_plane.start().wait_until_ready()

    @classmethod
    def prepare(cls):
        """What has to be there before the control plane."""

    @classmethod
    def new_control_plane(cls, name="cp", address="10.77.0.2", **settings):
        control_plane = lab.ControlPlane(cls.lab, name=name, address=address)
        agent = aws_lab.TaskAgent(name, cls.aws, "control-plane")
        cls.addClassCleanup(agent.close)
        control_plane.environment = {
            **agent.environment, "AWS_ENDPOINT_URL": cls.aws.url, "AWS_CA_BUNDLE": str(cls.aws.ca_file), **SETTINGS, **HASTE,
            "KMESH_RUNTIME_AWS_ROUTE53_HOSTED_ZONE_ID": cls.zone, **cls.settings, **settings}
        return control_plane

    def run_command(self, *words):
        """taskmesh-cp …, with the control plane's settings, where it runs."""
        environment = {"PATH": "/usr/bin:/bin", "KUMA_GENERAL_WORK_DIR": str(self.control_plane.state), "KUMA_MODE": "zone", **self.control_plane.environment}
        return subprocess.run(["ip", "netns", "exec", self.control_plane.name, self.lab.program("cp"), *words], env=environment, text=True,
                              capture_output=True, timeout=PATIENCE)

    # --- services without tasks: a Dataplane is enough for a name

    @classmethod
    def register(cls, service, name=None, control_plane=None):
        dataplane = {"type": "Dataplane", "mesh": "default", "name": name or f"{service}-1", "networking": {"address": "10.0.0.1", "inbound": [
            {"port": 8080, "tags": {"kuma.io/service": service, "kuma.io/protocol": "http"}}]}}
        (control_plane or cls.control_plane).expect("PUT", f"/meshes/default/dataplanes/{dataplane['name']}", dataplane)

    @classmethod
    def deregister(cls, service, control_plane=None):
        (control_plane or cls.control_plane).expect("DELETE", f"/meshes/default/dataplanes/{service}-1")

    @classmethod
    def make_mesh_services(cls, generator=True):
        cls.control_plane.expect("PUT", "/meshes/default", {
            "type": "Mesh", "name": "default", "meshServices": {"mode": "Everywhere"},
            "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}})
        if generator:
            cls.control_plane.expect("PUT", "/hostnamegenerators/hosted-zone-mesh-services", {
                "type": "HostnameGenerator", "name": "hosted-zone-mesh-services", "spec": {
                    "selector": {"meshService": {"matchLabels": {"kuma.io/origin": "zone"}}},
                    "template": "{{ .DisplayName }}.svc.mesh.local",
                    "extension": {"type": "Route53", "config": {"hostedZoneId": cls.zone}}}})

    # --- looking

    def wait_for(self, condition, what, timeout=PATIENCE):
        return lab.wait_for(condition, what, timeout, parts=[self.control_plane.part])

    def addresses(self):
        return self.route53.addresses(self.zone)

    def wait_until_published(self, *names):
        self.wait_for(lambda: set(names) <= set(self.addresses()), f"{', '.join(names)} in Route 53")

    def wait_until_withdrawn(self, *names):
        self.wait_for(lambda: not set(names) & set(self.addresses()), f"{', '.join(names)} gone from Route 53")

    def published(self, service):
        """The condition of a MeshService's hostname in Route 53; None: none yet."""
        answer = self.control_plane.api("GET", f"/meshes/default/meshservices/{service}")
        generators = answer.json().get("status", {}).get("hostnameGenerators", []) if answer.status == 200 else []
        for generator in generators:
            for condition in generator.get("conditions", []):
                if condition["type"] == "Published":
                    return condition
        return None

    def wait_for_condition(self, service, **expected):
        def fits():
            condition = self.published(service) or {}
            return condition if all(condition.get(key) == value for key, value in expected.items()) else None
        return self.wait_for(fits, f"MeshService {service} says {expected}")

    def metric(self, name, **labels):
        """The sum over all that have these labels; None: there is none."""
        found = [float(value) for text, value in re.findall(rf"^{name}(?:{{(.*?)}})? (\S+)$", self.control_plane.diagnostics("/metrics").text, re.M)
                 if all(f'{key}="{wanted}"' in text for key, wanted in labels.items())]
        return sum(found) if found else None

    def assert_calls_keep_their_distance(self):
        times = sorted(request.time for request in self.route53.journal)
        most = max((sum(begin <= time < begin + 1 for time in times) for begin in times), default=0)
        self.assertLessEqual(most, 5, "AWS allows an account 5 requests per second")

    def log(self):
        return "".join(part.log() for part in self.lab.parts if part.name.startswith("control-plane"))

    @staticmethod
    def say(text):
        print(text, file=sys.stderr)
