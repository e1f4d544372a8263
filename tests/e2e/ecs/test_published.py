"""The published templates of Kong Mesh for ECS with our programs behind their names, when MESH_ECS_REFERENCE names their folder (deploy/
of that repository): they are not part of this project."""
import os
import pathlib
import unittest

import lab

from ecs_case import BoxCase

REFERENCE = os.environ.get("MESH_ECS_REFERENCE")


@unittest.skipUnless(REFERENCE, "MESH_ECS_REFERENCE names no folder of published templates")
class Published(BoxCase):
    """As published: with --auth-type=aws --bind-outbounds, in a lone zone, which needs generators of its own."""

    plan_file, templates = "kong-mesh-ecs.json", pathlib.Path(REFERENCE or "/")

    def test_1_every_stack_comes_up_and_both_proxies_are_online(self):
        def are_online():  # their tasks have no health check: they count as started before their sidecars have joined
            overviews = self.expect("GET", "/meshes/default/dataplanes+insights").json()["items"]
            online = [each for each in overviews if "disconnectTime" not in each.get("dataplaneInsight", {}).get("subscriptions", [{"disconnectTime": ""}])[-1]]
            return len(overviews) == len(online) == 2
        lab.wait_for(are_online, "two proxies are online", 60)
        for service in ("kv", "demo-app"):
            self.assertFalse([event for event in self.box.scheduler.events(service) if "stopped" in event], "no task was replaced")
        self.assertGreater(len(self.admin_token()), 20)

    def test_2_the_sidecars_hear_sigterm_through_their_shell(self):
        kv = self.one("kv")
        kv.stop("by the test")
        kv.wait_until_stopped()
        self.assertEqual(kv.container("kuma-dp").exit_code, 0)

    def test_3_the_app_reaches_kv_by_a_name_of_the_hosted_zone(self):
        zone = self.box.outputs("ecs-demo-vpc")["HostedZoneId"]
        self.expect("PUT", "/meshes/default", {"type": "Mesh", "name": "default", "meshServices": {"mode": "Exclusive"},
                                               "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}})
        self.expect("PUT", "/meshes/default/meshtrafficpermissions/allow-all", {
            "type": "MeshTrafficPermission", "mesh": "default", "name": "allow-all",
            "spec": {"targetRef": {"kind": "Mesh"}, "from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]}})
        self.expect("PUT", "/hostnamegenerators/local", {
            "type": "HostnameGenerator", "name": "local",
            "spec": {"selector": {"meshService": {"matchLabels": {"kuma.io/origin": "zone"}}}, "template": "{{ .DisplayName }}.mzms.mesh.local",
                     "extension": {"type": "Route53", "config": {"hostedZoneId": zone}}}})
        lab.wait_for(lambda: any(name == "kv.mzms.mesh.local" for name, _ in self.box.resolver.records()), "the name of kv is in the zone", 60)
        app = self.one("demo-app")
        lab.wait_for(lambda: lab.request("POST", "127.0.0.1", 5050, "/api/counter", namespace=app.place.namespace, timeout=20).status == 200,
                     "demo-app counts in kv by its name", 60)
