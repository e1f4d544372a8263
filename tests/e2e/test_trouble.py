import shutil
import signal

import lab
from mesh_case import MeshCase


class Trouble(MeshCase):
    """A clear message, at once, and nothing left behind."""

    def start_and_fail(self, name, expected, **options):
        task = lab.Task(self.lab, self.control_plane, "kv", name).start_app().start_sidecar(**options)
        self.assertNotEqual(task.sidecar.wait(15), 0)
        log = task.sidecar.log()
        for text in expected:
            self.assertIn(text, log)
        return task

    def test_port_in_use_names_the_port_and_the_setting(self):
        second = lab.Part(self.lab, "second-control-plane", "cp", [self.lab.program("cp"), "run"],
                          {"KUMA_GENERAL_WORK_DIR": str(self.lab.directory / "second-cp"), "KUMA_STORE_TYPE": "memory"})
        self.assertNotEqual(second.wait(15), 0)
        self.assertRegex(second.log(), "5678|5680|5681|5682")
        self.assertIn("in use", second.log())
        self.assertIn("KUMA_", second.log())
        self.assertTrue(self.control_plane.part.is_running)

    def test_envoy_missing(self):
        self.start_and_fail("kv-no-envoy", ["/nowhere/envoy", "--binary-path"], extra=["--binary-path", "/nowhere/envoy"])

    def test_envoy_not_executable(self):
        path = self.lab.directory / "not-executable"
        path.write_text("")
        self.start_and_fail("kv-not-exec", [str(path), "executed"], extra=["--binary-path", path])

    def test_envoy_of_another_architecture(self):
        path = self.lab.directory / "arm-envoy"
        head = bytearray(b"\x7fELF\x02\x01\x01" + bytes(57))
        head[16:20] = (2).to_bytes(2, "little") + (183).to_bytes(2, "little")  # a program, for aarch64
        path.write_bytes(bytes(head))
        path.chmod(0o755)
        self.start_and_fail("kv-arm", [str(path), "aarch64"], extra=["--binary-path", path])

    def test_something_that_is_not_envoy(self):
        self.start_and_fail("kv-true", ["--version"], extra=["--binary-path", shutil.which("true")])

    def test_variable_that_is_not_set_is_named_with_its_line(self):
        template = self.lab.directory / "dataplane.yaml"
        template.write_text("type: Dataplane\nmesh: default\nname: x\nnetworking:\n  address: {{ adress }}\n")
        self.start_and_fail("kv-unset", ["adress", "line 5"], extra=["--dataplane-file", template])

    def test_readiness_port_in_use(self):
        task = self.kv[0]
        second = lab.Part(self.lab, "second-sidecar", task.name, [self.lab.program("dp"), "run", "--name", "x", "--mesh", "default",
                                                                  "--binary-path", self.lab.envoy], {})
        self.assertNotEqual(second.wait(15), 0)
        self.assertIn("9902", second.log())
        self.assertIn("KUMA_READINESS_PORT", second.log())

    def test_stop_before_the_control_plane_answered(self):
        task = lab.Task(self.lab, self.control_plane, "kv", "kv-early").start_app()
        task.start_sidecar(extra=["--cp-address", "https://10.77.0.1:5678"])
        lab.wait_for(lambda: "waiting for the control plane" in task.sidecar.log(), "it waits")
        task.sidecar.signal(signal.SIGTERM)
        self.assertEqual(task.sidecar.wait(5), 0)
