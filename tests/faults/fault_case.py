"""What the tests of faults share: two control planes on one database, sidecars at both, and what must hold after a fault."""
import base64
import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
import urllib.parse

import database
import lab
from mesh_case import MeshCase

HOST = "db.mesh.test"
PATIENCE = 90  # seconds, on a machine that is busy with other things


class Writes:
    """Writes one thing after the other through one control plane, and remembers what was acknowledged."""

    def __init__(self, plane, prefix):
        self.plane, self.prefix, self.payload = plane, prefix, 16
        self.acknowledged, self.acknowledged_at, self.refusals = [], [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        number = 0
        while not self._stop.wait(0.02):
            number += 1
            name = f"{self.prefix}-{number}"
            data = base64.b64encode(os.urandom(self.payload)).decode()
            try:
                answer = self.plane.api("PUT", f"/global-secrets/{name}", {"type": "GlobalSecret", "name": name, "data": data}, timeout=60)
            except (OSError, http.client.HTTPException) as problem:
                self.refusals.append((0, str(problem)))
                continue
            if answer.status // 100 == 2:
                self.acknowledged.append(name)
                self.acknowledged_at.append(time.monotonic())
            else:
                self.refusals.append((answer.status, answer.text))

    def first_after(self, moment):
        return next((at for at in self.acknowledged_at if at > moment), None)

    def more(self, count, what):
        goal = len(self.acknowledged) + count
        lab.wait_for(lambda: len(self.acknowledged) >= goal, f"{self.plane.name}: {count} writes more {what}", PATIENCE)

    def wait_until_refused(self, *words):
        """In words that say why: one of these is among them."""
        seen = len(self.refusals)

        def refused():
            for status, text in self.refusals[seen:]:
                if status == 503 and any(word in text for word in words):
                    return text
            return None
        try:
            return lab.wait_for(refused, f"{self.plane.name} refuses writes and says: {words}", PATIENCE)
        except lab.Failure as problem:
            raise lab.Failure(f"{problem}; it said {self.refusals[seen:][-3:]}") from None


class Fault:
    def __init__(self, name, writes, traffic):
        self.name, self.writes, self.traffic, self.over_at, self.notes = name, writes, traffic, None, []

    def is_over(self):
        self.over_at = time.monotonic()


class FaultCase(MeshCase):
    megabytes = None  # of the server's disk

    # ---- what there is

    @classmethod
    def build(cls):
        cls.lab.directory.chmod(0o755)
        cls.names = database.Names(cls.lab)
        cls.authority = database.Authority(cls.lab.directory, "authority")
        cls.trusted = cls.lab.directory / "trusted.pem"
        cls.trusted.write_text(cls.authority.certificate.read_text())
        cls.password = cls.lab.directory / "password"
        cls.password.write_text("first\n")
        environment = {
            "KUMA_STORE_TYPE": "postgres", "KUMA_STORE_POSTGRES_PORT": str(database.PORT),
            "KUMA_STORE_POSTGRES_USER": "mesh", "KUMA_STORE_POSTGRES_DB_NAME": "mesh", "KUMA_STORE_POSTGRES_PASSWORD_FILE": str(cls.password),
            "KUMA_STORE_POSTGRES_TLS_MODE": "verifyFull", "KUMA_STORE_POSTGRES_TLS_CA_PATH": str(cls.trusted), **cls.make_servers()}
        cls.planes = [lab.ControlPlane(cls.lab, environment, *place) for place in (("cp", "10.77.0.2"), ("cp2", "10.77.0.3"))]
        cls.one, cls.two = cls.control_plane, _ = cls.planes
        migrated = subprocess.run(["ip", "netns", "exec", "cp", cls.lab.program("cp"), "migrate", "up"], env=environment, capture_output=True, text=True)
        if migrated.returncode != 0:
            raise lab.Failure(f"migrate up: {migrated.stderr}")
        for plane in cls.planes:
            plane.start()
        for plane in cls.planes:
            plane.wait_until_ready(PATIENCE)
        cls.one.enable_mtls()
        cls.one.permit("demo-app", "kv")
        cls.kv = [lab.Task(cls.lab, plane, "kv", f"kv-{number}").start() for number, plane in enumerate(cls.planes, 1)]
        cls.app = lab.Task(cls.lab, cls.two, "demo-app", "demo-app-1").start()
        cls.tasks = [*cls.kv, cls.app]
        for task in cls.tasks:
            task.wait_until_ready(PATIENCE)
        lab.wait_for(lambda: cls.instances() == {"kv-1", "kv-2"}, "kv of both control planes answers", PATIENCE)

    @classmethod
    def make_servers(cls):
        """Returns the settings of the control planes that say where they are."""
        cls.server = cls.new_server("db", "10.77.0.50", HOST).make("first")
        return {"KUMA_STORE_POSTGRES_HOST": HOST}

    @classmethod
    def new_server(cls, name, address, host):
        cls.names.set(host, address)
        server = database.Server(cls.lab, name, address, cls.authority.issue(host), cls.megabytes)
        cls.addClassCleanup(server.close)
        return server

    @classmethod
    def instances(cls):
        answers = [cls.app.counter() for _ in range(10)]
        return {answer.json().get("instance") for answer in answers if answer.status == 200}

    def leader(self):
        """The one that says so, and the other one."""
        def find():
            leading = [plane for plane in self.planes if "leads" in plane.part.log() and
                       plane.part.log().rfind("leads now") > plane.part.log().rfind("leads no more")]
            return leading[0] if len(leading) == 1 else None
        leads = lab.wait_for(find, "one of them leads", PATIENCE)
        return leads, next(plane for plane in self.planes if plane is not leads)

    # ---- a fault, and what must hold afterwards

    @contextlib.contextmanager
    def fault(self, name, payload=16):
        """Inside of it something happens, and is over when is_over() was called."""
        slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
        traffic = lab.Traffic(self.ask, threads=1)
        writes = [Writes(plane, f"{slug}-{plane.name}") for plane in self.planes]
        fault = Fault(name, writes, traffic)
        try:
            with traffic:
                for each in writes:
                    each.more(5, "before")
                    each.payload = payload
                traffic.more(10, PATIENCE)
                yield fault
                for each in writes:
                    each.payload = 16
                    lab.wait_for(lambda: each.first_after(fault.over_at), f"{each.plane.name} takes writes again", PATIENCE, parts=[each.plane.part])
                    each.more(5, "afterwards")
                traffic.more(20, PATIENCE)
        finally:
            for each in writes:
                each.stop()
        self.assert_nothing_lost(traffic)
        self.assert_acknowledged_is_there(writes)
        arrived = self.changes_arrive()
        self.assert_nothing_was_taken_away()
        self.report(fault, arrived)

    def ask(self):
        time.sleep(0.02)  # so that asking is not all that this machine does
        return self.app.counter()

    def names_at(self, plane, prefix):
        found, path = set(), f"/global-secrets?size=500&name={urllib.parse.quote(prefix)}"
        while path:
            page = lab.wait_for(lambda: (answer := plane.api("GET", path, timeout=60)).status == 200 and answer, f"{plane.name} lists", PATIENCE).json()
            found |= {item["name"] for item in page["items"]}
            following = urllib.parse.urlsplit(page.get("next") or "")
            path = f"{following.path}?{following.query}" if following.query else None
        return found

    def assert_acknowledged_is_there(self, writes):
        for each in writes:
            for plane in self.planes:
                missing = set(each.acknowledged) - self.names_at(plane, each.prefix)
                self.assertEqual(missing, set(), f"acknowledged by {each.plane.name}, and not at {plane.name}")

    def assert_nothing_was_taken_away(self):
        for plane in self.planes:
            self.assertNotIn("its proxy is gone", plane.part.log())
        for task in self.tasks:
            for name in ("cluster_manager.cluster_removed", "listener_manager.listener_removed"):
                self.assertEqual(task.stat(name), 0, f"{name} of {task.name}")

    def changes_arrive(self):
        """At the proxies of both. Returns when all of them had the first."""
        self.one.forbid("demo-app", "kv")
        lab.wait_for(lambda: all(self.app.counter().status == 403 for _ in range(6)), "a change arrives at the proxies of both", PATIENCE)
        arrived = time.monotonic()
        self.two.permit("demo-app", "kv")
        lab.wait_for(lambda: self.instances() == {"kv-1", "kv-2"}, "the next one, too", PATIENCE)
        return arrived

    def report(self, fault, arrived):
        recovered = [each.first_after(fault.over_at) - fault.over_at for each in fault.writes]
        line = (f"{fault.name}: writes again after {recovered[0]:.2f} s and {recovered[1]:.2f} s; {sum(len(each.acknowledged) for each in fault.writes)} "
                f"acknowledged, none lost; {sum(len(each.refusals) for each in fault.writes)} refused; {fault.traffic.total} requests, none failed"
                + "".join(f"; {note}" for note in fault.notes))
        print(f"\n  {line}", file=sys.stderr)
        if path := os.environ.get("TASKMESH_FAULT_REPORT"):
            with open(path, "a") as report:
                report.write(line + "\n")
