"""One control plane on the loopback of a network of our own, at its usual ports, and what is expected of it in trouble."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import lab  # noqa: E402

SIDECARS, DIAGNOSTICS, API, API_TLS = 5678, 5680, 5681, 5682
JSON = {"content-type": "application/json"}


def binary(name):
    return pathlib.Path(os.environ["TASKMESH_BINARIES"]) / name


class Program:
    """Something that runs, with what it said."""

    def __init__(self, name, command, log_path, environment=None):
        self.name, self.log_path = name, pathlib.Path(log_path)
        self._log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)], stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=subprocess.STDOUT, env={"PATH": "/usr/bin:/bin", "HOME": str(self.log_path.parent), **(environment or {})})

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def exit_code(self):
        return self.process.poll()

    def wait(self, timeout=20):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise lab.Failure(f"{self.name} did not end within {timeout} s; it said:\n{self.log()}") from None

    def stop(self, number=signal.SIGTERM):
        if self.is_running:
            self.process.send_signal(number)
        return self.wait()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024


class Plane:
    def __init__(self, directory, environment=None, prefix=()):
        self.prefix = prefix
        self.directory = pathlib.Path(directory)
        self.state = self.directory / "state"
        self.environment = {"KUMA_GENERAL_WORK_DIR": str(self.state), **(environment or {})}
        self.program, self.starts = None, 0

    def launch(self, *arguments, **environment):
        self.starts += 1
        self.program = Program("the control plane", [*self.prefix, binary("taskmesh-cp"), "run", "--log-level", "debug", *arguments],
                               self.directory / f"cp-{self.starts}.log", {**self.environment, **environment})
        return self.program

    def start(self, *arguments, **environment):
        self.launch(*arguments, **environment)
        lab.wait_for(lambda: lab.request("GET", "127.0.0.1", DIAGNOSTICS, "/ready").status == 200, "the control plane is ready",
                     parts=[self.program], timeout=40)
        return self

    def stop(self):
        self.program.stop()

    def kill(self):
        self.program.stop(signal.SIGKILL)

    def api(self, method, path, body=None, headers=None, timeout=20):
        return lab.request(method, "127.0.0.1", API, path, body, headers, timeout=timeout)

    def expect(self, method, path, body=None):
        answer = self.api(method, path, body)
        if answer.status // 100 != 2:
            raise lab.Failure(f"{method} {path}: status {answer.status}: {answer.text}")
        return answer

    def token(self, mesh="default", **claims):
        return self.expect("POST", "/tokens/dataplane", {"mesh": mesh, "validFor": "24h", **claims}).text.strip()

    def secret(self, path):
        return lab.base64.b64decode(self.expect("GET", path).json()["data"]).decode()

    def put_secret(self, mesh, name, text):
        self.expect("PUT", f"/meshes/{mesh}/secrets/{name}",
                    {"type": "Secret", "mesh": mesh, "name": name, "data": lab.base64.b64encode(text.encode()).decode()})

    def names(self, mesh, path):
        return {item["name"] for item in self.expect("GET", f"/meshes/{mesh}/{path}?size=1000").json()["items"]}

    def logs(self):
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("cp-*.log")))


def dataplane(name, service="kv", mesh="default", port=8080, address="127.0.0.1", **tags):
    return {"type": "Dataplane", "mesh": mesh, "name": name,
            "networking": {"address": address, "inbound": [{"port": port, "tags": {"kuma.io/service": service, **tags}}]}}


class Case(unittest.TestCase):
    """A folder per class; a control plane when `environment` is not None."""

    environment = {}
    prefix = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="taskmesh-trouble-"))
        if not os.environ.get("TASKMESH_KEEP_LOGS"):
            cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.plane = Plane(cls.directory, cls.environment, cls.prefix)
        if cls.environment is not None:
            cls.plane.start()
            cls.addClassCleanup(lambda: cls.plane.kill())

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before and self.plane.program:
            said = "\n".join(self.plane.program.log().splitlines()[-15:])
            print(f"\n{self.id()} failed; the control plane said last:\n{said[-6000:]}", file=sys.stderr)

    def assert_well(self, at_most_mb=150):
        """Alive, of sane size, and every port serves."""
        program = self.plane.program
        self.assertTrue(program.is_running, f"ended with {program.exit_code}")
        self.assertLess(program.memory_mb(), at_most_mb)
        self.assertEqual(lab.request("GET", "127.0.0.1", DIAGNOSTICS, "/healthy").status, 200)
        self.assertEqual(self.plane.api("GET", "/meshes/default").status, 200)
        self.assertEqual(https("GET", API_TLS, "/meshes/default").status, 200)
        self.assertEqual(https("POST", SIDECARS, "/bootstrap", b"{}", JSON).status // 100, 4)

    def assert_in(self, words, text):
        for word in words:
            self.assertIn(word, text)


def https(method, port, path, body=None, headers=None, timeout=20):
    connection = lab.http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=_trusting)
    with contextlib.closing(connection):
        payload = json.dumps(body) if isinstance(body, (dict, list)) else body
        connection.request(method, path, payload, headers or {})
        response = connection.getresponse()
        return lab.Answer(response.status, dict(response.getheaders()), response.read())


def _trusting_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_trusting = _trusting_context()


def connect(port, tls=False, timeout=15):
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return _trusting.wrap_socket(plain) if tls else plain


def exchange(port, tls, data, wait=True):
    """Sends bytes, says that no more come (where that can be said), and reads until the other side ends. What came back; b"" also
    for a reset. Without `wait` it goes away at once."""
    got = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError, BrokenPipeError), connect(port, tls) as it:
        it.sendall(data)
        if not wait:
            return got
        if not tls:
            with contextlib.suppress(OSError):  # it may have hung up already
                it.shutdown(socket.SHUT_WR)
        while chunk := it.recv(65536):
            got += chunk
    return got
