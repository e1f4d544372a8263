"""One container of a task: from its definition, through its health checks, to its exit code."""
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading
import time

import lab

RUNNER = pathlib.Path(__file__).with_name("runner.py")
SCRATCH = pathlib.Path("/run/ecs")  # memory, and ours alone (lab.enter)


class Container:
    """`given` is a container definition as the API shows it. The task says what the rest is."""

    def __init__(self, task, given, image, environment, mounts):
        self.task, self.given, self.name, self.image = task, given, given["name"], image
        self.essential = given.get("essential", True)
        self.environment, self.mounts = {**image.environment, **environment}, mounts
        self.directory = task.directory / self.name
        self.directory.mkdir()
        self.log_path = self.directory / "log"
        self.scratch = SCRATCH / task.id / self.name  # what it writes goes with it
        self.process, self.exit_code, self.health, self.known = None, None, "UNKNOWN", "PENDING"
        self.started_at = self.ended_at = None
        self._failures, self._next_check, self._checking = 0, 0.0, None

    # --- what it runs -------------------------------------------------------------------------------------------

    @property
    def command(self):
        """An entry point in the definition takes the image's command away, as with docker."""
        own = self.given.get("entryPoint")
        entry = own if own else self.image.config.get("Entrypoint") or []
        command = self.given.get("command") or ([] if own else self.image.config.get("Cmd") or [])
        return [*entry, *command]

    @property
    def user(self):
        return self.given.get("user") or self.image.config.get("User") or "0"

    @property
    def stop_timeout(self):
        return self.given.get("stopTimeout", 30)

    def start(self):
        overlay = {}
        for name in ("upper", "work", "root"):
            overlay[name] = self.scratch / name
            overlay[name].mkdir(parents=True)
        spec = {"netns": self.task.place.path, "hostname": self.task.hostname, "layers": list(map(str, self.image.layers)),
                **{name: str(path) for name, path in overlay.items()}, "readonly": self.given.get("readonlyRootFilesystem", False),
                "mounts": [*self.image.mounts, *self.mounts], "user": self.user, "workdir": self.given.get("workingDirectory") or self.image.config.get("WorkingDir"),
                "environment": {"HOSTNAME": self.task.hostname, **self.environment}, "command": self.command,
                "ulimits": {limit["name"]: [limit["softLimit"], limit["hardLimit"]] for limit in self.given.get("ulimits", [])},
                "pid_file": str(self.directory / "pid")}
        file = self.directory / "spec.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(spec))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([sys.executable, "-I", "-S", str(RUNNER), str(file)], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True, env={"PATH": os.environ["PATH"]})
        self.started_at, self.known = time.time(), "RUNNING"
        self.health = "UNKNOWN"
        self._next_check = time.monotonic() + min(1.0, self._check_times()[0]) if self.has_health_check else 0

    @property
    def has_health_check(self):
        return bool(self.given.get("healthCheck", {}).get("command"))

    def _check_times(self):
        check = self.given["healthCheck"]
        return check.get("interval", 30), check.get("timeout", 5), check.get("retries", 3), check.get("startPeriod", 0)

    # --- looking at it ------------------------------------------------------------------------------------------

    @property
    def is_running(self):
        return self.process is not None and self.exit_code is None

    @property
    def pid(self):
        """Of its process 1, as this machine sees it."""
        return int((self.directory / "pid").read_text())

    def poll(self):
        """Looks whether it ended, and checks its health when it is time."""
        if not self.is_running:
            return
        code = self.process.poll()
        if code is not None:
            self.exit_code = code if code >= 0 else 128 - code
            self.ended_at, self.known, self.health = time.time(), "STOPPED", "UNKNOWN"
            return
        if self.has_health_check and self._checking is None and time.monotonic() >= self._next_check:
            self._checking = threading.Thread(target=self._check, daemon=True)
            self._checking.start()

    def _check(self):
        interval, timeout, retries, start_period = self._check_times()
        kind, *rest = self.given["healthCheck"]["command"]
        command = rest if kind == "CMD" else ["/bin/sh", "-c", *(rest or [kind])]
        good = self.run_inside(command, timeout=timeout) == 0
        if good:
            self._failures, self.health = 0, "HEALTHY"
        elif time.time() - self.started_at >= start_period or self.health == "HEALTHY":
            self._failures += 1
            if self._failures >= retries:
                self.health = "UNHEALTHY"
        self._next_check = time.monotonic() + (interval if self.health != "UNKNOWN" else min(interval, 1))
        self._checking = None

    def run_inside(self, command, timeout=None, **streams):
        """Runs a program in the container, as its user with its environment; the exit code."""
        try:
            pid = self.pid
        except (OSError, ValueError):
            return 125
        script = f"cd {shlex.quote(self.given.get('workingDirectory') or self.image.config.get('WorkingDir') or '/')} && exec \"$@\""
        entry = ["nsenter", "-t", str(pid), "-m", "-n", "-u", "-i", "-p", "-r", "-w", "-S", str(self._ids()[0]), "-G", str(self._ids()[1]), "--",
                 "/bin/sh", "-c", script, "sh", *command]
        streams = streams or {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(entry, env=self.environment, start_new_session=True, **streams)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return 124

    def _ids(self):
        name, _, group = self.user.partition(":")
        names = {"root": "0"}
        uid = names.get(name, name)
        return uid, names.get(group, group) or uid

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # --- its end ------------------------------------------------------------------------------------------------

    def signal(self, number):
        if self.is_running:
            try:
                os.kill(self.pid, number)
            except (OSError, ValueError):
                if number == signal.SIGKILL:
                    self.process.kill()

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process is not None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.poll()

    def wait_for_log(self, text, timeout=20):
        lab.wait_for(lambda: text in self.log(), f'the log of {self.task.name}/{self.name} says "{text}"', timeout)
