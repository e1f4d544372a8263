"""A PostgreSQL server in a network namespace of its own, with TLS and passwords, to which anything may happen."""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import threading

import lab

PORT = 5432
AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--pdeathsig", "QUIT", "--"]


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise lab.Failure(f"openssl {arguments[0]}: {done.stderr.strip()}")


class Authority:
    """Signs servers' certificates."""

    def __init__(self, directory, name):
        self.directory, self.name, self._count = directory, name, 0
        self.certificate, self._key = directory / f"{name}.crt", directory / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def issue(self, *names):
        self._count += 1
        stem = self.directory / f"{self.name}-{self._count}"
        key, request, certificate, extensions = (stem.with_suffix(end) for end in (".key", ".csr", ".crt", ".ext"))
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=database",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", certificate)
        return certificate.read_text(), key.read_text()


class Names:
    """What the names of hosts mean in the lab: /etc/hosts, of ours alone."""

    def __init__(self, lab_):
        self._file = lab_.directory / "hosts"
        self._before, self._addresses = pathlib.Path("/etc/hosts").read_text(), {}
        self._file.write_text(self._before)
        subprocess.run(["mount", "--bind", self._file, "/etc/hosts"], check=True)

    def set(self, name, address):
        self._addresses[name] = address
        self._file.write_text(self._before + "".join(f"{each} {known}\n" for known, each in self._addresses.items()))


class Session:
    """A connection of somebody else, who keeps it open: asked one thing after the other."""

    def __init__(self, server):
        self._process = subprocess.Popen(server.inside(*AS_POSTGRES, *server.psql("mesh")), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, cwd="/")

    def tell(self, sql):
        """Does not wait for what comes of it."""
        self._process.stdin.write(sql + ";\n\\echo ---\n")
        self._process.stdin.flush()

    def answer(self):
        lines = []
        for line in self._process.stdout:
            if line.strip() == "---":
                return "\n".join(lines)
            lines.append(line.rstrip("\n"))
        raise lab.Failure("a session with the database ended: " + " ".join(lines))

    def ask(self, sql):
        self.tell(sql)
        return self.answer()

    def close(self):
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


