"""The images of deploy/images, as they are built without a container engine: what is in them, and how they are packed."""
import gzip
import hashlib
import json
import os
import pathlib
import tarfile
import tempfile
import unittest

import lab

from ecs.images import Store, image_builder

import image_archive  # of tools/, which ecs.images put on the path

OURS = {"control-plane": ["taskmesh-cp", "kuma-cp"], "sidecar": ["taskmesh-dp", "kuma-dp", "envoy"], "counter": ["demo-app", "kv"]}


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="taskmesh-images-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.store = Store(os.environ["TASKMESH_BINARIES"], os.environ.get("TASKMESH_ENVOY") or lab.ROOT / ".tools/envoy/envoy", cls.directory)

    def test_have_the_programs_and_what_published_templates_call_in_them(self):
        for name, programs in OURS.items():
            image = self.store.own(name)
            for path in (*(f"/usr/local/bin/{program}" for program in programs), "/usr/bin/hostname", "/usr/bin/busybox", "/busybox/busybox",
                         "/usr/local/bin/wget", "/etc/ssl/certs/ca-certificates.crt"):
                self.assertIsNotNone(image.find(path), f"{name}: {path}")
            self.assertEqual(os.readlink(image.find("/usr/bin/sh")), "bash", "a shell that hands its process over to the last command")

    def test_run_as_5678_and_say_how_they_are_doing(self):
        for name in OURS:
            self.assertEqual(self.store.own(name).config["User"], "5678:5678", name)
        self.assertEqual(self.store.own("control-plane").config["Entrypoint"], ["taskmesh-cp"])
        for name in ("control-plane", "sidecar"):
            image = self.store.own(name)
            self.assertEqual(image.config["Healthcheck"]["Test"][0], "CMD", name)
            for folder in image.config["Volumes"]:
                state = image.find(folder).stat()
                self.assertTrue(state.st_uid == 5678 or state.st_mode & 0o1777 == 0o1777, f"{name}: {folder} is its own, or everybody's")

    def test_are_packed_as_their_digests_say(self):
        folder = self.directory / "layer"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/program").write_text("#!/bin/sh\n")
        archive = self.directory / "small.oci.tar"
        image_archive.write(image_builder.Image([folder], {"Env": ["PATH=/bin"], "User": "5678"}), archive, "small")
        first = archive.read_bytes()
        with tarfile.open(archive) as tar:
            def blob(digest):
                data = tar.extractfile("blobs/" + digest.replace(":", "/")).read()
                self.assertEqual("sha256:" + hashlib.sha256(data).hexdigest(), digest)
                return data
            manifest = json.loads(blob(json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]))
            config = json.loads(blob(manifest["config"]["digest"]))
            layers = [blob(layer["digest"]) for layer in manifest["layers"]]
        self.assertEqual(config["config"]["User"], "5678")
        self.assertEqual(config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in layers])
        image_archive.write(image_builder.Image([folder], {"Env": ["PATH=/bin"], "User": "5678"}), archive, "small")
        self.assertEqual(archive.read_bytes(), first, "the same content, the same bytes")

    def test_come_with_a_list_of_what_is_in_them(self):
        file = self.directory / "bill.json"
        image_archive.write_bill(self.store.own("counter"), file, "taskmesh-counter", self.store.context, {"kv": "1.2.3"})
        bill = json.loads(file.read_text())
        versions = {package["name"]: package.get("versionInfo") for package in bill["packages"]}
        self.assertEqual(versions["kv"], "1.2.3")
        self.assertRegex(versions["libssl3"], r"^3\.")
        contained = {one["relatedSpdxElement"] for one in bill["relationships"] if one["relationshipType"] == "CONTAINS"}
        self.assertEqual(len(contained), len(bill["packages"]) - 1)


if __name__ == "__main__":
    unittest.main()
