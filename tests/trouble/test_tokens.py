"""Tokens that must not open any door, on every door: bootstrap, both discovery streams, health and report streams, REST."""
import subprocess

import http2
import jwt
import lab
import plane
import proxy
from plane import dataplane

UNAUTHENTICATED, DENIED = 16, 7


def service(*names):
    return {"kuma.io/service": list(names)}


class DataplaneTokens(plane.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        control = cls.plane
        control.expect("PUT", "/meshes/other", {"type": "Mesh", "name": "other"})
        signing_key = control.secret("/meshes/default/secrets/dataplane-token-signing-key-default-1")
        cls.key = jwt.key_of(signing_key)
        key_file = cls.directory / "key.pem"
        key_file.write_text(signing_key)
        public_key = subprocess.run([plane.binary("taskmeshctl"), "generate", "public-key", "--signing-key-path", key_file],
                                    capture_output=True, text=True, check=True).stdout
        foreign = jwt.key_of(subprocess.run([plane.binary("taskmeshctl"), "generate", "signing-key", "--format", "pem"],
                                            capture_output=True, text=True, check=True).stdout)

        def said(**more):
            return jwt.claims(**{"Mesh": "default", "Name": "", "Tags": service("kv"), "Type": "", **more})
        cls.good = control.token(tags=service("kv"))
        revoked = control.token(tags=service("kv"))
        control.put_secret("default", "dataplane-token-revocations-default", jwt.id_of(revoked))
        cls.cheats = {
            "none at all": None,
            "an empty one": "",
            "no token": "let-me-in",
            "expired": jwt.signed(cls.key, said(start=-7200, end=-3600)),
            "not yet valid": jwt.signed(cls.key, said(start=3600, end=7200)),
            "revoked": revoked,
            "of another mesh": control.token("other", tags=service("kv")),
            "of another mesh that says it is of this": jwt.altered(control.token("other", tags=service("kv")), Mesh="default"),
            "of another service": control.token(tags=service("demo-app")),
            "of another name": control.token(name="somebody-else"),
            "of another signing key": jwt.signed(foreign, said()),
            "of a signing key that does not exist": jwt.signed(cls.key, said(), kid="77"),
            "algorithm none": jwt.unsigned(said()),
            "algorithm None": jwt.unsigned(said(), "None"),
            "HS256 with the public key": jwt.hs256(public_key, said()),
            "HS256 with the public key without its last line break": jwt.hs256(public_key.strip(), said()),
            "with another service under its signature": jwt.altered(control.token(tags=service("demo-app")), Tags=service("kv")),
            "of a user": control.secret("/global-secrets/admin-user-token"),
            "of a zone proxy": control.expect("POST", "/tokens/zone", {"zone": "default", "scope": ["ingress"], "validFor": "1h"}).text,
        }

    @classmethod
    def tearDownClass(cls):
        log = cls.plane.logs()
        for name, token in {**cls.cheats, "good": cls.good}.items():
            for part in (token or "").split("."):
                assert len(part) < 20 or part not in log, f"the log holds the token {name}"
        assert "BEGIN" not in log, "the log holds a key"

    def assert_nothing_came_in(self, name):
        self.assertEqual(self.plane.api("GET", f"/meshes/default/dataplanes/{name}").status, 404)
        self.assertEqual(self.plane.api("GET", f"/meshes/default/dataplane-insights/{name}").status, 404)

    def assert_says_why(self, text, token):
        self.assertGreater(len(text), 15, text)
        self.assertRegex(text, "(?i)token|credential|kuma.io/service|mesh|name")
        for part in (token or "").split("."):
            self.assertTrue(len(part) < 20 or part not in text, "the answer holds the token")

    def test_none_of_these_gets_a_bootstrap(self):
        for number, (cheat, token) in enumerate(self.cheats.items()):
            with self.subTest(cheat):
                answer = proxy.bootstrap("default", f"b-{number}", token, dataplane(f"b-{number}"))
                self.assertIn(answer.status, (401, 403, 422) if not token else (401, 403), answer.text)
                self.assert_says_why(answer.text, token)
                self.assert_nothing_came_in(f"b-{number}")

    def refuses(self, path, prefix, brings):
        for number, (cheat, token) in enumerate(self.cheats.items()):
            name = f"{prefix}-{number}"
            if not brings:
                self.plane.expect("PUT", f"/meshes/default/dataplanes/{name}", dataplane(name))
            with self.subTest(cheat), http2.Connection(plane.SIDECARS) as connection:
                stream = connection.grpc(path, token)
                stream.send_message(proxy.first_message(path, "default", name, dataplane(name) if brings else None))
                status, why = stream.outcome()
                self.assertIn(status, (UNAUTHENTICATED, DENIED), why)
                self.assertEqual(stream.body, b"", "nothing was told")
                self.assert_says_why(why, token)
                if brings:
                    self.assert_nothing_came_in(name)
                else:
                    self.assertEqual(self.plane.api("GET", f"/meshes/default/dataplane-insights/{name}").status, 404)

    def test_none_of_these_opens_a_delta_discovery_stream(self):
        self.refuses(proxy.DELTA, "d", brings=True)

    def test_none_of_these_opens_a_whole_discovery_stream(self):
        self.refuses(proxy.WHOLE, "w", brings=True)

    def test_none_of_these_reports_for_a_proxy_that_is_there(self):
        self.refuses(proxy.LIFECYCLE, "l", brings=False)

    def test_none_of_these_opens_a_health_stream_of_a_proxy_that_is_there(self):
        self.refuses(proxy.HEALTH, "h", brings=False)

    def test_a_good_one_opens_each_door(self):
        """Else the refusals above would mean nothing."""
        self.assertEqual(proxy.bootstrap("default", "good-1", self.good, dataplane("good-1")).status, 200)
        for path in (proxy.DELTA, proxy.WHOLE, proxy.HEALTH, proxy.LIFECYCLE):
            with self.subTest(path), http2.Connection(plane.SIDECARS) as connection:
                stream = connection.grpc(path, self.good)
                brought = dataplane("good-1") if path in (proxy.DELTA, proxy.WHOLE) else None
                stream.send_message(proxy.first_message(path, "default", "good-1", brought))
                self.assertTrue(stream.next_message())
        self.assertEqual(self.plane.api("GET", "/meshes/default/dataplanes/good-1").status, 200)

    def test_a_dataplane_cannot_claim_tags_that_its_token_lacks(self):
        token = self.plane.token(tags={"kuma.io/service": ["kv"], "team": ["blue"]})
        two = dataplane("two", team="blue")
        two["networking"]["inbound"].append({"port": 8081, "tags": {"kuma.io/service": "payments", "team": "blue"}})
        gateway = {"type": "Dataplane", "mesh": "default", "name": "gw",
                   "networking": {"address": "127.0.0.1", "gateway": {"tags": {"kuma.io/service": "edge", "team": "blue"}}}}
        for name, claimed, words in (
                ("red", dataplane("red", team="red"), ["team", "red", "blue"]),
                ("bare", dataplane("bare"), ["team"]),
                ("two", two, ["kuma.io/service", "payments"]),
                ("gw", gateway, ["kuma.io/service", "edge"])):
            with self.subTest(name):
                refused = proxy.bootstrap("default", name, token, claimed)
                self.assertEqual(refused.status, 403, refused.text)
                self.assert_in(words, refused.text)
                with http2.Connection(plane.SIDECARS) as connection:
                    stream = connection.grpc(proxy.DELTA, token)
                    stream.send_message(proxy.first_message(proxy.DELTA, "default", name, claimed))
                    status, why = stream.outcome()
                self.assertEqual(status, DENIED, why)
                self.assert_in(words, why)
                self.assert_nothing_came_in(name)

    def test_a_name_that_is_taken_cannot_be_taken_over_with_the_token_of_another_service(self):
        owner = proxy.Envoy("taken", self.good, dataplane("taken"))
        owner.until(lambda: owner.holds(proxy.LISTENER))
        thief = self.plane.token(tags=service("thief"))
        for document in (dataplane("taken", "thief"), dataplane("taken")):
            with http2.Connection(plane.SIDECARS) as connection:
                stream = connection.grpc(proxy.DELTA, thief)
                stream.send_message(proxy.first_message(proxy.DELTA, "default", "taken", document))
                self.assertEqual(stream.outcome()[0], DENIED)
        stored = self.plane.expect("GET", "/meshes/default/dataplanes/taken").json()
        self.assertEqual(stored["networking"]["inbound"][0]["tags"]["kuma.io/service"], "kv")
        owner.close()

    def test_the_same_name_in_two_meshes_is_two_proxies(self):
        token = self.plane.token("other", tags=service("db"))
        here = proxy.Envoy("twin", self.good, dataplane("twin", port=8080))
        there = proxy.Envoy("twin", token, dataplane("twin", "db", "other", port=9090), mesh="other")
        for envoy, port in ((here, "8080"), (there, "9090")):
            envoy.until(lambda envoy=envoy: envoy.holds(proxy.LISTENER))
            self.assertTrue(any(port in name for name in envoy.holds(proxy.LISTENER)), envoy.holds(proxy.LISTENER).keys())
            envoy.close()

    def test_who_has_the_name_and_a_good_token_takes_over_without_harm(self):
        """A task that was replaced while its old stream is still open. Both hold the same, and nobody is shut out."""
        first = proxy.Envoy("again", self.good, dataplane("again"))
        first.until(lambda: first.holds(proxy.LISTENER))
        second = proxy.Envoy("again", self.good, dataplane("again"))
        second.until(lambda: second.holds(proxy.LISTENER))
        self.assertEqual(set(first.holds(proxy.LISTENER)), set(second.holds(proxy.LISTENER)))
        first.close()
        self.plane.expect("PUT", "/meshes/default/dataplanes/again", dataplane("again", port=8181))
        second.until(lambda: any("8181" in name for name in second.holds(proxy.LISTENER)))
        second.close()


class UserTokens(plane.Case):
    environment = None

    def test_which_do_not_hold_do_not_make_an_admin(self):
        self.plane.start()
        self.addCleanup(self.plane.kill)
        admin = self.plane.secret("/global-secrets/admin-user-token").strip()
        key = jwt.key_of(self.plane.secret("/global-secrets/user-token-signing-key-1"))
        someone = self.plane.expect("POST", "/tokens/user", {"name": "someone", "groups": [], "validFor": "1h"}).text.strip()
        revoked = self.plane.expect("POST", "/tokens/user", {"name": "mesh-system:admin", "groups": ["mesh-system:admin"], "validFor": "1h"}).text.strip()
        self.plane.expect("PUT", "/global-secrets/user-token-revocations", {
            "type": "GlobalSecret", "name": "user-token-revocations", "data": lab.base64.b64encode(jwt.id_of(revoked).encode()).decode()})
        self.plane.stop()
        self.plane.start(KUMA_API_SERVER_AUTHN_LOCALHOST_IS_ADMIN="false")

        def said(**more):
            return jwt.claims(Name="mesh-system:admin", Groups=["mesh-system:admin"], **more)
        foreign = jwt.key_of(subprocess.run([plane.binary("taskmeshctl"), "generate", "signing-key", "--format", "pem"],
                                            capture_output=True, text=True, check=True).stdout)
        cheats = {"garbage": "x.y.z", "expired": jwt.signed(key, said(start=-7200, end=-3600)), "revoked": revoked,
                  "of another key": jwt.signed(foreign, said()), "none": jwt.unsigned(said()), "HS256": jwt.hs256(str(key[0]), said()),
                  "a name under another signature": jwt.altered(someone, Name="mesh-system:admin", Groups=["mesh-system:admin"])}
        for cheat, token in cheats.items():
            with self.subTest(cheat):
                answer = self.plane.api("GET", "/global-secrets", headers={"authorization": f"Bearer {token}"})
                self.assertEqual(answer.status, 401, answer.text)
                self.assertNotIn(token, answer.text)
        for headers in ({}, {"authorization": f"Bearer {someone}"}, {"x-forwarded-for": "127.0.0.1"}):
            self.assertEqual(self.plane.api("GET", "/global-secrets", headers=headers).status, 403)
            for method, path, body in (("PUT", "/meshes/default/secrets/x", {"type": "Secret", "mesh": "default", "name": "x", "data": "eA=="}),
                                       ("GET", "/meshes/default/secrets/dataplane-token-signing-key-default-1", None),
                                       ("POST", "/tokens/user", {"name": "mesh-system:admin", "groups": ["mesh-system:admin"], "validFor": "1h"}),
                                       ("POST", "/tokens/dataplane", {"mesh": "default", "validFor": "1h"})):
                answer = self.plane.api(method, path, body, headers)
                self.assertEqual(answer.status, 403, f"{path}: {answer.text}")
        self.assertEqual(self.plane.api("GET", "/global-secrets", headers={"authorization": f"Bearer {admin}"}).status, 200)
        log = self.plane.logs()
        for token in (admin, someone, revoked, *cheats.values()):
            self.assertNotIn(token, log)
        self.assertNotIn("BEGIN", log)