class Server:
    """`megabytes`: its data lie on a disk of their own of that size."""

    ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}  # no keys or passwords of whoever runs this
    SETTINGS = ["fsync=off", "ssl=on", "max_connections=30", "shared_buffers=32MB", "max_wal_size=128MB", "deadlock_timeout=2s"]

    def __init__(self, lab_, name, address, certificate, megabytes=None):
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            raise lab.Failure("there is no PostgreSQL server here; install the package \"postgresql\"")
        self.lab, self.name, self.programs = lab_, name, programs[-1]
        self.address = lab_.add_namespace(name, address)
        self.directory = lab_.directory / name
        self.directory.mkdir()
        lab_.directory.chmod(0o755)
        self._has_disk = megabytes is not None
        if self._has_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", self.directory], check=True)
        self._own(self.directory)
        self.process, self.settings = None, []
        self.set_certificate(*certificate, reload=False)

    # ---- files and programs

    @staticmethod
    def _own(path):
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def psql(self, database="mesh"):
        return [self.programs / "psql", "-h", self.directory, "-p", PORT, "-U", "postgres", "-AtqX", "-v", "ON_ERROR_STOP=0", "-d", database]

    def run(self, program, *arguments):
        done = subprocess.run(self.inside(*AS_POSTGRES, self.programs / program, *arguments), capture_output=True, text=True, cwd="/",
                              env=self.ENVIRONMENT)
        if done.returncode != 0:
            raise lab.Failure(f"{program} at {self.name}: {done.stderr.strip()}")
        return done.stdout.strip()

    def make(self, password):
        """A new one, with a database and a user for the control planes who is no more than its owner."""
        self.run("initdb", "-D", self.directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with open(self.directory / "data/pg_hba.conf", "w") as rules:
            rules.write("local all all trust\nhostssl all mesh 10.77.0.0/24 scram-sha-256\nhost replication standby 10.77.0.0/24 trust\n")
        self.start()
        self.ask(f"CREATE ROLE mesh LOGIN PASSWORD '{password}'", "postgres")
        self.ask("CREATE DATABASE mesh OWNER mesh", "postgres")
        return self

    def ask(self, sql, database="mesh"):
        return self.run("psql", *self.psql(database)[1:], "-v", "ON_ERROR_STOP=1", "-c", sql)

    def set_certificate(self, certificate, key, reload=True):
        for name, text in (("server.crt", certificate), ("server.key", key)):
            path = self.directory / name
            path.write_text(text)
            path.chmod(0o600)
            self._own(path)
        if reload:
            self.ask("SELECT pg_reload_conf()")

    # ---- its life

    def start(self, wait=True):
        settings = [*self.SETTINGS, *self.settings, "listen_addresses=*", f"ssl_cert_file={self.directory}/server.crt",
                    f"ssl_key_file={self.directory}/server.key"]
        with open(self.lab.directory / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.inside(*AS_POSTGRES, self.programs / "postgres", "-D", self.directory / "data", "-p", PORT, "-k", self.directory,
                            *(word for setting in settings for word in ("-c", setting))),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, env=self.ENVIRONMENT)
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self):
        lab.wait_for(self.is_ready, f"the database {self.name} is ready", timeout=60)

    def is_ready(self):
        return subprocess.run(self.inside(self.programs / "pg_isready", "-q", "-h", self.directory, "-p", PORT)).returncode == 0

    def revive(self):
        """Waits until it works again, and starts it when it ended over what happened."""
        def works():
            if self.process.poll() is not None:
                self.start(wait=False)
            return self.is_ready()
        lab.wait_for(works, f"the database {self.name} works again", timeout=60, pause=0.1)

    def log(self):
        return (self.lab.directory / f"{self.name}.log").read_text(errors="replace")

    def kill(self):
        """As a machine that loses its power, as far as its disk allows: its parts cannot even end what they are at."""
        if self.process is None or self.process.poll() is not None:
            return
        pid = self.process.pid
        os.kill(pid, signal.SIGSTOP)
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (*map(int, children), pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.kill()
        if self._has_disk:
            subprocess.run(["umount", "-l", self.directory])

    def remove_data(self):
        shutil.rmtree(self.directory / "data")

    def cut_all_connections(self):
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mesh'")

    # ---- its network

    def move(self, address):
        """The same server at another address."""
        lab.Lab._run("ip", "-n", self.name, "addr", "flush", "dev", "eth0")
        lab.Lab._run("ip", "-n", self.name, "addr", "add", f"{address}/24", "dev", "eth0")
        lab.Lab._run("ip", "-n", self.name, "route", "add", "default", "via", "10.77.0.1")
        self.address = address

    def _link(self):
        """The other end of its cable."""
        shown = lab.Lab._run("ip", "-n", self.name, "-o", "link", "show", "eth0")
        index = re.search(r"eth0@if(\d+)", shown).group(1)
        return re.search(rf"^{index}: ([^@:]+)", lab.Lab._run("ip", "-o", "link"), re.MULTILINE).group(1)

    def unplug(self):
        lab.Lab._run("ip", "link", "set", self._link(), "nomaster")

    def plug_in(self):
        lab.Lab._run("ip", "link", "set", self._link(), "master", "mesh0")

    def swallow(self, plane, on=True):
        """What the two send to each other arrives nowhere."""
        for namespace, address in ((self.name, plane.address), (plane.name, self.address)):
            if on:
                lab.Lab._run("ip", "-n", namespace, "neigh", "replace", address, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent")
            else:
                lab.Lab._run("ip", "-n", namespace, "neigh", "del", address, "dev", "eth0")

    @contextlib.contextmanager
    def filled_disk(self):
        ballast = self.directory / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            for block in (b"\0" * (1 << 20), b"\0" * 4096):
                with contextlib.suppress(OSError):
                    while file.write(block) == len(block):
                        pass
        try:
            yield
        finally:
            ballast.unlink()

    @contextlib.contextmanager
    def taken_connections(self):
        """Somebody else takes every connection that becomes free, and keeps it."""
        self.ask("CREATE ROLE greedy LOGIN")
        psql = [self.programs / "psql", "-h", self.directory, "-p", PORT, "-U", "greedy", "-AtqX", "-d", "postgres"]
        stop, running = threading.Event(), []

        def take():
            while not stop.is_set():
                process = subprocess.Popen(self.inside(*AS_POSTGRES, *psql, "-c", "SELECT pg_sleep(3600)"), stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
                running.append(process)
                process.wait()
                stop.wait(0.1)

        takers = [threading.Thread(target=take, daemon=True) for _ in range(28)]
        for taker in takers:
            taker.start()
        try:
            yield
        finally:
            stop.set()
            self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'greedy'")
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            for taker in takers:
                taker.join()
            self.ask("DROP ROLE greedy")
