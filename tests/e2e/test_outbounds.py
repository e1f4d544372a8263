"""Dynamic outbounds: nothing is enumerated, and the application calls virtual addresses."""
import lab
from mesh_case import MeshCase

RANGES = {"KUMA_DNS_SERVER_CIDR": "127.1.0.0/16",
          "KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR": "127.2.0.0/16",
          "KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR": "127.3.0.0/16",
          "KUMA_IPAM_MESH_SERVICE_CIDR": "127.4.0.0/16",
          "KUMA_DNS_SERVER_SERVICE_VIP_PORT": "8080",
          "KUMA_DNS_SERVER_DOMAIN": "mesh.local"}

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
        cls.control_plane = lab.ControlPlane(cls.lab, RANGES).start().wait_until_ready()
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
    def start_sidecar(cls, task, name, port=15050):
        template = task.directory / "dataplane.yaml"
        template.write_text(DATAPLANE.replace("APP_PORT", "5050").replace("PORT", str(port)).replace("SERVICE", name))
        return task.start_sidecar(cls.control_plane.token(name), ["--bind-outbounds"], template=template)

    def vip(self, service):
        """The virtual address of a MeshService."""
        return self.control_plane.api("GET", f"/meshes/default/meshservices/{service}").json()["status"]["vips"][0]["ip"]

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

    def test_lead_outside_too(self):
        # Its own application, as something that is not in the mesh.
        caller = self.start_service("outgoing").wait_until_ready()
        self.control_plane.expect("PUT", "/meshes/default/meshexternalservices/plain", {
            "type": "MeshExternalService", "mesh": "default", "name": "plain",
            "spec": {"match": {"type": "HostnameGenerator", "port": 9000, "protocol": "http"},
                     "endpoints": [{"address": "127.0.0.1", "port": 5050}]}})
        path = "/meshes/default/meshexternalservices/plain"
        vip = lab.wait_for(lambda: self.control_plane.api("GET", path).json()["status"]["vip"]["ip"], "it has a virtual address")
        lab.wait_for(lambda: self.call(caller, vip, 9000).status == 200, "what is outside answers")
        self.control_plane.expect("DELETE", path)
        lab.wait_for(lambda: f"{vip}:9000" not in self.outbounds(caller), "its listener is gone")


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
