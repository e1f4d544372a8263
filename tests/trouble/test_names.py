"""Services get names and addresses, and keep them: through kills, floods, ranges that are full or wrong."""
import plane
from plane import dataplane

import lab

RANGES = {"KUMA_DNS_SERVER_CIDR": "127.1.0.0/16", "KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR": "127.2.0.0/16",
          "KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR": "127.3.0.0/16", "KUMA_IPAM_MESH_SERVICE_CIDR": "127.4.0.0/16",
          "KUMA_DNS_SERVER_SERVICE_VIP_PORT": "8080", "KUMA_DNS_SERVER_DOMAIN": "mesh.local"}


class NamesCase(plane.Case):
    environment = RANGES

    def mesh(self, name, mode="Exclusive"):
        self.plane.expect("PUT", f"/meshes/{name}", {"type": "Mesh", "name": name, "meshServices": {"mode": mode}})

    def proxy(self, name, service, mesh, port=8080):
        self.plane.expect("PUT", f"/meshes/{mesh}/dataplanes/{name}", dataplane(name, service, mesh, port, address="10.0.0.1"))

    def service(self, mesh, name):
        answer = self.plane.api("GET", f"/meshes/{mesh}/meshservices/{name}")
        return answer.json() if answer.status == 200 else None

    def services(self, mesh):
        items = self.plane.expect("GET", f"/meshes/{mesh}/meshservices?size=1000").json()["items"]
        return {item["name"]: item["status"]["vips"][0]["ip"] for item in items if item.get("status", {}).get("vips")}

    def wait_for_services(self, mesh, count):
        lab.wait_for(lambda: len(self.services(mesh)) == count, f"{count} services have addresses", parts=[self.plane.program])
        return self.services(mesh)


class Names(NamesCase):
    def test_a_dataplane_makes_a_service_with_name_and_address(self):
        self.mesh("one")
        self.proxy("kv-1", "kv", "one")
        lab.wait_for(lambda: self.service("one", "kv"), "the service is there", parts=[self.plane.program])
        status = self.service("one", "kv")["status"]
        self.assertEqual([it["hostname"] for it in status["addresses"]], ["kv.svc.mesh.local"])
        self.assertTrue(status["vips"][0]["ip"].startswith("127.4."))

    def test_a_generator_that_is_changed_renames_and_two_that_want_one_name_are_told(self):
        self.mesh("two")
        for service in ("a", "b"):
            self.proxy(f"{service}-1", service, "two")
        self.wait_for_services("two", 2)
        generator = {"type": "HostnameGenerator", "name": "same", "spec": {
            "selector": {"meshService": {"matchLabels": {"kuma.io/mesh": "two"}}}, "template": "one-name.mesh.local"}}
        self.plane.expect("PUT", "/hostnamegenerators/same", generator)

        def reasons():
            return sorted(condition["reason"] for service in ("a", "b")
                          for it in self.service("two", service)["status"]["hostnameGenerators"]
                          if it["hostnameGeneratorRef"]["coreName"] == "same" for condition in it["conditions"])
        lab.wait_for(lambda: reasons() == ["Collision", "Generated"], "one has the name, the other is told", parts=[self.plane.program])
        self.plane.expect("DELETE", "/hostnamegenerators/same")
        lab.wait_for(lambda: reasons() == [], "the name is gone with its generator", parts=[self.plane.program])

    def test_hundreds_at_once_keep_their_addresses_through_kills(self):
        self.mesh("many")
        for number in range(300):
            self.proxy(f"p-{number}", f"s-{number}", "many")
            if number in (100, 200):
                self.plane.kill()
                self.plane.start()
        before = self.wait_for_services("many", 300)
        self.assertEqual(len(set(before.values())), 300, "no address twice")
        self.plane.kill()
        self.plane.start()
        self.proxy("one-more", "one-more", "many")
        after = self.wait_for_services("many", 301)
        self.assertEqual({name: after[name] for name in before}, before)

    def test_an_address_of_a_service_that_went_is_not_given_to_the_next(self):
        self.mesh("gone")
        self.proxy("old-1", "old", "gone")
        address = self.wait_for_services("gone", 1)["old"]
        self.plane.expect("DELETE", "/meshes/gone/dataplanes/old-1")
        self.plane.expect("DELETE", "/meshes/gone/meshservices/old")
        self.plane.kill()
        self.plane.start()
        self.proxy("new-1", "new", "gone")
        self.assertNotEqual(self.wait_for_services("gone", 1)["new"], address)
        self.proxy("old-2", "old", "gone")
        self.assertEqual(self.wait_for_services("gone", 2)["old"], address)


class FullRange(NamesCase):
    environment = {**RANGES, "KUMA_IPAM_MESH_SERVICE_CIDR": "127.4.0.0/31"}

    def test_who_gets_none_is_told_in_its_status(self):
        self.mesh("full")
        for service in ("a", "b", "c"):
            self.proxy(f"{service}-1", service, "full")
        lab.wait_for(lambda: len(self.plane.names("full", "meshservices")) == 3, "all three are there", parts=[self.plane.program])
        self.assertEqual(len(self.wait_for_services("full", 2)), 2)
        told = [condition for service in ("a", "b", "c") for condition in self.service("full", service)["status"].get("conditions", [])]
        self.assertEqual([it["reason"] for it in told], ["RangeIsFull"])
        self.assertIn("127.4.0.0/31 is full", told[0]["message"])
        self.assertIn("is full", self.plane.logs())


class WrongRanges(plane.Case):
    environment = None

    def refused(self, **environment):
        self.assertNotEqual(self.plane.launch(**{**RANGES, **environment}).wait(), 0)
        return self.plane.program.log()

    def test_are_named_at_the_start(self):
        self.assert_in(["KUMA_IPAM_MESH_SERVICE_CIDR", "shares addresses with"],
                       self.refused(KUMA_IPAM_MESH_SERVICE_CIDR="127.3.0.0/24"))
        self.assert_in(["KUMA_DNS_SERVER_CIDR", "IPv6"], self.refused(KUMA_DNS_SERVER_CIDR="fd00::/64"))
        self.assert_in(["KUMA_DNS_SERVER_DOMAIN"], self.refused(KUMA_DNS_SERVER_DOMAIN="not a domain"))
