"""Which image a task definition means: names of images → image content, built from the project's own Dockerfiles."""
import importlib.machinery
import importlib.util
import pathlib
import re
import sys
import tempfile
import threading

import lab

sys.path.insert(0, str(lab.ROOT / "tools"))
import image_builder  # noqa: E402

_loader = importlib.machinery.SourceFileLoader("taskmesh_images", str(lab.ROOT / "tools/images"))
_images = importlib.util.module_from_spec(importlib.util.spec_from_loader("taskmesh_images", _loader))
_loader.exec_module(_images)

# Patterns of image names, without registry and tag → which of our images takes their place.
OWN = {r"taskmesh[-/](control-plane|sidecar|cli|counter)": None,
       r"kong/kuma-cp|kumahq/kuma-cp": "control-plane", r"kong/kuma-dp|kumahq/kuma-dp": "sidecar", r"kong/kumactl|kumahq/kumactl": "cli"}


def prepare_outside(binaries, envoy, say):
    """The first time on a machine this fetches a Debian and its packages, which a box cannot: it has a network of its own."""
    say("building the images (the first time takes a minute)")
    with tempfile.TemporaryDirectory(prefix="taskmesh-images-") as scratch:
        Store(binaries, envoy, scratch).prepare()


class Store:
    """Builds an image when it is asked for the first time. `stand_ins` are test images: {pattern: function of the store → image}."""

    def __init__(self, binaries, envoy, directory, stand_ins=None):
        self.binaries, self.envoy, self.context, self.built = pathlib.Path(binaries), pathlib.Path(envoy), pathlib.Path(directory) / "context", {}
        self.stand_ins, self._building = stand_ins or {}, threading.RLock()

    def prepare(self):
        """Builds what nearly every plan needs."""
        for name in ("control-plane", "sidecar", "counter"):
            self.own(name)
        image_builder.tidy_cache()

    def find(self, name):
        plain = re.sub(r"(@sha256:\w+|:[\w.-]+)$", "", name)
        for pattern, make in self.stand_ins.items():
            if re.search(f"(^|/)(?:{pattern})$", plain):
                return self._once(pattern, lambda: make(self))
        for pattern, own in OWN.items():
            if found := re.search(f"(^|/)(?:{pattern})$", plain):
                return self.own(own or found.group(2))
        raise lab.Failure(f"CannotPullContainerError: this box has no image {name}")

    def own(self, name):
        def make():
            _images.make_context(self.context, self.binaries, self.envoy, [name])
            return _images.build(name, self.context)
        return self._once(name, make)

    def _once(self, key, make):
        with self._building:  # tasks start on threads of their own
            if key not in self.built:
                try:
                    self.built[key] = make()
                except image_builder.BuildFailure as problem:
                    raise lab.Failure(str(problem)) from problem
            return self.built[key]
