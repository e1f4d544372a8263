"""Becomes one container: python3 runner.py SPEC. A program of its own, as runc is; Python's standard library only.

SPEC is a JSON file: netns, hostname, layers, upper, work, root, readonly, mounts [[source, target, readonly]], user, workdir,
environment, command, ulimits. It makes namespaces (mounts, processes, host name, IPC), mounts the image, drops capabilities and
the user, and runs the command as process 1. It hands signals on, and ends with the command's exit code (128 + signal).
"""
import ctypes
import json
import os
import pathlib
import resource
import signal
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_CAP_AMBIENT = 1, 24, 47
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
# What containers may do by default, less what Fargate takes away (NET_RAW): no NET_ADMIN, no SYS_ADMIN.
KEPT_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 27, 29, 31}

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind, flags=0, data=None):
    check(libc.mount(os.fsencode(source), os.fsencode(target), kind.encode() if kind else None, ctypes.c_ulong(flags),
                     data.encode() if data else None), f"mount {source} at {target}")


def make_root(spec):
    root = pathlib.Path(spec["root"])
    mount("overlay", root, "overlay", 0, f"lowerdir={':'.join(reversed(spec['layers']))},upperdir={spec['upper']},workdir={spec['work']}")
    for target in ("proc", "dev", "sys", "tmp", "etc"):
        (root / target).mkdir(exist_ok=True)
    for source, target, _ in spec["mounts"]:
        place = root / target.lstrip("/")
        if os.path.isdir(source):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch(exist_ok=True)
    mount("tmpfs", root / "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k")
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        (root / "dev" / name).touch()
        mount(f"/dev/{name}", root / "dev" / name, None, MS_BIND)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, root / "dev" / name)
    (root / "dev/shm").mkdir()
    mount("tmpfs", root / "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")
    if spec["readonly"]:
        mount("none", root, None, MS_REMOUNT | MS_RDONLY)
    for source, target, readonly in spec["mounts"]:
        place = root / target.lstrip("/")
        mount(source, place, None, MS_BIND)
        if readonly:
            mount(source, place, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
    mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    os.chdir(root)
    check(libc.syscall(SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    check(libc.umount2(b".", 2), "umount of the old root")  # MNT_DETACH
    os.chdir("/")


def look_up(kind, name, field):
    """A number, or what /etc/passwd or /etc/group of the image say."""
    if name.isdigit():
        return int(name)
    for line in pathlib.Path("/etc", kind).read_text().splitlines():
        if line.split(":")[0] == name:
            return int(line.split(":")[field])
    raise OSError(f"the image has no {name} in /etc/{kind}")


def ids_of(user):
    name, _, group = (user or "0").partition(":")
    uid = look_up("passwd", name, 2)
    if group:
        return uid, look_up("group", group, 2)
    for line in pathlib.Path("/etc/passwd").read_text().splitlines() if os.path.exists("/etc/passwd") else []:
        if line.split(":")[2] == str(uid):
            return uid, int(line.split(":")[3])
    return uid, 0


def become(spec):
    check(libc.sethostname(spec["hostname"].encode(), len(spec["hostname"])), "sethostname")
    make_root(spec)
    for name, (soft, hard) in spec.get("ulimits", {}).items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name.upper()), (soft, hard))
    uid, gid = ids_of(spec["user"])
    for capability in range(64):
        if capability not in KEPT_CAPABILITIES:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if spec["workdir"]:
        os.chdir(spec["workdir"])
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])
    except OSError as problem:
        print(f"{spec['command'][0]}: {problem.strerror}", file=sys.stderr)
        os._exit(127 if isinstance(problem, FileNotFoundError) else 126)


def main():
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    network = os.open(spec["netns"], os.O_RDONLY | os.O_CLOEXEC)
    check(libc.setns(network, CLONE_NEWNET), "setns")
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "mount --make-rprivate")
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    pid_file = open(spec["pid_file"], "w")  # now: the child's pivot_root takes this process with it to the image's files
    child = os.fork()
    if child == 0:
        try:
            become(spec)
        except OSError as problem:
            print(f"the container cannot be started: {problem}", file=sys.stderr)
        os._exit(125)
    with pid_file:
        pid_file.write(str(child))
    while True:
        number = signal.sigwait(signals)
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
