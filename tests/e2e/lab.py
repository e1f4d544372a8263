"""A small mesh of real parts on one machine: a control plane and tasks, each in a network namespace of its own.

The demo and the end-to-end tests use it. Everything lives in namespaces that belong to this process (`enter`), so that
nothing of it is left when the process ends, however it ends. Nothing here sleeps for a fixed time: `wait_for` looks at
a condition until it holds or its time is over. Python's standard library only.
"""
import base64
import contextlib
import ctypes
import http.client
import itertools
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
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
MESH = "default"


_links = itertools.count(1)


class Failure(Exception):
    """Something did not come as it should. The text is for people."""


# --- namespaces ----------------------------------------------------------------------------------------------------

def enter(kept_fds=()):
    """Runs this program again inside namespaces of its own, and returns there. Descriptors in `kept_fds` are inherited."""
    if os.environ.get("TASKMESH_LAB") == "inside":
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    for tool in ("ip", "unshare", "setpriv"):
        if shutil.which(tool) is None:
            raise Failure(f"the program {tool} is missing (Debian packages iproute2 and util-linux)")
    flags = ["-nm"] if os.geteuid() == 0 else ["-rUnm"]
    tried = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        raise Failure(
            "this needs network namespaces of its own, and the kernel allows them neither to root here nor to an unprivileged user:\n"
            f"  unshare {' '.join(flags)}: {tried.stderr.strip()}\n"
            "Run it as root, outside of a container without CAP_SYS_ADMIN, or allow user namespaces\n"
            "(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0).")
    for fd in kept_fds:
        os.set_inheritable(fd, True)
    os.environ["TASKMESH_LAB"] = "inside"
    os.execvp("unshare", ["unshare", *flags, "--propagation", "private", sys.executable, *sys.argv])


_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(namespace):
    """What this thread opens meanwhile belongs to that namespace."""
    if namespace is None:
        yield
        return
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if _libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        yield
    finally:
        _libc.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


# --- HTTP ----------------------------------------------------------------------------------------------------------

class _Connection(http.client.HTTPConnection):
    """Connects from inside a namespace, or to a Unix socket."""

    def __init__(self, host, port, timeout, namespace=None, unix_socket=None):
        super().__init__(host, port, timeout=timeout)
        self._namespace, self._unix_socket = namespace, unix_socket

    def connect(self):
        if self._unix_socket:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._unix_socket)
            return
        with inside(self._namespace):
            self.sock = socket.socket(socket.AF_INET)
        self.sock.settimeout(self.timeout)
        self.sock.connect((self.host, self.port))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode(errors="replace")


def request(method, host, port, path, body=None, headers=None, namespace=None, unix_socket=None, timeout=10):
    connection = _Connection(host, port, timeout, namespace, unix_socket)
    try:
        payload = json.dumps(body) if isinstance(body, (dict, list)) else body
        sent = {"content-type": "application/json", **(headers or {})} if payload is not None else headers or {}
        connection.request(method, path, payload, sent)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def wait_for(condition, what, timeout=20.0, pause=0.02, parts=()):
    """The first truthy answer of `condition`. An exception counts as "not yet"; a part that died ends it at once."""
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            answer = condition()
            if answer:
                return answer
            last = f"last answer: {answer!r}" if answer is not None else None
        except (OSError, http.client.HTTPException, ValueError, KeyError, IndexError) as problem:
            last = f"{type(problem).__name__}: {problem}"
        for part in parts:
            if not part.is_running:
                raise Failure(f"{what}: {part.name} ended with exit code {part.exit_code}")
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {timeout:g} s" + (f" ({last})" if last else ""))
        time.sleep(pause)


# --- programs ------------------------------------------------------------------------------------------------------

def command_inside(namespace, command, resolv_conf=None):
    """This command in a namespace; with a resolv.conf of its own, if one is given."""
    command = [*map(str, command)]
    if resolv_conf:
        shown = pathlib.Path(os.path.realpath("/etc/resolv.conf"))
        if not shown.exists():  # a link into /run, which is ours
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.touch()
        # `ip netns exec` gives each program mounts of its own.
        command = ["sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", str(resolv_conf), str(shown), *command]
    return ["ip", "netns", "exec", namespace, *command]


