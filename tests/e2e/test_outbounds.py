"""Dynamic outbounds: nothing is enumerated, and the application calls virtual addresses."""
import lab
from mesh_case import MeshCase

# What a task needs when its outbounds are bound: nothing of the others.
DATAPLANE = """
type: Dataplane
mesh: {{ mesh }}
name: "{{ name }}"
networking:
  address: {{ address }}
  inbound:
    - port: PORT
      servicePort: APP_PORT
      serviceAddress: 127.0.0.1
      tags:
        kuma.io/service: SERVICE
        kuma.io/protocol: http
"""

# Takes a port on every address, as applications do.
SQUATTER = """
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen()
print("listening", flush=True)
time.sleep(3600)
"""


class OutboundsCase(MeshCase):
    """A kv, and a task whose application may call whatever there is."""

    @classmethod
    def build(cls):
        cls.control_plane = lab.ControlPlane(cls.lab, lab.NAMES_ON_LOOPBACK).start().wait_until_ready()
        cls.control_plane.expect("PUT", "/meshes/default", {
            "type": "Mesh", "name": "default", "meshServices": {"mode": "Everywhere"},
            "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}})
        cls.control_plane.expect("PUT", "/meshes/default/meshtrafficpermissions/all", {
            "type": "MeshTrafficPermission", "mesh": "default", "name": "all",
            "spec": {"from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]}})
        cls.kv = [cls.start_service("kv")]
        cls.kv[0].wait_until_ready()

    @classmethod
    def start_service(cls, name, port=15050, sidecar=True):
        """An instance of a new service: the kv program under another name."""
        task = lab.Task(cls.lab, cls.control_plane, "kv", f"{name}-1")
        task.start_app()
        if sidecar:
            cls.start_sidecar(task, name, port)
        return task

    @classmethod
    def start_sidecar(cls, task, name, port=15050, app_port=5050, more=()):
        template = task.directory / "dataplane.yaml"
        template.write_text(DATAPLANE.replace("APP_PORT", str(app_port)).replace("PORT", str(port)).replace("SERVICE", name))
        return task.start_sidecar(cls.control_plane.token(name), ["--bind-outbounds", *more], template=template)

    def vip(self, service, kind="meshservices"):
        """The virtual address of a MeshService."""
        return self.control_plane.api("GET", f"/meshes/default/{kind}/{service}").json()["status"]["vips"][0]["ip"]

    @staticmethod
    def outbounds(task):
        """Where its Envoy listens for the application: {"127.1.0.0:8080": "kv", …}, by the tag of the service."""
        dump = task.admin("/config_dump?resource=dynamic_listeners").json().get("configs", [])
        out = {}
        for listener in dump:
            name = listener["name"]
            if name.startswith("outbound:") and "active_state" in listener:
                tags = listener["active_state"]["listener"]["metadata"]["filter_metadata"]["io.kuma.tags"]
                out[name.removeprefix("outbound:")] = tags.get("kuma.io/service") or tags["kuma.io/unified-name"]
        return out

    def place_of(self, task, service):
        """Where the kuma.io/service is, once Envoy listens there: (address, port)."""
        def find():
            for place, name in self.outbounds(task).items():
                if name == service:
                    return place.rsplit(":", 1)
            return None
        address, port = lab.wait_for(find, f"{task.name} listens for {service}")
        return address, int(port)

    @staticmethod
    def call(task, address, port):
        return lab.request("GET", address, port, "/api/key-value", namespace=task.name, timeout=10)


class DynamicOutbounds(OutboundsCase):
    def test_of_what_is_there_listen_when_the_task_is_ready(self):
        vip = lab.wait_for(lambda: self.vip("kv"), "the MeshService kv has a virtual address")
        caller = self.start_service("first").wait_until_ready()
        # No waiting any more: these were there before.
        self.assertEqual(self.call(caller, vip, 15050).status, 200)
        address, port = self.place_of(caller, "kv")
        self.assertTrue(address.startswith("127.1."), address)
        self.assertEqual((port, self.call(caller, address, port).status), (8080, 200))
        self.assertNotIn("passthrough", str(self.outbounds(caller)))

    def test_come_and_go_with_their_service_one_by_one(self):
        caller = self.start_service("second").wait_until_ready()
        lab.wait_for(lambda: len([name for name in self.outbounds(caller).values() if "second" in name]) == 2,
                     "the caller listens for its own service too")
        before = self.outbounds(caller)
        modified = caller.stat("listener_manager.listener_modified")
        added = caller.stat("listener_manager.listener_added")

        late = self.start_service("late").wait_until_ready()
        address, port = self.place_of(caller, "late")
        vip = lab.wait_for(lambda: self.vip("late"), "the MeshService late has a virtual address")
        lab.wait_for(lambda: f"{vip}:15050" in self.outbounds(caller), "the caller listens for the MeshService")
        lab.wait_for(lambda: self.call(caller, address, port).status == 200, "late answers")
        self.assertEqual(self.call(caller, vip, 15050).status, 200)
        self.assertEqual(set(self.outbounds(caller)) - set(before), {f"{address}:{port}", f"{vip}:15050"})
        self.assertEqual(caller.stat("listener_manager.listener_added") - added, 2)
        self.assertEqual(caller.stat("listener_manager.listener_modified"), modified)

        late.stop()
        lab.wait_for(lambda: f"{address}:{port}" not in self.outbounds(caller), "the listener for late is gone")
        self.assertEqual(self.call(caller, self.vip("kv"), 15050).status, 200)

    def test_are_those_that_the_dataplane_names(self):
        caller = self.start_service("picky", sidecar=False)
        template = caller.directory / "dataplane.yaml"
        text = DATAPLANE.replace("APP_PORT", "5050").replace("PORT", "15050").replace("SERVICE", "picky")
        template.write_text(text + "  outbound:\n    - port: 6050\n      tags: {kuma.io/service: kv}\n"
                            "  transparentProxying:\n    reachableServices: [picky]\n")
        caller.start_sidecar(self.control_plane.token("picky"), ["--bind-outbounds"], template=template)
        caller.wait_until_ready()
        self.place_of(caller, "picky")
        self.assertEqual(set(self.outbounds(caller).values()), {"picky", "kv"})
        self.assertEqual(self.call(caller, "127.0.0.1", 6050).status, 200)  # enumerated

    def test_lead_to_services_that_are_taken_together(self):
        caller = self.start_service("gathering").wait_until_ready()
        path = "/meshes/default/meshmultizoneservices/everything"
        self.control_plane.expect("PUT", path, {
            "type": "MeshMultiZoneService", "mesh": "default", "name": "everything",
            "spec": {"selector": {"meshService": {"matchLabels": {"kuma.io/display-name": "kv"}}},
                     "ports": [{"port": 15050, "appProtocol": "http"}]}})
        vip = lab.wait_for(lambda: self.vip("everything", "meshmultizoneservices"), "it has a virtual address", timeout=60)
        self.assertTrue(vip.startswith("127.2."), vip)
        lab.wait_for(lambda: self.call(caller, vip, 15050).status == 200, "kv answers", timeout=60)
        self.assertEqual(self.call(caller, vip, 15050).headers.get("x-kv-instance"), "kv-1")
        self.control_plane.expect("DELETE", path)
        lab.wait_for(lambda: f"{vip}:15050" not in self.outbounds(caller), "its listener is gone", timeout=60)

    def outside(self, name, spec, port):
        """A MeshExternalService, once it has a virtual address."""
        path = f"/meshes/default/meshexternalservices/{name}"
        self.control_plane.expect("PUT", path, {
            "type": "MeshExternalService", "mesh": "default", "name": name,
            "spec": {"match": {"type": "HostnameGenerator", "port": port, "protocol": "http"}, **spec}})
        return lab.wait_for(lambda: self.control_plane.api("GET", path).json()["status"]["vip"]["ip"],
                            f"{name} has a virtual address", timeout=60)

    def test_lead_outside_too(self):
        # Its own application, as something that is not in the mesh.
        caller = self.start_service("outgoing").wait_until_ready()
        vip = self.outside("plain", {"endpoints": [{"address": "127.0.0.1", "port": 5050}]}, 9000)
        lab.wait_for(lambda: self.call(caller, vip, 9000).status == 200, "what is outside answers", timeout=60)
        self.control_plane.expect("DELETE", "/meshes/default/meshexternalservices/plain")
        lab.wait_for(lambda: f"{vip}:9000" not in self.outbounds(caller), "its listener is gone", timeout=60)

    def test_lead_to_names_outside(self):
        caller = self.start_service("by-name").wait_until_ready()
        vip = self.outside("named", {"endpoints": [{"address": "localhost", "port": 5050}]}, 9001)
        lab.wait_for(lambda: self.call(caller, vip, 9001).status == 200, "what is outside answers", timeout=60)

    def test_make_tls_to_what_is_outside(self):
        # The control plane's REST port, as something that is not in the mesh and speaks TLS.
        caller = self.start_service("ciphering").wait_until_ready()
        endpoints = [{"address": "10.77.0.2", "port": 5682}]
        trusted = {"caCert": {"inlineString": self.control_plane.ca_file.read_text()}}
        vip = self.outside("tls", {"endpoints": endpoints,
                                   "tls": {"enabled": True, "verification": {"serverName": "localhost", **trusted}}}, 9002)
        ask = lambda vip: lab.request("GET", vip, 9002, "/", namespace=caller.name, timeout=10)  # noqa: E731
        lab.wait_for(lambda: ask(vip).status == 200, "what is outside answers over TLS", timeout=60)
        # Whose certificate is of nobody that is trusted gets nothing.
        self.outside("tls", {"endpoints": endpoints, "tls": {"enabled": True, "verification": {"serverName": "localhost"}}}, 9002)
        lab.wait_for(lambda: ask(vip).status == 503, "an unknown certificate is refused", timeout=60)


class NamesWithoutRoute53(OutboundsCase):
    """The sidecar's own DNS server, asked by programs through the resolver that they always use."""

    @classmethod
    def build(cls):
        super().build()
        cls.redis = cls.start_service("redis")
        cls.redis.wait_until_ready()
        cls.app = lab.Task(cls.lab, cls.control_plane, "demo-app", "demo-app-1").use_resolver("127.0.0.1")
        cls.start_sidecar(cls.app, "demo-app", port=15000, app_port=5000, more=["--dns-enabled", "--dns-proxy-port", "53"])
        lab.wait_for(lambda: cls.app.readiness().status == 200, "its sidecar is ready", timeout=60, parts=[cls.app.sidecar])

    def restart_app(self, kv_url):
        if self.app.app:
            self.app.app.kill()
            self.app.app = None
        self.app.start_app({"KV_URL": kv_url})
        lab.wait_for(lambda: self.app.get(5000, "/").status == 200, "the application listens", timeout=60, parts=[self.app.app])

    def test_a_ready_sidecar_knows_the_names_that_are_there(self):
        for name, network in (("redis.mesh.local", "127.1."), ("kv.svc.mesh.local", "127.4.")):
            address = self.app.look_up(name)
            self.assertTrue(address and address.startswith(network), f"{name} is {address}")
        self.assertIsNone(self.app.look_up("nobody.mesh.local"))

    def test_an_application_calls_by_name_over_two_envoys_with_mutual_tls(self):
        for url, instance in (("http://redis.mesh.local:8080", "redis-1"), ("http://kv.svc.mesh.local:15050", "kv-1")):
            self.restart_app(url)
            answer = self.app.counter("POST")
            self.assertEqual(answer.status, 200, answer.text)
            self.assertEqual(answer.json()["instance"], instance)
            self.assertIn("URI=spiffe://default/demo-app", answer.json()["caller"])

    def test_names_come_and_go_with_their_services(self):
        late = self.start_service("fresh").wait_until_ready()
        address = lab.wait_for(lambda: self.app.look_up("fresh.mesh.local"), "the new name is known", timeout=60)
        self.call(self.app, address, 8080)  # no port that is refused, whoever answers
        lab.wait_for(lambda: self.call(self.app, address, 8080).status == 200, "the new service answers", timeout=60)
        self.restart_app("http://fresh.svc.mesh.local:15050")
        lab.wait_for(lambda: self.app.counter().status == 200, "the new service answers to its other name", timeout=60)
        late.stop()
        lab.wait_for(lambda: self.app.look_up("fresh.mesh.local") is None, "the name goes with its service", timeout=60)
        self.assertIsNotNone(self.app.look_up("redis.mesh.local"))


class APortThatTheApplicationHas(OutboundsCase):
    def squat(self, task, port):
        part = lab.Part(self.lab, f"{task.name}-squatter-{port}-{len(self.lab.parts)}", task.name, ["python3", "-c", SQUATTER, str(port)], {})
        return part

    def test_is_told_and_blocks_no_other_listener(self):
        vip = lab.wait_for(lambda: self.vip("kv"), "the MeshService kv has a virtual address")
        caller = self.start_service("crowded", sidecar=False)
        squatter = self.squat(caller, 8080)
        lab.wait_for(lambda: "listening" in squatter.log(), "the port is taken", parts=[squatter])
        self.start_sidecar(caller, "crowded")
        caller.wait_until_ready()
        self.assertEqual(self.call(caller, vip, 15050).status, 200)
        self.assertFalse([place for place in self.outbounds(caller) if place.endswith(":8080")])
        self.assertRegex(caller.sidecar.log(), r"127\.1\.\d+\.\d+:8080.*Address already in use")

        def rejection():
            status = self.control_plane.overview("crowded-1")["dataplaneInsight"]["subscriptions"][-1]["status"]
            return status["lastRejection"]["reason"]
        self.assertRegex(lab.wait_for(rejection, "the insight names the listener"), r"outbound:127\.1\.\d+\.\d+:8080: cannot bind")
        # It may get traffic all the same.
        lab.wait_for(lambda: self.control_plane.overview("crowded-1")["dataplaneInsight"].get("live"), "crowded-1 is live")

        squatter.kill()
        address, port = self.place_of(caller, "kv")  # tried again by itself
        self.assertEqual(self.call(caller, address, port).status, 200)

    def test_cannot_be_taken_from_listeners_that_are_there(self):
        caller = self.start_service("early").wait_until_ready()
        address, port = self.place_of(caller, "kv")
        squatter = self.squat(caller, port)
        lab.wait_for(lambda: not squatter.is_running, "the second one ends")
        self.assertIn("Address already in use", squatter.log())
        self.assertEqual(self.call(caller, address, port).status, 200)

    def test_is_left_to_it_when_the_dataplane_says_that_it_is_its_own(self):
        caller = self.start_service("own-port", sidecar=False)
        template = caller.directory / "dataplane.yaml"
        text = DATAPLANE.replace("APP_PORT", "8080").replace("PORT", "15050").replace("SERVICE", "own-port")
        template.write_text(text.replace("      serviceAddress: 127.0.0.1\n", ""))
        caller.start_sidecar(self.control_plane.token("own-port"), ["--bind-outbounds"], template=template)
        caller.wait_until_ready()
        vip = lab.wait_for(lambda: self.vip("kv"), "the MeshService kv has a virtual address")
        self.assertEqual(self.call(caller, vip, 15050).status, 200)
        self.assertFalse([place for place in self.outbounds(caller) if place.endswith(":8080")])
        squatter = self.squat(caller, 8080)  # the application, that comes second
        lab.wait_for(lambda: "listening" in squatter.log(), "the application has its port", parts=[squatter])
        self.assertIn("the application listens on port 8080 itself", self.control_plane.part.log())
