"""Names that just resolve, end to end: the page on ECS as it stands, tasks that prove their roles, a DNS server that serves
what the hosted zone holds, and applications that call each other by name through two Envoys over mutual TLS."""
import re
import socket
import subprocess
import time

import aws_lab
import lab
import route53_lab
from route53_case import DOMAIN, Route53Case

# As the page has it; only the comments are ours.
DATAPLANE = """
type: Dataplane
name: "{{ dpname }}"
mesh: "{{ mesh }}"
networking:
  address: "{{ address }}"
  inbound:
  - port: {{ port }}
    servicePort: {{ servicePort }}
    tags:
      kuma.io/service: "{{ service }}"
      kuma.io/protocol: "{{ protocol }}"
"""

REDIS = """
import socketserver

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"+PONG\\r\\n" if line.strip().upper() == b"PING" else b"-ERR\\r\\n")

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

Server(("0.0.0.0", 6380), Handler).serve_forever()
"""

PING = "import socket; s = socket.create_connection(('redis.mesh.local', 8080), 5); s.sendall(b'PING\\r\\n'); print(s.recv(99).decode())"
GET = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


class NamesThatJustResolve(Route53Case):
    settings = {"KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "aws-iam", "KUMA_DP_SERVER_AUTHN_ENABLE_RELOADABLE_TOKENS": "true",
                "KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS": aws_lab.ACCOUNT, "KMESH_RUNTIME_AWS_ROUTE53_DRIFT_SCAN_INTERVAL": "3s"}

    @classmethod
    def prepare(cls):
        cls.resolver = route53_lab.Resolver(cls.lab.directory, cls.route53, cls.zone, DOMAIN)
        cls.addClassCleanup(cls.resolver.close)

    @classmethod
    def build(cls):
        super().build()
        cls.make_mesh_services()
        cls.control_plane.expect("PUT", "/meshes/default/meshtrafficpermissions/all", {
            "type": "MeshTrafficPermission", "mesh": "default", "name": "all",
            "spec": {"from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]}})
        cls.redis = cls.start_task("redis", ["python3", "-c", REDIS], 6379, 6380, "tcp")
        cls.kv = cls.start_task("kv", [cls.lab.binaries / "kv"], 15050, 5050)
        cls.app = cls.start_task("demo-app", [cls.lab.binaries / "demo-app"], 15000, 5000, KV_URL="http://kv.svc.mesh.local:15050")
        for task in (cls.redis, cls.kv, cls.app):
            task.wait_until_ready()

    @classmethod
    def start_task(cls, service, program, port, service_port, protocol="http", **environment):
        cls.moto.create_role(service, {"kuma.io/type": "dataplane", "kuma.io/mesh": "default", "kuma.io/service": service})
        task = lab.Task(cls.lab, cls.control_plane, service, f"{service}-1")
        task.app = lab.Part(cls.lab, f"{task.name}-app", task.name, program, {"INSTANCE": task.name, "ADDRESS": "0.0.0.0", **environment})
        agent = aws_lab.TaskAgent(task.name, cls.aws, service)
        cls.addClassCleanup(agent.close)
        template = task.directory / "dataplane.yaml"
        template.write_text(DATAPLANE)
        extra = ["--auth-type=aws", "--bind-outbounds"]
        for key, value in {"dpname": task.name, "port": port, "servicePort": service_port, "service": service, "protocol": protocol}.items():
            extra += ["--dataplane-var", f"{key}={value}"]
        return task.start_sidecar(None, extra, agent.environment, template)

    def application(self, task, *command):
        """What a program of the task prints; empty: it failed."""
        done = subprocess.run(["ip", "netns", "exec", task.name, *command], capture_output=True, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else ""

    def resolve(self, task, name):
        return self.application(task, "getent", "ahostsv4", name).split(" ")[0]

    def handshakes(self, task):
        """How many connections came in by mutual TLS."""
        return sum(int(value) for value in re.findall(r"^listener\..*\.ssl\.handshake: (\d+)$", task.admin("/stats?filter=ssl%5C.handshake").text, re.M))

    def test_1_the_example_of_the_page_on_ecs(self):
        address = self.wait_for(lambda: self.resolve(self.app, "redis.mesh.local"), "demo-app resolves redis.mesh.local")
        self.assertRegex(address, r"^127\.1\.\d+\.\d+$")
        self.wait_for(lambda: self.application(self.app, "python3", "-c", PING) == "+PONG", "redis answers at redis.mesh.local:8080")
        self.assertGreater(self.handshakes(self.redis), 0)
        self.assertRegex(self.wait_for(lambda: self.resolve(self.redis, "demo-app.mesh.local"), "redis resolves demo-app.mesh.local"), r"^127\.1\.")
        page = self.wait_for(lambda: self.application(self.redis, "python3", "-c", GET, "http://demo-app.mesh.local:8080/"), "demo-app answers at demo-app.mesh.local:8080")
        self.assertIn("<html", page.lower())
        self.assertGreater(self.handshakes(self.app), 0)

    def test_2_an_application_calls_a_mesh_service_by_its_hostname(self):
        # demo-app itself resolves kv.svc.mesh.local for each of its calls.
        self.wait_for(lambda: self.app.counter().status == 200, "demo-app reaches kv.svc.mesh.local:15050")
        self.assertEqual(self.app.counter("POST").json()["instance"], "kv-1")
        self.assertRegex(self.resolve(self.app, "kv.svc.mesh.local"), r"^127\.4\.")
        self.assertGreater(self.handshakes(self.kv), 0)
        self.control_plane.expect("DELETE", "/meshes/default/meshtrafficpermissions/all")
        self.wait_for(lambda: self.app.counter().status == 403, "kv's Envoy refuses demo-app by its identity")
        self.control_plane.expect("PUT", "/meshes/default/meshtrafficpermissions/demo-app-to-kv", {
            "type": "MeshTrafficPermission", "mesh": "default", "name": "demo-app-to-kv",
            "spec": {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "kv"}},
                     "from": [{"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "demo-app"}}, "default": {"action": "Allow"}}]}})
        self.wait_for(lambda: self.app.counter().status == 200, "kv's Envoy lets demo-app in by its identity")
        self.assertEqual(lab.request("GET", self.resolve(self.redis, "kv.svc.mesh.local"), 15050, "/", namespace="redis-1").status, 403)
        self.control_plane.expect("PUT", "/meshes/default/meshtrafficpermissions/all", {
            "type": "MeshTrafficPermission", "mesh": "default", "name": "all",
            "spec": {"from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]}})

    def test_3_a_new_service_is_called_by_a_name_that_was_asked_for_too_early(self):
        self.assertEqual(self.resolve(self.app, "late.svc.mesh.local"), "")  # resolvers know that now, for a second
        task = self.start_task("late", [self.lab.binaries / "kv"], 15050, 5050)
        path = "/meshes/default/dataplanes/late-1"
        lab.wait_for(lambda: self.control_plane.api("GET", path).status == 200, "its Dataplane is there", 60, pause=0.005)
        began = time.monotonic()
        lab.wait_for(lambda: self.listens_for("late"), "demo-app's Envoy listens for it", 60, pause=0.005)
        listening = time.monotonic() - began
        lab.wait_for(lambda: "late.svc.mesh.local" in self.addresses(), "Route 53 has its name", 60, pause=0.005)
        published = time.monotonic() - began
        lab.wait_for(lambda: self.resolver.serves("late.svc.mesh.local"), "the DNS server has it", 60, pause=0.005)
        with lab.inside(self.app.name):
            lab.wait_for(lambda: socket.gethostbyname("late.svc.mesh.local"), "its name resolves", 60, pause=0.005)
        resolving = time.monotonic() - began
        lab.wait_for(lambda: lab.request("GET", socket.gethostbyname("late.svc.mesh.local"), 15050, "/api/key-value", namespace=self.app.name).status == 200,
                     "it answers by name", 60, pause=0.005)
        self.say(f"a new service: listener after {listening * 1000:.0f} ms, in Route 53 after {published * 1000:.0f} ms, "
                 f"resolved after {resolving * 1000:.0f} ms, called after {(time.monotonic() - began) * 1000:.0f} ms")
        self.assertGreater(self.handshakes(task), 0)

    def listens_for(self, service):
        answer = self.control_plane.api("GET", f"/meshes/default/meshservices/{service}")
        return answer.status == 200 and f"{answer.json()['status']['vips'][0]['ip']}:15050" in self.app.admin("/listeners").text

    def test_4_a_service_says_what_became_of_its_hostname(self):
        condition = self.wait_for_condition("kv", status="True", reason="Accepted")
        address = self.addresses()["kv.svc.mesh.local"]
        self.assertEqual(condition["message"], f"kv.svc.mesh.local leads to {address} in hosted zone {self.zone}")
        self.assertRegex(condition["lastTransitionTime"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")
        # The names by kuma.io/service are no resource; what became of them stands beside the insight.
        told = self.wait_for(lambda: self.control_plane.api("GET", "/meshes/default/service-insights/redis/_hostnames").json()["items"][0]["conditions"],
                             "redis says what became of its name")
        address = self.addresses()["redis.mesh.local"]
        self.assertEqual([told[0][key] for key in ("type", "status", "message")],
                         ["Published", "True", f"redis.mesh.local leads to {address} in hosted zone {self.zone}"])

    def test_5_metrics_tell_calls_records_and_what_waits(self):
        self.wait_for(lambda: self.metric("route53_names", zone=self.zone, state="owned") == len(self.addresses()), "the control plane counts what is there")
        self.assertEqual(self.metric("route53_names", zone=self.zone, state="pending"), 0)
        self.assertEqual(self.metric("route53_oldest_pending_seconds", zone=self.zone), 0)
        self.assertEqual(self.metric("route53_throttles_total"), 0)
        self.assertEqual(self.metric("route53_calls_total", operation="GetHostedZone"), 1)
        self.wait_for(lambda: self.metric("route53_calls_total", operation="ChangeResourceRecordSets") == self.route53.count(route53_lab.CHANGE),
                      "the control plane has counted as many batches as came in")
        self.assertGreaterEqual(self.metric("route53_records", zone=self.zone), len(self.addresses()))
        text = self.control_plane.diagnostics("/metrics").text
        for name in set(re.findall(r"^((?:route53|aws)_\w+?)(?:_bucket|_sum|_count)?(?:{| )", text, re.M)):
            self.assertRegex(text, rf"(?m)^# HELP {name} \S", name)
            self.assertRegex(text, rf"(?m)^# TYPE {name} (counter|gauge|histogram)$", name)

    def test_6_a_record_of_somebody_else_is_told_of_and_left_alone(self):
        taken = route53_lab.Record("taken.svc.mesh.local.", "A", ("10.9.9.9",))
        self.route53.change(self.zone, ("CREATE", taken))
        # The zone was read long ago: that the name is taken shows when it is to be published, or in a scan.
        self.register("taken")
        condition = self.wait_for_condition("taken", status="False", reason="Conflict")
        self.assertIn("left as it is", condition["message"])
        self.wait_for(lambda: self.metric("route53_names", zone=self.zone, state="conflict") == 1, "it is counted")
        self.assertEqual(self.addresses()["taken.svc.mesh.local"], "10.9.9.9")
        self.assertEqual(self.resolve(self.app, "taken.svc.mesh.local"), "10.9.9.9")
        self.wait_until_published("taken.mesh.local")  # its other name is free
        self.route53.change(self.zone, ("DELETE", taken))
        self.wait_for(lambda: self.addresses().get("taken.svc.mesh.local", "").startswith("127.4."), "the name is ours once it is free")
        self.deregister("taken")

    def test_7_what_somebody_changed_is_put_right(self):
        # Two of ours: one is changed, one is taken away.
        before = self.addresses()
        ours = {record.name.rstrip("."): record for record in self.route53.records(self.zone) if record.type == "A"}
        drifted = self.metric("route53_drifted_total", zone=self.zone)
        self.route53.change(self.zone, ("UPSERT", ours["kv.mesh.local"]._replace(values=("127.9.9.9",))), ("DELETE", ours["redis.mesh.local"]))
        self.wait_for(lambda: {name: self.addresses().get(name) for name in ("kv.mesh.local", "redis.mesh.local")} ==
                      {name: before[name] for name in ("kv.mesh.local", "redis.mesh.local")}, "both are as they were")
        self.wait_for(lambda: self.metric("route53_drifted_total", zone=self.zone) == drifted + 2, "both were counted")
        self.assertIn("was changed by somebody else", self.log())
        self.assertIn("was removed by somebody else", self.log())

    def test_8_who_goes_takes_its_records_along(self):
        self.register("short-lived")
        self.wait_until_published("short-lived.mesh.local", "short-lived.svc.mesh.local")
        self.deregister("short-lived")
        self.wait_until_withdrawn("short-lived.mesh.local")
        self.control_plane.expect("DELETE", "/hostnamegenerators/hosted-zone-mesh-services")
        self.wait_for(lambda: not any(name.endswith(".svc.mesh.local") for name in self.addresses()), "no name of the generator is left")
        self.assertIn("kv.mesh.local", self.addresses())

    def test_9_every_request_was_signed_and_none_needed_more_than_three_permissions(self):
        asked = {request.action for request in self.route53.journal if request.outcome == "200"}
        self.assertEqual(asked, {route53_lab.GET_ZONE, route53_lab.LIST, route53_lab.CHANGE})
        self.assertEqual({request.outcome for request in self.route53.journal if request.action in asked} - {"200", "InvalidChangeBatch"}, set())
        self.assert_calls_keep_their_distance()
        # A wrong signature is refused, told in words, and forgotten when it is right again.
        with self.aws.lock:
            secrets = {key: session["SecretAccessKey"] for key, session in self.aws.sessions.items()}
            for session in self.aws.sessions.values():
                session["SecretAccessKey"] = "another"
        self.register("unsigned")
        self.wait_for(lambda: (route53_lab.CHANGE, "SignatureDoesNotMatch") in self.aws.journal, "AWS refuses the signature")
        self.wait_for(lambda: "SignatureDoesNotMatch" in self.log(), "the control plane says so")
        with self.aws.lock:
            for key, secret in secrets.items():
                self.aws.sessions[key]["SecretAccessKey"] = secret
        self.wait_until_published("unsigned.mesh.local")
        for secret in secrets.values():
            self.assertNotIn(secret, self.log())
