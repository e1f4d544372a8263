"""Bytes that no honest client sends, on every port. What can be answered is answered clearly; the rest is hung up on; the
control plane goes on as if nothing had been."""
import json

import socket
import ssl
import struct
import subprocess

import http2
import lab
import plane
import proxy
from http2 import field, frame
from plane import API, API_TLS, DIAGNOSTICS, JSON, SIDECARS, dataplane

# (port, TLS, a path, its method)
PORTS = ((SIDECARS, True, "/bootstrap", "POST"), (DIAGNOSTICS, False, "/logging", "PUT"), (API, False, "/meshes/default", "PUT"),
         (API_TLS, True, "/meshes/default", "PUT"))
RESET, INTERNAL, INVALID, UNIMPLEMENTED, TOO_LARGE = "reset", 13, 3, 12, 8

FRAMED = {  # what no HTTP server may accept, and how it may answer
    "noise": (http2.noise(4096), "400"),
    "noise with line ends": (b"\r\n".join(http2.noise(64) for _ in range(64)) + b"\r\n\r\n", "400"),
    "nothing at all": (b"", None),
    "zeroes": (bytes(100_000), "400"),
    "a request line that does not end": (b"GET /" + b"a" * 300_000, "4(00|14|31)"),
    "half a request line": (b"GET /mesh", None),
    "half a header": (b"GET / HTTP/1.1\r\nhost: localhost\r\nacce", None),
    "headers without end": (b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(30_000)), "431|400"),
    "one endless header": (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 300_000, "431|400"),
    "a header that is folded": (b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: a\r\n b\r\n\r\n", "400|200|404"),
    "a blank before the colon": (b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length : 5\r\n\r\nhello", "400"),
    "two lengths": (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", "400"),
    "a length and chunks": (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    "a length below zero": (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", "400"),
    "a length beyond numbers": (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999999\r\n\r\n", "400|413"),
    "a chunk beyond numbers": (b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "400|413"),
    "a chunk without a number": (b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "400"),
    "an unknown version": (b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n", "400|505"),
    "an escape that is none": (b"GET /%zz%00 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "400"),
}


class Case(plane.Case):
    def tearDown(self):
        self.assert_well()


class Http(Case):
    def test_garbage_is_refused_or_hung_up_on_at_every_port(self):
        for port, tls, path, method in PORTS:
            for name, (data, status) in FRAMED.items():
                with self.subTest(f"{name} at {port}"):
                    answer = plane.exchange(port, tls, data, wait=status is not None or not tls)
                    if status is None:
                        continue
                    # A TCP reset may overtake the answer to somebody who still sends.
                    self.assertRegex(answer, rb"^HTTP/1.[01] (" + status.encode() + rb") |^$")
        self.assert_well()

    def test_a_body_that_ends_early_does_nothing(self):
        for port, tls, path, method in PORTS:
            with self.subTest(port):
                head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
                plane.exchange(port, tls, head.encode() + b'{"type":"Mesh","name":"default","mtls":{"enabled', wait=not tls)
        self.assertNotIn("mtls", self.plane.expect("GET", "/meshes/default").json())

    def test_a_body_that_is_too_large_is_refused_before_it_is_read(self):
        for port, tls, path, method in PORTS:
            for form in ("content-length: 99000000", "transfer-encoding: chunked"):
                with self.subTest(f"{form} at {port}"), plane.connect(port, tls) as it:
                    it.sendall(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{form}\r\n\r\n".encode())
                    sent, chunk = 0, b"1" * 65536
                    try:
                        while sent < 99_000_000 and "chunked" in form:
                            it.sendall(b"10000\r\n" + chunk + b"\r\n")
                            sent += len(chunk)
                    except OSError:
                        pass  # it does not listen any more, rightly
                    try:
                        answer = it.recv(4096)
                    except OSError:
                        continue
                    self.assertRegex(answer, rb"^HTTP/1.1 413 |^$" if "chunked" in form else rb"^HTTP/1.1 413 ")

    def test_slow_and_silent_clients_do_not_keep_others_out(self):
        held = []
        for port, tls, path, method in PORTS:
            for _ in range(50):
                it = plane.connect(port, tls)
                it.sendall(b"GET / HTTP/1.1\r\nx: ")
                held.append(it)
        self.assert_well()
        for it in held:
            it.close()


class Json(Case):
    BODIES = {
        "is no JSON": b"{",
        "noise": http2.noise(2000),
        "nothing": b"",
        "another type": b"[]",
        "null": b"null",
        "nests without end": b'{"type":"Mesh","name":"default","x":' + b"[" * 200_000,
        "nests objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "text that is not UTF-8": b'{"type":"Mesh","name":"\xff\xfe"}',
        "half a surrogate": b'{"type":"Mesh","name":"\\ud800"}',
        "a number beyond numbers": b'{"type":"Mesh","name":"default","meshServices":{"mode":' + b"9" * 100_000 + b"}}",
        "a zero in a name": b'{"type":"Mesh","name":"de\\u0000fault"}',
        "two documents": b'{"type":"Mesh","name":"default"} {}',
    }

    def test_is_refused_with_a_problem_that_says_what_is_wrong(self):
        for port in (API, API_TLS):
            for name, body in self.BODIES.items():
                with self.subTest(f"{name} at {port}"):
                    ask = plane.https if port == API_TLS else self.plain
                    answer = ask("PUT", port, "/meshes/default", body, JSON)
                    self.assertEqual(answer.status, 400, answer.text[:300])
                    problem = answer.json()
                    self.assertEqual(problem["status"], 400)
                    self.assertTrue(problem["title"] and problem["detail"] or problem.get("invalid_parameters"), problem)
                    self.assertLess(len(answer.body), 4000, "the input is not given back")

    def test_is_refused_by_the_bootstrap(self):
        for name, body in self.BODIES.items():
            with self.subTest(name):
                answer = plane.https("POST", SIDECARS, "/bootstrap", body, JSON)
                self.assertIn(answer.status, (400, 413, 422), answer.text[:300])
                self.assertTrue(answer.text)
                self.assertLess(len(answer.body), 4000)

    @staticmethod
    def plain(method, port, path, body, headers):
        return lab.request(method, "127.0.0.1", port, path, body, headers)

    def test_a_resource_over_the_size_limit_is_refused_and_leaves_the_old_one(self):
        before = self.plane.expect("GET", "/meshes/default").json()
        tags = {f"tag-{number}": "x" * 60 for number in range(30_000)}
        too_large = dataplane("large", **tags)
        answer = self.plane.api("PUT", "/meshes/default/dataplanes/large", too_large)
        self.assertIn(answer.status, (400, 413), answer.text[:300])
        self.assertRegex(answer.text, r"(?i)MiB|bytes|large|size")
        self.assertEqual(self.plane.api("GET", "/meshes/default/dataplanes/large").status, 404)
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        refused = proxy.bootstrap("default", "large", token, too_large)
        self.assertIn(refused.status, (400, 403, 413, 422), refused.text[:300])
        with http2.Connection(SIDECARS) as connection:
            stream = connection.grpc(proxy.DELTA, token)
            stream.send_message(proxy.first_message(proxy.DELTA, "default", "large", too_large))
            self.assertIn(stream.outcome()[0], (INVALID, TOO_LARGE, RESET))
        secret = {"type": "Secret", "mesh": "default", "name": "large", "data": "QUFB" * 400_000}
        self.assertIn(self.plane.api("PUT", "/meshes/default/secrets/large", secret).status, (400, 413))
        self.assertEqual(self.plane.expect("GET", "/meshes/default").json(), before)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12))
YAMLS = {
    "aliases that explode": ("type: Mesh\nname: bomb\n" + BOMB, "(?i)alias"),
    "merges that explode": ("type: Mesh\nname: bomb\nb0: &b0 {k: v}\n" + "".join(
        f"b{n}: &b{n} {{x: *b{n - 1}, y: *b{n - 1}, z: *b{n - 1}, w: *b{n - 1}}}\n" for n in range(1, 20)), "(?i)alias"),
    "an alias of itself": ("type: Mesh\nname: bomb\na: &a [*a]\n", "(?i)alias|anchor|line 3"),
    "nesting without end": ("type: Mesh\nname: bomb\na: " + "[" * 10_000 + "]" * 10_000, "(?i)nest|deep|depth"),
    "nesting by indents": ("type: Mesh\nname: bomb\n" + "".join(" " * n + "a:\n" for n in range(500)), "(?i)nest|deep|depth"),
    "no YAML": ("type: Mesh\nname: [\n}", "line 3|line 2"),
    "noise": (http2.noise(5000).decode("latin-1"), "."),
    "nothing": ("", "."),
}


class Yaml(Case):
    def test_is_refused_by_apply_with_its_place(self):
        for number, (name, (text, says)) in enumerate(YAMLS.items()):
            with self.subTest(name):
                path = self.directory / f"{number}.yaml"
                path.write_text(text)
                done = subprocess.run([plane.binary("taskmeshctl"), "apply", "-f", path], capture_output=True, text=True, timeout=20)
                self.assertGreater(done.returncode, 0, done.stdout)
                self.assertRegex(done.stderr, says)
                self.assertIn(path.name if text else "no resource", done.stderr)
                self.assertLess(len(done.stderr), 3000)
                self.assertEqual(self.plane.api("GET", "/meshes/bomb").status, 404)

    def test_is_refused_by_the_sidecar_with_its_place(self):
        envoy = lab.ROOT / ".tools/envoy/envoy"
        for number, (name, (text, says)) in enumerate(YAMLS.items()):
            with self.subTest(name):
                path = self.directory / f"dp-{number}.yaml"
                path.write_text(text.replace("type: Mesh", "type: Dataplane\nmesh: default"))
                sidecar = plane.Program("the sidecar", [
                    plane.binary("taskmesh-dp"), "run", "--cp-address", "https://127.0.0.1:5678", "--skip-verify", "--dataplane-file", path,
                    "--binary-path", envoy, "--work-dir", self.directory], self.directory / f"dp-{number}.log")
                self.assertGreater(sidecar.wait(10), 0)
                self.assertRegex(sidecar.log(), says.replace("line 3|line 2", "line [2-4]").replace("line 3", "line 4"))
                self.assertLess(len(sidecar.log()), 3000)

    def test_is_refused_where_a_proxy_brings_it(self):
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        for name, (text, _) in YAMLS.items():
            if not text:
                continue
            with self.subTest(name):
                document = text.replace("type: Mesh", "type: Dataplane\nmesh: default")
                refused = proxy.bootstrap("default", "bomb", token, document)
                self.assertIn(refused.status, (400, 413, 422), refused.text[:300])
                self.assertLess(len(refused.text), 4000)
                with http2.Connection(SIDECARS) as connection:
                    stream = connection.grpc(proxy.DELTA, token)
                    stream.send_message(proxy.first_message(proxy.DELTA, "default", "bomb", document))
                    status, why = stream.outcome()
                self.assertIn(status, (INVALID, TOO_LARGE), why)
                self.assertTrue(why)


class Protobuf(Case):
    STREAMS = (proxy.DELTA, proxy.WHOLE, proxy.HEALTH, proxy.LIFECYCLE)

    def outcome_of(self, path, data, end=False):
        with http2.Connection(SIDECARS) as connection:
            stream = connection.grpc(path, "x")
            try:
                stream.send(data, end)
                return stream.outcome()[0]
            except (ConnectionError, ssl.SSLError, BrokenPipeError):
                return RESET

    def test_garbage_ends_the_stream_with_a_status(self):
        def message(data):
            return b"\0" + struct.pack(">I", len(data)) + data
        messages = {
            "noise": message(b"\xff" * 40 + http2.noise(500)),
            "a field that is longer than its message": message(b"\x0a\xff\xff\xff\xff\x07abc"),
            "a number that does not end": message(b"\x08" + b"\xff" * 30),
            "a wire type that is none": message(b"\x0f\x0f"),
            "groups without end": message(b"\x0b" * 100_000),
            "a node that nests without end": message(self.deep()),
            "text that is not UTF-8": message(field(1, field(1, b"\xff\xfe.\xff")) + field(2, b"\xff")),
            "compressed": b"\1" + struct.pack(">I", 5) + b"hello",
            "a flag that is none": b"\x7f" + struct.pack(">I", 5) + b"hello",
            "four gigabytes": b"\0\xff\xff\xff\xff" + b"x" * 100,
            "forty megabytes": b"\0" + struct.pack(">I", 40_000_000) + b"x" * 100_000,
            "half a message and then nothing": b"\0" + struct.pack(">I", 100) + b"x",
        }
        for path in self.STREAMS:
            for name, data in messages.items():
                with self.subTest(f"{name} to {path.rsplit('/', 1)[1]}"):
                    status = self.outcome_of(path, data, end=name.startswith("half"))
                    self.assertIn(status, (INVALID, UNIMPLEMENTED, INTERNAL, TOO_LARGE, RESET, 16))
        self.assertLessEqual(self.plane.names("default", "dataplanes"), {"odd"})

    @staticmethod
    def deep():
        value = field(4, 1)
        for _ in range(5000):  # Struct and Value in turn
            value = field(5, field(1, field(1, "x") + field(2, value)))
        return field(1, field(1, "default.deep") + field(3, field(1, field(1, "x") + field(2, value))))

    def test_an_unknown_method_is_unimplemented(self):
        with http2.Connection(SIDECARS) as connection:
            self.assertEqual(connection.grpc("/no.such.Service/Method").outcome()[0], UNIMPLEMENTED)

    def test_answers_that_fit_no_question_do_no_harm(self):
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        envoy = proxy.Envoy("odd", token, dataplane("odd"))
        envoy.until(lambda: envoy.holds(proxy.LISTENER))
        for odd in (field(2, proxy.CLUSTER) + field(6, "a-nonce-of-nobody"), field(2, "type.googleapis.com/no.such.Type"),
                    field(2, proxy.LISTENER) + field(4, "never-asked") * 50, field(1, proxy.node("default", "odd")) + field(2, proxy.CLUSTER)):
            envoy.stream.send_message(odd)
        self.plane.expect("PUT", "/meshes/default/dataplanes/odd", dataplane("odd", port=8099))
        envoy.until(lambda: any("8099" in name for name in envoy.holds(proxy.LISTENER)))
        envoy.stream.send_message(field(1, proxy.node("default", "somebody-else")) + field(2, proxy.CLUSTER))
        while envoy.stream.next_message() is not None:
            pass
        self.assertEqual(envoy.stream.outcome()[0], INVALID, "a stream belongs to one proxy")
        envoy.close()


class Names(Case):
    def test_cannot_forge_lines_of_the_log(self):
        evil = "kv\n2026-11-24T11:24:12.312Z error [cp] forged\x1b[31m\r\0"
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        for document in (dataplane(evil), None):
            answer = proxy.bootstrap("default", evil, token, document)
            self.assertIn(answer.status, (404, 422), answer.text)
        for path in Protobuf.STREAMS:
            with http2.Connection(SIDECARS) as connection:
                stream = connection.grpc(path, token)
                stream.send_message(proxy.first_message(path, "default", evil, dataplane(evil)))
                self.assertEqual(stream.outcome()[0], INVALID)
        envoy = proxy.Envoy("kv-1", token, dataplane("kv-1"))
        envoy.refuse[proxy.LISTENER] = evil
        envoy.until(lambda: "forged" in self.plane.program.log())
        envoy.close()
        for line in self.plane.program.log().splitlines():
            self.assertFalse("forged" in line and line.startswith("2026-11-24T11:24:12"), line)
            self.assertNotIn("\x1b", line)


class Http2(Case):
    def spoken(self, data, port=SIDECARS):
        """What comes back when this follows a good beginning: the code of the GOAWAY, "reset" for a connection that is torn."""
        try:
            with http2.Connection(port, timeout=15) as connection:
                connection.send(data)
                while connection.goaway is None:
                    connection.step()
                return connection.goaway
        except (ConnectionError, ssl.SSLError, BrokenPipeError):
            return RESET

    def test_frames_that_are_wrong_end_the_connection(self):
        head = http2.write_headers([(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "localhost")])
        wrong = {
            "noise": b"\xff" * 9 + http2.noise(3000),
            "a frame that is too large": b"\xff\xff\xff" + frame(0, 0, 1)[3:] + b"x" * 70_000,
            "data on stream 0": frame(http2.DATA, 0, 0, b"x"),
            "headers on an even stream": frame(http2.HEADERS, 5, 2, head),
            "settings of odd size": frame(http2.SETTINGS, 0, 0, b"12345"),
            "a window beyond its limit": frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fffffff)) * 2,
            "a push of the client's": frame(http2.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + head),
            "headers that cannot be read": frame(http2.HEADERS, 5, 1, b"\xff" * 200),
            "a continuation of nothing": frame(http2.CONTINUATION, 4, 1, head),
            "headers that never end": frame(http2.HEADERS, 0, 1, head) + frame(http2.CONTINUATION, 0, 1, b"\0\1a\1b" * 4000) * 400,
        }
        for port in (SIDECARS, API_TLS):
            for name, data in wrong.items():
                with self.subTest(f"{name} at {port}"):
                    self.assertNotEqual(self.spoken(data, port), 0)

    def test_floods_end_the_connection_or_are_borne(self):
        head = http2.write_headers([(":method", "POST"), (":scheme", "https"), (":path", "/bootstrap"), (":authority", "localhost")])
        floods = {
            "settings": frame(http2.SETTINGS, 0, 0) * 50_000,
            "pings": frame(http2.PING, 0, 0, bytes(8)) * 50_000,
            "streams that are opened and reset": b"".join(
                frame(http2.HEADERS, 4, n, head) + frame(http2.RST_STREAM, 0, n, bytes(4)) for n in range(1, 20_001, 2)),
            "empty data": frame(http2.HEADERS, 4, 1, head) + frame(http2.DATA, 0, 1) * 50_000,
            "more streams than allowed": b"".join(frame(http2.HEADERS, 4, n, head) for n in range(1, 4001, 2)),
        }
        for port in (SIDECARS, API_TLS):
            for name, data in floods.items():
                with self.subTest(f"{name} at {port}"):
                    try:
                        with http2.Connection(port, timeout=15) as connection:
                            connection.send(data)  # answers are not read
                    except (OSError, ssl.SSLError):
                        pass
                    self.assert_well()

    def test_a_large_header_is_refused(self):
        with http2.Connection(SIDECARS) as connection:
            try:
                big = [(f"x-{number}", "y" * 8000) for number in range(40)]
                head = http2.write_headers([(":method", "POST"), (":scheme", "https"), (":path", "/bootstrap"),
                                            (":authority", "localhost"), *big])
                first, *rest = [head[at:at + 16384] for at in range(0, len(head), 16384)]
                stream = http2.Stream(connection, 1)
                connection.streams[1] = stream
                connection.send(frame(http2.HEADERS, 1, 1, first))
                for at, part in enumerate(rest):
                    connection.send(frame(http2.CONTINUATION, 4 if at == len(rest) - 1 else 0, 1, part))
                while not stream.is_ended and connection.goaway is None:
                    connection.step()
                self.assertIn(stream.headers.get(":status", "reset"), ("431", "reset"))
            except (ConnectionError, ssl.SSLError):
                pass


class Hoarders(Case):
    """Who has no token cannot make it hold much for them."""

    def hoard(self, opened, amount):
        """Many streams on one connection, each fed as far as it is let."""
        connection = http2.Connection(SIDECARS)
        streams = [opened(connection) for _ in range(90)]
        try:
            for _ in range(amount // 16384):
                for stream in streams:
                    if not stream.is_ended:
                        stream.send(b"x" * 16384)
            connection.socket.settimeout(0.2)
            while True:
                connection.step()
        except (OSError, ssl.SSLError):
            pass  # its end, or nothing more to read
        return connection

    def test_large_requests_and_messages_that_never_end(self):
        def message(connection):
            stream = connection.grpc(proxy.DELTA, "x")
            stream.send(b"\0" + struct.pack(">I", 4_000_000))
            return stream

        def body(connection):
            return connection.open([(":method", "POST"), (":scheme", "https"), (":path", "/bootstrap"), (":authority", "localhost"),
                                    ("content-type", "application/json")])
        held = [self.hoard(opened, 800_000) for opened in (message, body) for _ in range(2)]
        self.assert_well(at_most_mb=400)
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        self.assertEqual(proxy.bootstrap("default", "honest", token, dataplane("honest")).status, 200)
        for connection in held:
            connection.close()


class FewDescriptors(Case):
    prefix = ["prlimit", "--nofile=400:400", "--"]

    def test_half_open_connections_beyond_them_do_not_starve_real_ones(self):
        held = []
        for _ in range(1000):
            it = socket.create_connection(("127.0.0.1", SIDECARS), timeout=10)
            it.sendall(Tls.HELLO)
            held.append(it)
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        started = lab.time.monotonic()
        answer = proxy.bootstrap("default", "real", token, dataplane("real"))
        self.assertEqual(answer.status, 200, answer.text)
        self.assertLess(lab.time.monotonic() - started, 5)
        for it in held:
            it.close()
        self.assertLess(self.plane.program.log().count("cannot accept connections"), 5, "it does not flood its log")


class Tls(Case):
    prefix = ["prlimit", "--nofile=1024:4096", "--"]  # as most systems start a program
    HELLO = bytes.fromhex("16030100fa010000f60303") + bytes(32)  # the beginning of a ClientHello

    def test_garbage_is_hung_up_on(self):
        for port in (SIDECARS, API_TLS):
            for name, data in {"noise": http2.noise(4096), "zeroes": bytes(4096), "half a greeting": self.HELLO,
                               "a greeting of noise": self.HELLO + http2.noise(215), "records of nothing": b"\x16\x03\x01\0\0" * 1000,
                               "a record that is too large": b"\x16\x03\x01\xff\xff" + bytes(70_000),
                               "an alert": b"\x15\x03\x01\0\2\2\x28", "SSLv2": bytes.fromhex("802e0100020015000000100100800700c0") + bytes(40)}.items():
                with self.subTest(f"{name} at {port}"):
                    self.assertNotIn(b"\x17\x03", plane.exchange(port, False, data)[:2], "no data of an application")

    def test_plain_http_is_told_what_the_port_speaks(self):
        for port in (SIDECARS, API_TLS):
            answer = plane.exchange(port, False, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            self.assertRegex(answer, rb"^HTTP/1.1 400 ")
            self.assertIn(b"HTTPS", answer.upper())

    def test_a_greeting_to_a_plain_port_is_hung_up_on(self):
        for port in (DIAGNOSTICS, API):
            with self.subTest(port), self.assertRaises((ssl.SSLError, ConnectionError)):
                plane.connect(port, tls=True)

    def test_a_thousand_half_open_connections_do_not_starve_real_ones(self):
        held = []
        for number in range(1000):
            it = socket.create_connection(("127.0.0.1", SIDECARS), timeout=10)
            it.sendall(self.HELLO[:number % len(self.HELLO)])
            held.append(it)
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        started = lab.time.monotonic()
        answer = proxy.bootstrap("default", "real", token, dataplane("real"))
        self.assertEqual(answer.status, 200, answer.text)
        envoy = proxy.Envoy("real", token, dataplane("real"))
        envoy.until(lambda: envoy.holds(proxy.LISTENER))
        self.assertLess(lab.time.monotonic() - started, 3)
        envoy.close()
        self.assert_well()
        for it in held:
            it.close()


class Sidecar(plane.Case):
    """9902, while the sidecar waits for a control plane that is not there."""

    environment = None

    def test_garbage_at_the_readiness_port_does_no_harm(self):
        document = self.directory / "dataplane.yaml"
        document.write_text(json.dumps(dataplane("kv-1")))
        token = self.directory / "token"
        token.write_text("eyJhbGciOiJSUzI1NiIsImtpZCI6IjEiLCJ0eXAiOiJKV1QifQ.eyJNZXNoIjoiZGVmYXVsdCJ9.c2lnbmF0dXJlLW9mLW5vYm9keQ")
        sidecar = plane.Program("the sidecar", [
            plane.binary("taskmesh-dp"), "run", "--cp-address", "https://127.0.0.1:5678", "--skip-verify", "--dataplane-file", document,
            "--dataplane-token-file", token, "--binary-path", lab.ROOT / ".tools/envoy/envoy", "--work-dir", self.directory],
            self.directory / "dp.log")
        self.addCleanup(sidecar.process.kill)

        def ready():
            return lab.request("GET", "127.0.0.1", 9902, "/ready").status == 503
        lab.wait_for(ready, "the readiness port answers", parts=[sidecar])
        for name, (data, status) in FRAMED.items():
            with self.subTest(name):
                answer = plane.exchange(9902, False, data)
                self.assertRegex(answer, rb"^HTTP/1.[01] [45]|^HTTP/1.1 200|^$")
        held = [plane.connect(9902) for _ in range(200)]
        self.assertTrue(ready())
        for it in held:
            it.close()
        self.assertIsNone(sidecar.exit_code)
        self.assertLess(sidecar.memory_mb(), 20)
        self.assertNotIn(token.read_text(), sidecar.log())
        self.assertEqual(sidecar.stop(), 0)


del Case  # not a test of its own
