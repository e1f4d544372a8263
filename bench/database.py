"""A PostgreSQL server for measuring, of Debian's package, as it comes: with all its disk syncs."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time


class Database:
    def __init__(self, port):
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            raise SystemExit("bench: there is no PostgreSQL server here; install the package \"postgresql\"")
        self._programs, self.port = programs[-1], port
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-database-"))
        self._as_user = []
        if os.geteuid() == 0:  # the server refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--pdeathsig", "QUIT", "--"]
        self._run("initdb", "-D", self.folder / "data", "-U", "mesh", "-A", "trust", "-E", "UTF8", "--locale=C")
        log = open(self.folder.with_suffix(".log"), "ab")
        self._server = subprocess.Popen(
            self._command("postgres", "-D", self.folder / "data", "-p", port, "-k", self.folder, "-c", "listen_addresses=127.0.0.1"),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        while subprocess.run(self._command("pg_isready", "-q", "-h", self.folder, "-p", port), cwd="/").returncode != 0:
            if self._server.poll() is not None:
                raise SystemExit(f"bench: PostgreSQL did not start; see {log.name}")
            time.sleep(0.1)
        self._run("createdb", "-h", self.folder, "-p", port, "-U", "mesh", "mesh")
        self._session = subprocess.Popen(self._command("psql", "-h", self.folder, "-p", port, "-U", "mesh", "-AtqX", "mesh"),
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")

    def _command(self, program, *arguments):
        return [*self._as_user, str(self._programs / program), *map(str, arguments)]

    def _run(self, program, *arguments):
        done = subprocess.run(self._command(program, *arguments), capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise SystemExit(f"bench: {program}: {done.stderr.strip()}")

    def settings(self):
        return {"KUMA_STORE_POSTGRES_HOST": "127.0.0.1", "KUMA_STORE_POSTGRES_PORT": str(self.port), "KUMA_STORE_POSTGRES_USER": "mesh",
                "KUMA_STORE_POSTGRES_DB_NAME": "mesh"}

    def written(self):
        """How many transactions have written something so far, and how many rows of resources were written."""
        self._session.stdin.write("SELECT pg_snapshot_xmax(pg_current_snapshot()), (SELECT revision FROM taskmesh.store);\n")
        self._session.stdin.flush()
        transactions, rows = self._session.stdout.readline().strip().split("|")
        return int(transactions), int(rows)

    def close(self):
        self._session.kill()
        self._session.wait()
        self._server.terminate()
        self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_suffix(".log").unlink(missing_ok=True)
