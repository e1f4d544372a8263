"""What the tests share: a mesh with a control plane, one kv and one demo-app, made once per class."""
import os
import sys
import unittest

import lab


class MeshCase(unittest.TestCase):
    mtls = False
    kv_instances = 1

    @classmethod
    def setUpClass(cls):
        stock = [part for part in os.environ.get("TASKMESH_STOCK_PARTS", "").split(",") if part]
        cls.lab = lab.Lab(os.environ["TASKMESH_BINARIES"], stock=stock)
        cls.addClassCleanup(cls.lab.close)
        try:
            cls.build()
        except lab.Failure as problem:
            print(f"{problem}\n{cls.lab.problem_report()}", file=sys.stderr)
            raise

    @classmethod
    def build(cls):
        cls.control_plane = lab.ControlPlane(cls.lab).start().wait_until_ready()
        if cls.mtls:
            cls.control_plane.enable_mtls()
            cls.control_plane.permit("demo-app", "kv")
        cls.kv = [cls.new_task("kv").start() for _ in range(cls.kv_instances)]
        cls.app = cls.new_task("demo-app").start()
        for task in (*cls.kv, cls.app):
            task.wait_until_ready()
        cls.wait_for_traffic()

    @classmethod
    def new_task(cls, service):
        number = 1 + sum(task.service == service for task in cls.lab.tasks)
        return lab.Task(cls.lab, cls.control_plane, service, f"{service}-{number}")

    @classmethod
    def wait_for_traffic(cls):
        lab.wait_for(lambda: cls.app.counter().status == 200, "demo-app reaches kv")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(f"\n{self.id()} failed; the parts said last:\n{self.lab.problem_report()}", file=sys.stderr)

    def assert_nothing_lost(self, traffic):
        self.assertEqual([failure for _, failure in traffic.failures[:5]], [], f"{len(traffic.failures)} of {traffic.total} failed")

    def wait_for_instance(self, name):
        lab.wait_for(lambda: self.app.counter().json().get("instance") == name, f"{name} answers")

    def instances_in(self, count):
        """Which instances answer this many requests."""
        return {self.app.counter().json().get("instance") for _ in range(count)}
