"""./run ecs: each command, as a user of it types them."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import lab

COMMAND = pathlib.Path(__file__).with_name("command")


class Command(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="taskmesh-command-")
        cls.addClassCleanup(directory.cleanup)
        os.chmod(directory.name, 0o711)
        # A box of its own, beside one that the user may have; with namespaces of its own.
        cls.environment = {name: value for name, value in os.environ.items() if name != "TASKMESH_LAB"}
        cls.environment |= {"TASKMESH_ECS_STATE": directory.name}
        cls.addClassCleanup(lambda: lab.wait_for(lambda: not pathlib.Path(directory.name, "box").exists(), "the box has cleared away its files", 60))
        cls.addClassCleanup(cls.ask, "down")
        cls.started = cls.ask("up", "--bin", os.environ["TASKMESH_BINARIES"])

    @classmethod
    def ask(cls, *words):
        return subprocess.run([sys.executable, COMMAND, *words], env=cls.environment, capture_output=True, text=True, timeout=300)

    def told(self, *words):
        done = self.ask(*words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def task_of(self, service):
        return re.search(rf"^task +({service}-\w+) at [\d.]+: running, healthy", self.told("status"), re.MULTILINE)[1]

    def test_1_up_starts_a_box_and_deploys_the_stacks(self):
        self.assertEqual(self.started.returncode, 0, self.started.stdout + self.started.stderr)
        for stack, template in (("taskmesh-vpc", "vpc.yaml"), ("taskmesh-cp", "control-plane.yaml"), ("taskmesh-demo", "demo.yaml")):
            self.assertIn(f"stack {stack} from {template}", self.started.stdout)

    def test_2_status_shows_stacks_services_tasks_containers_and_names(self):
        status = self.told("status")
        for line in (r"stacks +taskmesh-vpc, taskmesh-cp, taskmesh-demo", r"service +kv: 1 of 1 run, completed, taskmesh-demo-kv:1",
                     r"task +demo-app-\w+ at 10\.0\.[\d.]+: running, healthy", r" +sidecar: running, healthy", r" +migrate: exit code 0",
                     r"name +control-plane\.mesh\.internal → 10\.0\.[\d.]+"):
            self.assertRegex(status, re.compile(f"^{line}", re.MULTILINE))

    def test_3_logs_exec_and_curl_reach_into_a_task(self):
        self.assertIn("[sidecar] ready", self.told("logs", "kv", "sidecar"))
        url = "http://127.0.0.1:5000/api/counter"
        self.assertIn("counter", json.loads(self.told("exec", "demo-app", "app", "wget", "-q", "-O", "-", url)))
        self.assertIn("counter", json.loads(self.told("curl", "demo-app", url)))
        self.assertEqual(self.told("exec", "kv", "sidecar", "id", "-u"), "5678\n")
        self.assertEqual(self.ask("exec", "kv", "sidecar", "sh", "-c", "exit 7").returncode, 7)

    def test_4_aws_asks_anything_of_the_api(self):
        names = [stack["StackName"] for stack in json.loads(self.told("aws", "cloudformation", "DescribeStacks"))["Stacks"]]
        self.assertIn("taskmesh-demo", names)
        roles = json.loads(self.told("aws", "iam", "ListRoles", '{"PathPrefix": "/taskmesh/"}'))["Roles"]
        self.assertEqual(len(roles), 2)

    def test_5_scale_stop_task_and_kill_task(self):
        self.assertIn("service    kv: 2 of 2 run, completed", self.told("scale", "kv", "2"))
        for command, said in (("stop-task", "stopped"), ("kill-task", "killed")):
            task = self.task_of("kv")
            self.assertIn(said, self.told(command, task))
            lab.wait_for(lambda: f"task       {task} " not in (status := self.told("status")) and "kv: 2 of 2 run, completed" in status, "another takes its place", 60)
        self.assertIn("service    kv: 1 of 1 run, completed", self.told("scale", "kv", "1"))

    def test_6_up_again_updates_a_stack(self):
        self.assertIn("service    kv: 1 of 1 run, completed, taskmesh-demo-kv:2", self.told("up", "taskmesh-demo.KvVersion=2"))

    def test_7_what_cannot_be_done_is_said(self):
        for words, code, said in ((["fly"], 2, "./run ecs COMMAND"), (["logs"], 2, "./run ecs COMMAND"), (["logs", "nobody"], 1, "there is no task or service nobody"),
                                  (["scale", "nobody", "2"], 1, "there is no service nobody"), (["up", "--plan", "kong-mesh-ecs.json"], 1, "the stacks of another plan"),
                                  (["up", "taskmesh-demo.Typo=1"], 1, "has no parameters Typo")):
            done = self.ask(*words)
            self.assertEqual((done.returncode, said in done.stdout + done.stderr), (code, True), done.stdout + done.stderr)

    def test_8_down_deletes_the_stacks_and_ends_the_box(self):
        ended = self.told("down")
        self.assertIn("deleting stack taskmesh-vpc", ended)
        self.assertIn("the box ends", ended)
        lab.wait_for(lambda: self.ask("status").returncode == 1, "the box is gone", 30)
        self.assertIn("the box does not run", self.ask("status").stderr)


if __name__ == "__main__":
    unittest.main()
