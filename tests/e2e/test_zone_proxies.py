"""Zone proxies: an ingress and an egress register with zone tokens, are seen, say that they are ready, and go."""
import json
import os
import signal
import unittest

import lab

DOCUMENTS = {
    "ingress": {"type": "ZoneIngress", "networking": {"port": 10001, "advertisedAddress": "ingress.example", "advertisedPort": 20001}},
    "egress": {"type": "ZoneEgress", "networking": {"port": 10002}},
}
PATHS = {"ingress": "/zoneingresses", "egress": "/zoneegresses"}
KEYS = {"ingress": "zoneIngressInsight", "egress": "zoneEgressInsight"}


class ZoneProxy:
    """`environment` may be a function: it is asked once the proxy's namespace is there."""

    def __init__(self, the_lab, control_plane, role, name, token=None, arguments=(), environment=None):
        self.name, self.role, self.control_plane = name, role, control_plane
        self.address = the_lab.add_namespace(name)
        self.directory = the_lab.directory / name
        self.directory.mkdir()
        document = DOCUMENTS[role] | {"name": name}
        document["networking"] = {"address": self.address} | document["networking"]
        (self.directory / "resource.json").write_text(json.dumps(document))
        command = [the_lab.program("dp"), "run", f"--proxy-type={role}", "--cp-address", f"https://{control_plane.address}:5678",
                   "--ca-cert-file", control_plane.ca_file, "--dataplane-file", self.directory / "resource.json",
                   "--binary-path", the_lab.envoy, "--work-dir", self.directory, "--concurrency", "1", *arguments]
        if "dp" in the_lab.stock:
            command.append("--dns-enabled=false")
        if token:
            (self.directory / "token").write_text(token)
            command += ["--dataplane-token-file", self.directory / "token"]
        self.part = lab.Part(the_lab, f"{name}-sidecar", name, command, (environment() if callable(environment) else environment) or {})

    def resource(self):
        return self.control_plane.api("GET", f"{PATHS[self.role]}/{self.name}")

    def is_online(self):
        overview = self.control_plane.api("GET", f"{PATHS[self.role]}/{self.name}/_overview")
        subscriptions = overview.json().get(KEYS[self.role], {}).get("subscriptions", []) if overview.status == 200 else []
        return bool(subscriptions) and "disconnectTime" not in subscriptions[-1]

    def wait_until_ready(self, timeout=30):
        lab.wait_for(lambda: lab.request("GET", self.address, 9901, "/ready", timeout=3).status == 200,
                     f"{self.name} says over its admin listener that it is ready", timeout, parts=[self.part])
        lab.wait_for(self.is_online, f"{self.name} is seen as connected", timeout)
        return self


class ZoneProxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stock = [part for part in os.environ.get("TASKMESH_STOCK_PARTS", "").split(",") if part]
        cls.lab = lab.Lab(os.environ["TASKMESH_BINARIES"], stock=stock)
        cls.addClassCleanup(cls.lab.close)
        cls.control_plane = lab.ControlPlane(cls.lab).start().wait_until_ready()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(self.lab.problem_report())

    def token(self, *scope, zone="default"):
        answer = self.control_plane.expect("POST", "/tokens/zone", {"zone": zone, "scope": list(scope), "validFor": "1h"})
        return answer.text.strip()

    def test_register_are_seen_and_go(self):
        proxies = [ZoneProxy(self.lab, self.control_plane, role, name, self.token(role))
                   for role, name in (("ingress", "zone-in"), ("egress", "zone-out"))]
        for proxy in proxies:
            proxy.wait_until_ready()
            networking = proxy.resource().json()["networking"]
            self.assertEqual((networking["address"], networking["port"]), (proxy.address, DOCUMENTS[proxy.role]["networking"]["port"]))
        listed = self.control_plane.api("GET", "/zoneingresses+insights").json()
        self.assertEqual([item["name"] for item in listed["items"]], ["zone-in"])
        self.assertEqual(self.control_plane.api("GET", "/zone-ingress-insights/zone-in").status, 200)
        for proxy in proxies:
            proxy.part.signal(signal.SIGTERM)
        for proxy in proxies:
            proxy.part.wait()
            lab.wait_for(lambda: proxy.resource().status == 404, f"{proxy.name} is gone", 30)

    def test_of_another_scope_or_zone_are_refused(self):
        for name, token, words in (("scope", self.token("egress"), "scope"), ("zone", self.token("ingress", zone="west"), 'zone "west"')):
            proxy = ZoneProxy(self.lab, self.control_plane, "ingress", f"in-{name}", token)
            self.addCleanup(proxy.part.kill)
            lab.wait_for(lambda: words in proxy.part.log(), f"its log says {words}", 20)
            self.assertEqual(proxy.resource().status, 404)


if __name__ == "__main__":
    unittest.main()
