"""Two control planes on one PostgreSQL database, each with proxies of its own."""
import contextlib
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import threading

import lab
from mesh_case import MeshCase

ADDRESS, PORT = "10.77.0.1", 15432


class Database:
    """A server of Debian's package, with its data in the lab's directory."""

    def __init__(self, lab_):
        self.lab = lab_
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            raise lab.Failure("there is no PostgreSQL server here; install the package \"postgresql\"")
        if os.geteuid() != 0 or not self.may_change_user():
            raise lab.Failure("PostgreSQL refuses to run as root, so this must be run by one who may become its user")
        self.programs = programs[-1]
        self.directory = lab_.directory / "database"
        self.directory.mkdir()
        user = pwd.getpwnam("postgres")
        lab_.directory.chmod(0o755)
        os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.command("initdb", "-D", self.directory / "data", "-U", "mesh", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with open(self.directory / "data/pg_hba.conf", "a") as rules:
            rules.write("host all all 10.77.0.0/24 trust\n")
        self.start()
        self.command("createdb", "-h", ADDRESS, "-p", PORT, "-U", "mesh", "mesh")

    @staticmethod
    def may_change_user():
        return subprocess.run(["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "true"],
                              capture_output=True).returncode == 0

    def as_user(self, program, *arguments):
        return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--pdeathsig", "QUIT", "--",
                str(self.programs / program), *map(str, arguments)]

    def command(self, program, *arguments):
        done = subprocess.run(self.as_user(program, *arguments), capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise lab.Failure(f"{program}: {done.stderr.strip()}")
        return done.stdout.strip()

    def start(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            self.as_user("postgres", "-D", self.directory / "data", "-p", PORT, "-k", self.directory, "-c",
                         f"listen_addresses={ADDRESS}", "-c", "fsync=off"), stdout=log, stderr=log, cwd="/")
        lab.wait_for(lambda: subprocess.run(self.as_user("pg_isready", "-q", "-h", ADDRESS, "-p", PORT)).returncode == 0,
                     "the database is ready")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, sql):
        return self.command("psql", "-h", ADDRESS, "-p", PORT, "-U", "mesh", "-Atc", sql, "mesh")


def shared_certificate(lab_, *addresses):
    """One for the sidecars' port of all instances."""
    certificate, key = lab_.directory / "shared.crt", lab_.directory / "shared.key"
    names = ",".join(f"IP:{address}" for address in addresses)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=control-plane", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


class SharedDatabase(MeshCase):
    @classmethod
    def start_both(cls, common=None, of_two=None):
        cls.database = Database(cls.lab)
        cls.addClassCleanup(cls.database.kill)
        environment = {"KUMA_STORE_TYPE": "postgres", "KUMA_STORE_POSTGRES_HOST": ADDRESS, "KUMA_STORE_POSTGRES_PORT": str(PORT),
                       "KUMA_STORE_POSTGRES_USER": "mesh", "KUMA_STORE_POSTGRES_DB_NAME": "mesh"}
        migrated = subprocess.run([cls.lab.program("cp"), "migrate", "up"], env=environment, capture_output=True, text=True)
        if migrated.returncode != 0:
            raise lab.Failure(f"migrate up: {migrated.stderr}")
        environment |= common or {}
        cls.one = lab.ControlPlane(cls.lab, environment).start()
        cls.two = lab.ControlPlane(cls.lab, environment | (of_two or {}), "cp2", "10.77.0.3").start()
        cls.control_plane = cls.two
        for control_plane in (cls.one, cls.two):
            control_plane.wait_until_ready()
        cls.one.enable_mtls()
        cls.one.permit("demo-app", "kv")

    def wait_for_both(self):
        lab.wait_for(lambda: self.instances_in(10) == {"kv-1", "kv-2"}, "kv of both control planes answers")


class TwoControlPlanes(SharedDatabase):
    @classmethod
    def build(cls):
        cls.start_both()
        cls.kv = [lab.Task(cls.lab, cls.one, "kv", "kv-1").start(), lab.Task(cls.lab, cls.two, "kv", "kv-2").start()]
        cls.app = lab.Task(cls.lab, cls.two, "demo-app", "demo-app-1").start()
        for task in (*cls.kv, cls.app):
            task.wait_until_ready()
        cls.wait_for_traffic()

    def test_1_a_proxy_of_one_is_an_endpoint_at_the_other(self):
        self.wait_for_both()

    def test_2_what_is_written_at_one_arrives_at_the_proxies_of_the_other(self):
        self.wait_for_both()
        self.one.forbid("demo-app", "kv")
        self.assertEqual(self.two.api("GET", "/meshes/default/meshtrafficpermissions/demo-app-to-kv").status, 404)
        lab.wait_for(lambda: all(self.app.counter().status == 403 for _ in range(10)), "both refuse")
        self.two.permit("demo-app", "kv")
        self.assertEqual(self.one.api("GET", "/meshes/default/meshtrafficpermissions/demo-app-to-kv").status, 200)
        lab.wait_for(lambda: all(self.app.counter().status == 200 for _ in range(10)), "both answer")

    def test_3_a_task_that_stops_at_one_costs_the_other_no_request(self):
        task = lab.Task(self.lab, self.one, "kv", "kv-3").start().wait_until_ready()
        self.wait_for_instance(task.name)
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(100)
            task.stop()
            self.assertEqual(task.sidecar.wait(), 0)
            traffic.more(200)
        self.assert_nothing_lost(traffic)
        lab.wait_for(lambda: self.two.api("GET", "/meshes/default/dataplanes/kv-3").status == 404,
                     "its Dataplane is cleared up", timeout=40)

    def test_4_a_database_that_dies_costs_no_request_and_loses_nothing(self):
        self.wait_for_both()
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            self.database.kill()
            traffic.more(100)
            refused = self.two.api("PUT", "/meshes/late", {"type": "Mesh", "name": "late"}, timeout=60)
            self.assertEqual(refused.status, 503, refused.text)
            self.database.start()
            lab.wait_for(lambda: self.two.api("PUT", "/meshes/late", {"type": "Mesh", "name": "late"}).status // 100 == 2,
                         "writes work again")
            traffic.more(100)
        self.assert_nothing_lost(traffic)
        self.one.forbid("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 403, "changes arrive again")
        self.one.permit("demo-app", "kv")
        self.wait_for_both()

    def test_5_when_a_control_plane_dies_the_other_leads_and_traffic_goes_on(self):
        self.wait_for_both()
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            self.one.kill()
            lab.wait_for(lambda: "leads now" in self.two.part.log() and
                         self.database.ask("SELECT count(*) FROM taskmesh.leases WHERE expires > now()") == "2",
                         "the other one leads, and is the only one that is alive", timeout=6)
            traffic.more(200)
            self.one.start().wait_until_ready()
            traffic.more(100)
        self.assert_nothing_lost(traffic)
        self.wait_for_both()


class SplitConnections(SharedDatabase):
    """As behind a load balancer: the manager of a sidecar reaches one control plane, its Envoy the other."""

    @classmethod
    def build(cls):
        certificate, key = shared_certificate(cls.lab, "10.77.0.2", "10.77.0.3")
        cls.start_both({"KUMA_DP_SERVER_TLS_CERT_FILE": str(certificate), "KUMA_DP_SERVER_TLS_KEY_FILE": str(key)},
                       {"KUMA_BOOTSTRAP_SERVER_PARAMS_XDS_HOST": "10.77.0.2"})
        cls.kv = [lab.Task(cls.lab, cls.two, "kv", f"kv-{number}").start() for number in (1, 2)]
        cls.app = lab.Task(cls.lab, cls.one, "demo-app", "demo-app-1").start()
        for task in (*cls.kv, cls.app):
            task.wait_until_ready()
        cls.wait_for_traffic()

    def test_what_a_manager_says_counts_where_its_envoy_is(self):
        self.wait_for_both()
        insight = lab.wait_for(lambda: (row := self.one.overview("kv-1")["dataplaneInsight"]).get("manager") and row,
                               "what the manager said is written down")
        self.assertNotEqual(insight["manager"]["instance"], insight["subscriptions"][-1]["controlPlaneInstanceId"])
        task = lab.Task(self.lab, self.two, "kv", "kv-3").start().wait_until_ready()
        self.wait_for_instance(task.name)
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(100)
            task.stop()
            lab.wait_for(lambda: task.name not in self.instances_in(10), "it gets no more traffic", timeout=3)
            self.assertEqual(task.sidecar.wait(), 0)
            traffic.more(200)
        self.assert_nothing_lost(traffic)


class Balancer:
    """A load balancer as NLB is one: connections go to whichever instance takes them, one after the other."""

    def __init__(self, targets, port=5678):
        self.targets, self.turn = targets, 0
        self.listener = socket.create_server((ADDRESS, port), backlog=128)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        self.turn += 1
        for attempt in range(len(self.targets)):
            try:
                server = socket.create_connection(self.targets[(self.turn + attempt) % len(self.targets)], timeout=2)
                break
            except OSError:
                continue
        else:
            return client.close()
        server.settimeout(None)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


class MovingSidecars(SharedDatabase):
    """Behind a load balancer: an instance that stops sends its sidecars to the other one, and connections that get old
    spread over both."""

    AGE = 4  # seconds

    @classmethod
    def build(cls):
        certificate, key = shared_certificate(cls.lab, ADDRESS, "10.77.0.2", "10.77.0.3")
        cls.start_both({"KUMA_DP_SERVER_TLS_CERT_FILE": str(certificate), "KUMA_DP_SERVER_TLS_KEY_FILE": str(key),
                        "KUMA_DP_SERVER_MAX_CONNECTION_AGE": f"{cls.AGE}s"})
        cls.balancer = Balancer([("10.77.0.2", 5678), ("10.77.0.3", 5678)])
        cls.addClassCleanup(cls.balancer.close)
        cls.kv = [cls.start_task("kv", f"kv-{number}") for number in (1, 2)]
        cls.app = cls.start_task("demo-app", "demo-app-1")
        cls.tasks = [*cls.kv, cls.app]
        for task in cls.tasks:
            task.wait_until_ready()
        cls.wait_for_traffic()

    @classmethod
    def start_task(cls, service, name):
        task = lab.Task(cls.lab, cls.one, service, name)
        token = cls.one.token(service)
        cls.one.address, direct = ADDRESS, cls.one.address
        try:
            return task.start(token)
        finally:
            cls.one.address = direct

    def instance_of(self, task, control_plane):
        """The instance that a task's Envoy is connected to; None: to none that is known."""
        subscriptions = control_plane.overview(task.name)["dataplaneInsight"]["subscriptions"]
        return None if subscriptions[-1].get("disconnectTime") else subscriptions[-1]["controlPlaneInstanceId"]

    def assert_nothing_was_taken_away(self):
        for task in self.tasks:
            for name in ("cluster_manager.cluster_removed", "listener_manager.listener_removed"):
                self.assertEqual(task.stat(name), 0, f"{name} of {task.name}")

    def test_1_an_instance_that_stops_sends_its_sidecars_to_the_other(self):
        self.wait_for_both()
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            self.one.part.signal(signal.SIGTERM)
            self.assertEqual(self.one.part.wait(20), 0)
            self.assertIn("to other control planes", self.one.part.log())
            lab.wait_for(lambda: len({self.instance_of(task, self.two) for task in self.tasks} - {None}) == 1, "all are at the other one", 20)
            traffic.more(200)
        self.assert_nothing_lost(traffic)
        self.assert_nothing_was_taken_away()
        self.two.forbid("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 403, "changes arrive")
        self.two.permit("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 200, "changes arrive again")

    def test_2_connections_that_get_old_spread_over_an_instance_that_came_back(self):
        self.one.start().wait_until_ready()
        with lab.Traffic(self.app.counter) as traffic:
            lab.wait_for(lambda: len({self.instance_of(task, self.two) for task in self.tasks} - {None}) == 2, "both instances have some", 60)
            traffic.more(200)
        self.assert_nothing_lost(traffic)
        self.assert_nothing_was_taken_away()


if __name__ == "__main__":
    raise SystemExit("run it with run.py")
