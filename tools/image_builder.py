"""Builds container images from the Dockerfiles of this project without a container engine.

It understands what those files use: ARG, FROM, RUN, COPY, ENV, USER, WORKDIR, VOLUME, EXPOSE, LABEL, ENTRYPOINT, CMD and
HEALTHCHECK. A layer is a directory, as overlayfs makes it; RUN runs in a chroot into the layers so far. A layer that was
made once is taken from the cache. `debian:bookworm-slim` is made by mmdebstrap with the settings of Debian's slim images.
Needs root, overlayfs and the packages of group "ecs" in packages.txt. Python's standard library only.
"""
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
SLIM = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/linda/*"]


class BuildFailure(Exception):
    pass


class NoDebian(BuildFailure):
    """The packages that images begin with cannot be fetched."""


def cache_folder():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "taskmesh/layers"


def cannot_build():
    """Why layers cannot be made on this machine; empty: they can."""
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    if _run(["stat", "-f", "-c", "%T", folder]).strip() == "overlayfs":
        return f"{folder} lies on an overlay file system (a container's), which takes no layers; let XDG_CACHE_HOME name a folder on another"
    with tempfile.TemporaryDirectory(prefix="taskmesh-probe-", dir=folder) as probe:
        for name in ("lower", "upper", "work", "root"):
            pathlib.Path(probe, name).mkdir()
        options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
        try:
            _run(["unshare", "-m", "mount", "-t", "overlay", "overlay", "-o", options, f"{probe}/root"])
        except BuildFailure as problem:
            return f"layers cannot be mounted here: {problem}"
    return ""


class Image:
    """Layers (directories, the topmost last) and the configuration as OCI has it."""

    def __init__(self, layers=(), config=None):
        self.layers = list(layers)
        self.mounts = []  # (what, where, read-only): beside the layers, when it runs here
        self.config = config or {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}

    def copy(self):
        return Image(self.layers, json.loads(json.dumps(self.config)))

    @property
    def environment(self):
        return dict(entry.split("=", 1) for entry in self.config["Env"])

    def find(self, path):
        """Where this path of the image lies on disk, or None. Symbolic links are not followed."""
        for layer in reversed(self.layers):
            if os.path.lexists(layer / path.lstrip("/")):
                return layer / path.lstrip("/")
        return None

    def size(self):
        """Bytes of all files, each once."""
        seen, total = set(), 0
        for layer in reversed(self.layers):
            for folder, _, names in os.walk(layer):
                for name in names:
                    file = pathlib.Path(folder, name)
                    inside = file.relative_to(layer)
                    if inside not in seen:
                        seen.add(inside)
                        total += file.lstat().st_size if file.is_file() and not file.is_symlink() else 0
        return total


def _run(command, **more):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        raise BuildFailure(f"{' '.join(map(str, command))[:200]}:\n{done.stdout[-3000:]}")
    return done.stdout


def _layer(key, fill):
    """The cached layer of this key; `fill(folder)` makes it when it is not there."""
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    folder = cache_folder() / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = pathlib.Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
        try:
            draft.chmod(0o755)
            fill(draft)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            if not folder.exists():  # else another process made the same meanwhile
                raise
    os.utime(folder)
    return folder


def debian_slim(suite="bookworm"):
    def fill(folder):
        if shutil.which("mmdebstrap") is None:
            raise BuildFailure("mmdebstrap is missing (Debian package of that name)")
        mirror = _mirror()
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in SLIM] + ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
        folder.rmdir()
        try:
            _run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--components=main", *options,
                  "--aptopt=APT::Install-Recommends \"false\"", suite, folder, *mirror])
        except BuildFailure as problem:
            raise NoDebian(*problem.args) from problem
    return Image([_layer(f"debian {suite} slim 1", fill)])


def _mirror():
    """The mirror that this machine uses itself."""
    for file in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]:
        for line in file.read_text(errors="replace").splitlines() if file.exists() else []:
            found = re.match(r"(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+/debian/?)(?:\s|$)", line)
            if found:
                return [found.group(1)]
    return []


class Builder:
    """Builds one Dockerfile. `context` is what COPY copies from; `images` are those that FROM may name."""

    def __init__(self, dockerfile, context, arguments=None, images=None):
        self.dockerfile, self.context, self.arguments = pathlib.Path(dockerfile), pathlib.Path(context), dict(arguments or {})
        self.images = images or {}

    def build(self):
        image = None
        for instruction, rest in self._instructions():
            rest = re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: self.arguments.get(found[1] or found[2], found[0]), rest) if instruction != "RUN" else rest
            if instruction == "ARG":
                name, _, default = rest.partition("=")
                self.arguments.setdefault(name, default)
            elif instruction == "FROM":
                image = self._base(rest)
            else:
                image = getattr(self, "_" + instruction.lower())(image, rest)
        return image

    def _instructions(self):
        text = re.sub(r"^\s*#.*\n", "", self.dockerfile.read_text(), flags=re.MULTILINE)
        for line in re.sub(r"\\\n", " ", text).splitlines():
            if line.strip():
                instruction, rest = line.strip().split(None, 1)
                if not hasattr(self, "_" + instruction.lower()) and instruction not in ("ARG", "FROM"):
                    raise BuildFailure(f"{self.dockerfile}: {instruction} is not understood")
                yield instruction, rest.strip()

    def _base(self, name):
        if name in self.images:
            return self.images[name].copy()
        found = re.fullmatch(r"debian:(\w+)-slim", name)
        if not found:
            raise BuildFailure(f"{self.dockerfile}: FROM {name} is not known")
        return debian_slim(found.group(1)).copy()

    def _run(self, image, rest):
        image = image.copy()

        def fill(upper):
            with tempfile.TemporaryDirectory(prefix="taskmesh-build-") as scratch:
                scratch = pathlib.Path(scratch)
                work = upper.parent / (upper.name + "-work")
                work.mkdir()
                (scratch / "root").mkdir()
                # Everything that is mounted ends with this process: it has a mount namespace of its own.
                script = f"""set -e
mount -t overlay overlay -o lowerdir={':'.join(map(str, reversed(image.layers)))},upperdir={upper},workdir={work} {scratch}/root
cd {scratch}/root
mount -t proc proc proc; mount --rbind /dev dev
touch etc/resolv.conf; cp /etc/resolv.conf {scratch}/resolv.conf; mount --bind {scratch}/resolv.conf etc/resolv.conf
exec chroot . /usr/bin/env -i DEBIAN_FRONTEND=noninteractive {' '.join(shlex.quote(entry) for entry in image.config['Env'])} {_proxies()} /bin/sh -ec {shlex.quote(rest)}"""
                try:
                    _run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
                finally:
                    shutil.rmtree(work, ignore_errors=True)
            if (upper / "etc/resolv.conf").exists() and (upper / "etc/resolv.conf").stat().st_size == 0:
                (upper / "etc/resolv.conf").unlink()
        image.layers.append(_layer(f"{image.layers} RUN {' '.join(rest.split())}", fill))
        return image

    def _copy(self, image, rest):
        image, words = image.copy(), shlex.split(rest)
        owner, mode = "0:0", None
        while words[0].startswith("--"):
            option, value = words.pop(0)[2:].split("=", 1)
            owner, mode = (value, mode) if option == "chown" else (owner, value)
        *sources, target = words
        files = [self.context / source for source in sources]
        key = "".join(f"{file.name} {file.stat().st_size} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files)

        def fill(folder):
            for file in files:
                to = folder / target.lstrip("/") / file.name if target.endswith("/") else folder / target.lstrip("/")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, to)
                os.chown(to, *map(int, owner.split(":")))
                if mode:
                    to.chmod(int(mode, 8))
        image.layers.append(_layer(f"{image.layers} COPY {rest} {key}", fill))
        return image

    @staticmethod
    def _set(image, **config):
        image = image.copy()
        image.config.update(config)
        return image

    def _env(self, image, rest):
        image = image.copy()
        for entry in shlex.split(rest):
            name = entry.split("=", 1)[0]
            image.config["Env"] = [old for old in image.config["Env"] if not old.startswith(name + "=")] + [entry]
        return image

    def _user(self, image, rest):
        return self._set(image, User=rest)

    def _workdir(self, image, rest):
        return self._set(image, WorkingDir=rest)

    def _volume(self, image, rest):
        return self._set(image, Volumes={path: {} for path in json.loads(rest)})

    def _expose(self, image, rest):
        return self._set(image, ExposedPorts={f"{port}/tcp": {} for port in rest.split()})

    def _label(self, image, rest):
        labels = dict(entry.split("=", 1) for entry in shlex.split(rest))
        return self._set(image, Labels={**image.config.get("Labels", {}), **labels})

    def _entrypoint(self, image, rest):
        return self._set(image, Entrypoint=json.loads(rest))

    def _cmd(self, image, rest):
        return self._set(image, Cmd=json.loads(rest))

    def _healthcheck(self, image, rest):
        options, _, command = rest.partition("CMD ")
        names = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
        check = {names[key]: int(value.rstrip("s")) * 10**9 for key, value in re.findall(r"--([a-z-]+)=(\d+s)", options) if key in names}
        check |= {"Retries": int(value) for value in re.findall(r"--retries=(\d+)", options)}
        return self._set(image, Healthcheck={"Test": ["CMD", *json.loads(command)], **check})


def _proxies():
    return " ".join(f"{name}={shlex.quote(os.environ[name])}" for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ)


def tidy_cache(keep=24):
    """Layers that were not used lately go away."""
    folders = sorted((folder for folder in cache_folder().glob("*") if folder.is_dir()), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[keep:]:
        shutil.rmtree(folder, ignore_errors=True)
