"""./run ecs …: the box as a program in the background, and commands that talk to it over a Unix socket.

A command hands over its standard streams with the request, so `exec` is as interactive as a terminal lets it be.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import lab

# Not in XDG_RUNTIME_DIR: the database server has a user of its own, whom that lets nothing see.
STATE = pathlib.Path(os.environ.get("TASKMESH_ECS_STATE") or f"/tmp/taskmesh-ecs-{os.getuid()}")
SOCKET = STATE / "control"


USAGE = """./run ecs COMMAND: an ECS in a box, in the background of this machine. Needs root.

  up [--templates DIR] [--plan FILE] [STACK.Parameter=VALUE …]
                         starts the box and deploys a plan's stacks (default: deploy/cloudformation); again: updates them
  status                 stacks, services, tasks, containers, names
  logs TASK [CONTAINER]  what containers said; TASK: a task, or a service (all its tasks)
  exec TASK CONTAINER COMMAND …   runs a program in a container, as its user with its environment
  curl TASK URL …        curl of this machine inside the task's network namespace
  scale SERVICE COUNT    sets the desired count
  stop-task TASK         as StopTask: the metadata say so, SIGTERM, SIGKILL after the stop timeout
  kill-task TASK         as a machine that is gone
  aws SERVICE OPERATION [JSON]    any call of the AWS API, such as: aws ecs ListTasks
  down                   deletes the stacks and ends the box