class Part:
    """One running program and its log."""

    def __init__(self, lab, name, namespace, command, environment, resolv_conf=None):
        self.name = name
        self.log_path = lab.directory / f"{name}.log"
        self._log = open(self.log_path, "ab")
        # setpriv: it dies with us. A session of its own: Ctrl-C in the terminal is for us alone.
        self.process = subprocess.Popen(
            command_inside(namespace, ["setpriv", "--pdeathsig", "KILL", "--", *command], resolv_conf),
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(lab.directory), **environment})
        lab.parts.append(self)

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def exit_code(self):
        return self.process.poll()

    def signal(self, number):
        if self.is_running:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def wait(self, timeout=35):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {timeout} s") from None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def last_lines(self, count=12):
        return "\n".join(self.log().splitlines()[-count:])

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def child(self, program):
        """The process id of a child whose program's name is this."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == program:
                    return int(pid)
        return None


class Lab:
    """The network, and the programs on it. `stock` names parts ("cp", "dp") that are to be Kuma's own, found in
    TASKMESH_STOCK: that is how interoperation is tried."""

    def __init__(self, binaries, envoy=None, stock=()):
        self.binaries = pathlib.Path(binaries)
        self.envoy = pathlib.Path(envoy or os.environ.get("TASKMESH_ENVOY") or ROOT / ".tools/envoy/envoy")
        self.stock = set(stock)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="taskmesh-lab-"))
        self.parts, self.tasks, self._next_address = [], [], 10
        for program in (self.envoy, self.program("cp"), self.program("dp"), self.binaries / "kv"):
            if not os.access(program, os.X_OK):
                raise Failure(f"{program} is missing; build first (./run build)")
        # With an address of its own: otherwise it changes with each port, and nobody finds the bridge for a while.
        self._run("ip", "link", "add", "mesh0", "address", "02:00:00:00:00:01", "type", "bridge")
        self._run("ip", "addr", "add", "10.77.0.1/24", "dev", "mesh0")
        self._run("ip", "link", "set", "mesh0", "up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for part in self.parts:
            part.signal(signal.SIGKILL)
        for part in self.parts:
            part.process.wait()
        for name in self._namespaces():
            self._run("ip", "netns", "del", name)
        self._run("ip", "link", "del", "mesh0")
        if not os.environ.get("TASKMESH_KEEP_LOGS"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def program(self, which):
        stock = {"cp": "kuma-cp", "dp": "kuma-dp"}
        own = {"cp": "taskmesh-cp", "dp": "taskmesh-dp"}
        return pathlib.Path(os.environ["TASKMESH_STOCK"]) / stock[which] if which in self.stock else self.binaries / own[which]

    @staticmethod
    def _run(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def _namespaces(self):
        return [line.split()[0] for line in self._run("ip", "netns", "list").splitlines()]

    def add_namespace(self, name, address=None):
        if address is None:
            address = f"10.77.0.{self._next_address}"
            self._next_address += 1
        self._run("ip", "netns", "add", name)
        link = f"v{next(_links)}-{name}"[:15]  # never a name again: the kernel takes a link of a gone namespace away later
        self._run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        self._run("ip", "link", "set", link, "master", "mesh0", "up")
        for command in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up", "route add default via 10.77.0.1"):
            self._run("ip", "-n", name, *command.split())
        return address

    def problem_report(self):
        report = []
        for part in self.parts:
            state = "runs" if part.is_running else f"ended with exit code {part.exit_code}"
            report.append(f"--- {part.name} ({state})\n{part.last_lines()}")
        return "\n".join(report)


# Of a control plane whose sidecars listen for every service: addresses that are in every task, and names for them.
NAMES_ON_LOOPBACK = {
    "KUMA_DNS_SERVER_CIDR": "127.1.0.0/16",
    "KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR": "127.2.0.0/16",
    "KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR": "127.3.0.0/16",
    "KUMA_IPAM_MESH_SERVICE_CIDR": "127.4.0.0/16",
    "KUMA_DNS_SERVER_SERVICE_VIP_PORT": "8080",
    "KUMA_DNS_SERVER_DOMAIN": "mesh.local",
}


class ControlPlane:
    """A control plane at 10.77.0.2 with its store in a directory, so that it can be killed and come back. Others may
    stand beside it, with names and addresses of their own."""

    def __init__(self, lab, environment=None, name="cp", address="10.77.0.2"):
        self.lab, self.environment, self.name, self.address = lab, environment or {}, name, address
        lab.add_namespace(name, address)
        self.state = lab.directory / name
        self.state.mkdir()
        self.ca_file = self.state / "seen-ca.pem"
        self.part = None

    def start(self):
        label = "control-plane" if self.name == "cp" else f"control-plane-{self.name}"
        number = sum(part.name.startswith(label) for part in self.lab.parts)
        environment = {"KUMA_GENERAL_WORK_DIR": str(self.state), "KUMA_MODE": "zone", "KUMA_ENVIRONMENT": "universal", **self.environment}
        command = [self.lab.program("cp"), "run", "--log-level", os.environ.get("TASKMESH_LOG_LEVEL", "info")]
        self.part = Part(self.lab, label + (f"-{number + 1}" if number else ""), self.name, command, environment)
        return self

    def wait_until_ready(self, timeout=30):
        wait_for(lambda: self.diagnostics("/ready").status == 200, "the control plane is ready", timeout, parts=[self.part])
        if not self.ca_file.exists():
            with inside(self.name):
                pem = wait_for(lambda: ssl.get_server_certificate((self.address, 5678)), "the data plane port shows its certificate",
                               timeout, parts=[self.part])
            self.ca_file.write_text(pem)
        wait_for(lambda: self.api("GET", f"/meshes/{MESH}").status == 200, "the default mesh is there", timeout, parts=[self.part])
        return self

    def kill(self):
        self.part.kill()

    def diagnostics(self, path):
        return request("GET", "127.0.0.1", 5680, path, namespace=self.name, timeout=5)

    def api(self, method, path, body=None, timeout=10):
        """As the administrator: from loopback."""
        return request(method, "127.0.0.1", 5681, path, body, namespace=self.name, timeout=timeout)

    def expect(self, method, path, body=None):
        answer = self.api(method, path, body)
        if answer.status // 100 != 2:
            raise Failure(f"{method} {path}: status {answer.status}: {answer.text}")
        return answer

    def enable_mtls(self):
        backend = {"name": "ca-1", "type": "builtin"}
        self.expect("PUT", f"/meshes/{MESH}",
                    {"type": "Mesh", "name": MESH, "mtls": {"enabledBackend": "ca-1", "backends": [backend]}})

    def permit(self, source, target):
        self.expect("PUT", f"/meshes/{MESH}/meshtrafficpermissions/{source}-to-{target}",
                    {"type": "MeshTrafficPermission", "mesh": MESH, "name": f"{source}-to-{target}",
                     "spec": {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": target}},
                              "from": [{"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": source}},
                                        "default": {"action": "Allow"}}]}})

    def forbid(self, source, target):
        self.expect("DELETE", f"/meshes/{MESH}/meshtrafficpermissions/{source}-to-{target}")

    def token(self, service, name=None):
        asked = {"mesh": MESH, "tags": {"kuma.io/service": [service]}, "validFor": "24h"}
        if name:
            asked["name"] = name
        # The mesh's signing key may come a moment after the mesh.
        return wait_for(lambda: (answer := self.api("POST", "/tokens/dataplane", asked)).status == 200 and answer.text.strip(),
                        f"a token for {service}")

    def overview(self, name):
        return self.api("GET", f"/meshes/{MESH}/dataplanes/{name}/_overview").json()


class Task:
    """What ECS would run as one task: an application, the sidecar manager and Envoy, with an address of their own."""

    def __init__(self, lab, control_plane, service, name):
        self.lab, self.control_plane, self.service, self.name = lab, control_plane, service, name
        self.directory = lab.directory / name
        self.directory.mkdir()
        self.address = lab.add_namespace(name)
        self.app = self.sidecar = None
        self.resolv_conf = None  # of its programs: else that of this machine
        lab.tasks.append(self)

    def start(self, token="fetch", extra=(), environment=None):
        self.start_app()
        return self.start_sidecar(token, extra, environment)

    def start_app(self, environment=None):
        self.app = Part(self.lab, f"{self.name}-app", self.name, [self.lab.binaries / self.service],
                        {"INSTANCE": self.name, "KV_URL": "http://127.0.0.1:6050", **(environment or {})}, self.resolv_conf)
        return self

    def start_sidecar(self, token="fetch", extra=(), environment=None, template=None):
        if token == "fetch":
            token = self.control_plane.token(self.service)
        template = template or ROOT / f"examples/counter/dataplane-{self.service}.yaml"
        variables = {"mesh": MESH, "name": self.name, "address": self.address}
        command = [self.lab.program("dp"), "run", "--cp-address", f"https://{self.control_plane.address}:5678",
                   "--ca-cert-file", self.control_plane.ca_file, "--dataplane-file", template,
                   "--binary-path", self.lab.envoy, "--work-dir", self.directory, "--concurrency", "1",
                   "--log-level", os.environ.get("TASKMESH_LOG_LEVEL", "info")]
        if "dp" in self.lab.stock:
            command.append("--dns-enabled=false")
        for key, value in variables.items():
            command += ["--dataplane-var", f"{key}={value}"]
        if token:
            token_file = self.directory / "token"
            token_file.write_text(token)
            command += ["--dataplane-token-file", token_file]
        number = sum(part.name.startswith(f"{self.name}-sidecar") for part in self.lab.parts)
        self.sidecar = Part(self.lab, f"{self.name}-sidecar" + (f"-{number + 1}" if number else ""), self.name,
                            [*command, *extra], environment or {}, self.resolv_conf)
        return self

    def wait_until_ready(self, timeout=30):
        wait_for(lambda: self.readiness().status == 200, f"{self.name} is ready", timeout, parts=[self.sidecar, self.app])
        return self

    def readiness(self):
        return request("GET", "127.0.0.1", 9902, "/ready", namespace=self.name, timeout=3)

    def admin(self, path, method="GET"):
        """Envoy's own admin interface."""
        return request(method, "localhost", 80, path, unix_socket=str(self.directory / "kuma-envoy-admin.sock"), timeout=5)

    def get(self, port, path, method="GET", timeout=20):
        """From inside the task, as its application would."""
        return request(method, "127.0.0.1", port, path, namespace=self.name, timeout=timeout)

    def stat(self, name):
        """One of Envoy's counters or gauges; 0 when it has none of that name."""
        answer = self.admin("/stats?filter=%5E" + name.replace(".", "%5C.") + "%24").text
        return int(answer.rsplit(":", 1)[1]) if ":" in answer else 0

    def counter(self, method="GET", timeout=20):
        """The counter's API, asked as a browser would."""
        return self.get(5000, "/api/counter", method, timeout)

    def use_resolver(self, address):
        """From now on its programs ask this DNS server, and no other."""
        self.resolv_conf = self.directory / "resolv.conf"
        self.resolv_conf.write_text(f"nameserver {address}\n")
        return self

    def look_up(self, name):
        """The IPv4 address of a name, as a program in the task finds it; None when it finds none."""
        program = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80, socket.AF_INET)[0][4][0])"
        done = subprocess.run(command_inside(self.name, [sys.executable, "-c", program, name], self.resolv_conf),
                              capture_output=True, text=True, timeout=60)
        return done.stdout.strip() or None

    def envoy_pid(self):
        return self.sidecar.child("envoy")

    def stop(self):
        """As ECS stops a task: SIGTERM to all, SIGKILL 30 s later."""
        self.sidecar.signal(signal.SIGTERM)
        self.app.signal(signal.SIGTERM)

    def kill(self):
        """As a machine that goes away: nobody says goodbye."""
        envoy = self.envoy_pid()
        for pid in filter(None, (envoy, self.sidecar.process.pid, self.app.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for part in (self.sidecar, self.app):
            part.process.wait()


class Traffic:
    """Asks without a pause from a thread of its own, and counts what came back."""

    def __init__(self, ask, threads=2):
        self._ask, self._stop = ask, threading.Event()
        self._lock = threading.Lock()
        self.total, self.failures, self.instances = 0, [], {}
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self

    def _run(self):
        while not self._stop.is_set():
            failure = instance = None
            try:
                answer = self._ask()
                if answer.status == 200:
                    instance = answer.json().get("instance")
                else:
                    failure = f"{answer.status} {answer.text.strip()[:200]}"
            except (OSError, http.client.HTTPException, ValueError) as problem:
                failure = f"{type(problem).__name__}: {problem}"
            with self._lock:
                self.total += 1
                if failure:
                    self.failures.append((time.monotonic(), failure))
                self.instances[instance] = self.instances.get(instance, 0) + 1

    def more(self, count, timeout=20):
        """Waits until this many further requests were answered."""
        goal = self.total + count
        wait_for(lambda: self.total >= goal, f"{count} more requests", timeout)
        return self


def read_secret(control_plane, path):
    return base64.b64decode(control_plane.expect("GET", path).json()["data"]).decode()