"""
NEEDED = {"logs": 1, "exec": 3, "curl": 2, "scale": 2, "stop-task": 1, "kill-task": 1, "aws": 2}  # arguments, at least


def main(argv=None):
    argv = list(sys.argv[1:] if argv is None else argv)
    command = argv[0] if argv else "help"
    known = {"help", "-h", "--help", "serve", "up", "status", "down", *NEEDED}
    if command not in known or len(argv) - 1 < NEEDED.get(command, 0):
        print(USAGE, end="", file=sys.stderr)
        return 2
    if command in ("help", "-h", "--help"):
        print(USAGE, end="")
        return 0
    if command == "serve":
        return serve(argv[1:])
    if command == "up" and not _answers():
        _start(argv[1:])
    elif not _answers():
        print("the box does not run; start it with: ./run ecs up", file=sys.stderr)
        return 1
    return _ask(argv)


# --- the command's side ------------------------------------------------------------------------------------------------

def _answers():
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(SOCKET))
        return True
    return False


def _start(argv):
    from .images import image_builder, prepare_outside
    if os.geteuid() != 0:
        sys.exit("root is needed: tasks have users of their own")
    if why := image_builder.cannot_build():
        sys.exit(why)
    prepare_outside(_binaries(argv), _envoy(), print)
    STATE.mkdir(mode=0o711, exist_ok=True)
    if STATE.is_symlink() or STATE.stat().st_uid != os.getuid():
        sys.exit(f"{STATE} belongs to somebody else; remove it, or let TASKMESH_ECS_STATE name another folder")
    SOCKET.unlink(missing_ok=True)
    with open(STATE / "box.log", "wb") as log:
        process = subprocess.Popen([sys.executable, sys.argv[0], "serve", *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
    print("starting the box …", flush=True)
    while not _answers():
        if process.poll() is not None:
            sys.exit((STATE / "box.log").read_text().strip() or "the box did not start")
        time.sleep(0.1)


def _ask(argv):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(SOCKET))
        socket.send_fds(connection, [json.dumps({"argv": argv, "cwd": os.getcwd()}).encode()], [0, 1, 2])
        try:
            answer = connection.recv(64)
        except KeyboardInterrupt:
            return 130
    return int(answer or b"1")


# --- the box's side ----------------------------------------------------------------------------------------------------

def _binaries(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=str(lab.ROOT / "build/dev/bin"))
    return parser.parse_known_args(argv)[0].bin


def _envoy():
    return os.environ.get("TASKMESH_ENVOY") or lab.ROOT / ".tools/envoy/envoy"


def serve(argv):
    lab.enter()
    from .box import Box
    from .stand_ins import stand_ins
    directory = STATE / "box"
    subprocess.run(["rm", "-rf", directory], check=True)
    directory.mkdir()
    box = Box(_binaries(argv), _envoy(), directory, stand_ins(directory))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        Control(box).serve()
    finally:
        SOCKET.unlink(missing_ok=True)
        box.close()
    return 0


class Control:
    def __init__(self, box):
        self.box, self.plan, self.done = box, None, threading.Event()

    def serve(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(SOCKET))
            os.chmod(SOCKET, 0o600)
            listener.listen()
            listener.settimeout(0.5)
            while not self.done.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            data, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            if not data:
                return
            request = json.loads(data)
            out = os.fdopen(descriptors[1], "w", buffering=1)
            try:
                method = getattr(self, "do_" + request["argv"][0].replace("-", "_"))
                code = method(request["argv"][1:], out, descriptors, request["cwd"])
            except Exception as problem:  # a command that fails is no reason to end the box
                print(f"error: {problem}", file=out)
                code = 1
            out.close()
            for descriptor in (descriptors[0], descriptors[2]):
                os.close(descriptor)
            with contextlib.suppress(OSError):
                connection.sendall(str(code or 0).encode())

    def do_up(self, argv, out, _, cwd):
        from .plan import PLANS, Plan
        parser = argparse.ArgumentParser()
        parser.add_argument("--bin")
        parser.add_argument("--templates", default=str(lab.ROOT / "deploy/cloudformation"))
        parser.add_argument("--plan", default=str(PLANS / "taskmesh.json"))
        parser.add_argument("parameters", nargs="*")
        given = parser.parse_args(argv)
        parameters = {}
        for entry in given.parameters:
            name, value = entry.split("=", 1)
            stack, parameter = name.split(".", 1)
            parameters.setdefault(stack, {})[parameter] = value
        file = pathlib.Path(cwd, given.plan)
        plan = Plan(self.box, pathlib.Path(cwd, given.templates), file if file.exists() else PLANS / given.plan, parameters)
        if self.plan and self.plan.stacks != plan.stacks:
            raise lab.Failure(f"the box holds the stacks of another plan ({', '.join(self.plan.stacks)}); end it first: ./run ecs down")
        if self.plan:
            plan.secrets = self.plan.secrets
            plan.make_secrets = lambda: None
            plan.make_certificates = lambda _: None
        self.plan = plan
        self.box.images.prepare()
        plan.apply(lambda text: print(text, file=out))
        return self.do_status([], out, _, cwd)

    def do_status(self, _argv, out, *_):
        print("stacks    ", ", ".join(self.box.stacks()) or "none", file=out)
        for service in self.box.services():
            state = service["deployments"][0]
            print(f"service    {service['serviceName']}: {service['runningCount']} of {service['desiredCount']} run, {state['rolloutState'].lower()}, "
                  f"{service['taskDefinition'].rsplit('/', 1)[1]}", file=out)
            for event in self.box.scheduler.events(service["serviceName"])[-3:]:
                print(f"             {event}", file=out)
        for task in self.box.tasks():
            print(f"task       {task.name} at {task.place.address}: {task.known_status.lower()}, {task.health.lower()} {task.stop_reason}", file=out)
            for container in task.containers:
                state = f"exit code {container.exit_code}" if container.exit_code is not None else container.known.lower()
                print(f"             {container.name}: {state}" + (f", {container.health.lower()}" if container.has_health_check else ""), file=out)
        for name, address in self.box.resolver.records():
            print(f"name       {name} → {address}", file=out)
        for problem in self.box.problems[-1:]:
            print(problem, file=out)

    def _tasks(self, name):
        with self.box.scheduler._lock:
            every = [*self.box.tasks(), *self.box.scheduler.stopped]
        found = [task for task in every if name in (task.name, task.service_name, task.id, task.arn)] or [task for task in every if task.name.startswith(name)]
        if not found:
            raise lab.Failure(f"there is no task or service {name}")
        return found

    def do_logs(self, argv, out, *_):
        for task in self._tasks(argv[0]):
            for container in task.containers:
                if len(argv) < 2 or container.name == argv[1]:
                    print(f"--- {task.name} {container.name}\n{container.log()}", file=out)

    def do_exec(self, argv, _out, descriptors, _cwd):
        container = self._tasks(argv[0])[0].container(argv[1])
        return container.run_inside(argv[2:], stdin=descriptors[0], stdout=descriptors[1], stderr=descriptors[2])

    def do_curl(self, argv, _out, descriptors, _cwd):
        task = self._tasks(argv[0])[0]  # names are looked up as the task does
        script = 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec curl -sS --max-time 20 "$@"'
        return subprocess.run(["ip", "netns", "exec", task.place.namespace, "sh", "-c", script, "sh", str(task.directory / "resolv.conf"), *argv[1:]],
                              stdin=descriptors[0], stdout=descriptors[1], stderr=descriptors[2]).returncode

    def do_scale(self, argv, out, *_):
        self.box.scale(argv[0], int(argv[1]))
        self.box.wait_until_steady(argv[0])
        self.do_status([], out)

    def do_stop_task(self, argv, out, *_):
        task = self._tasks(argv[0])[0]
        task.stop("stopped by ./run ecs")
        task.wait_until_stopped()
        print(f"{task.name} stopped", file=out)

    def do_kill_task(self, argv, out, *_):
        self._tasks(argv[0])[0].kill()
        print("killed", file=out)

    def do_aws(self, argv, out, *_):
        import botocore
        given = json.loads(argv[2]) if len(argv) > 2 else {}
        answer = getattr(self.box.aws.client(argv[0]), botocore.xform_name(argv[1]))(**given)
        answer.pop("ResponseMetadata", None)
        print(json.dumps(answer, indent=2, default=str), file=out)

    def do_down(self, _argv, out, *_):
        try:
            if self.plan:
                self.plan.delete(lambda text: print(text, file=out))
        finally:
            print("the box ends", file=out)
            self.done.set()
