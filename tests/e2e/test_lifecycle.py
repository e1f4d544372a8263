import os
import signal
import time

import lab
from mesh_case import MeshCase


class RollingUpdate(MeshCase):
    mtls = True
    kv_instances = 2

    def test_loses_no_request(self):
        with lab.Traffic(self.app.counter) as traffic:
            for old in self.kv:
                traffic.more(20)
                fresh = self.new_task("kv").start().wait_until_ready()
                self.wait_for_instance(fresh.name)
                old.stop()
                self.assertEqual(old.sidecar.wait(), 0)
                self.assertEqual(old.app.wait(), 0)
            traffic.more(50)
        self.assert_nothing_lost(traffic)
        self.assertEqual(self.instances_in(10), {"kv-3", "kv-4"})


class Leaving(MeshCase):
    mtls = True
    kv_instances = 2

    def test_withdraws_first_then_drains_then_stops(self):
        leaving = self.kv[0]
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            start = time.monotonic()
            leaving.sidecar.signal(signal.SIGTERM)  # the application knows nothing and goes on
            self.assertEqual(leaving.sidecar.wait(), 0)
            took = time.monotonic() - start
            traffic.more(50)
        self.assert_nothing_lost(traffic)
        self.assertLess(took, 28)
        log = leaving.sidecar.log()
        steps = [log.find(text) for text in ("leaving the mesh first", "withdrawn", "drained", "Envoy stopped")]
        self.assertNotIn(-1, steps, "each step is in the log")
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(self.instances_in(10), {"kv-2"})

    def test_says_terminating_meanwhile(self):
        task = self.new_task("kv").start().wait_until_ready()
        self.wait_for_instance(task.name)
        hold = lab.socket.create_connection  # a connection that stays open keeps it draining
        with lab.inside(task.name):
            held = hold((task.address, 8080), timeout=5)
        task.sidecar.signal(signal.SIGTERM)
        lab.wait_for(lambda: task.readiness().text == "TERMINATING", "readiness says TERMINATING")
        self.assertEqual(task.readiness().status, 503)
        held.close()
        self.assertEqual(task.sidecar.wait(), 0)


class SuddenEnd(MeshCase):
    mtls = True
    kv_instances = 2

    def test_of_a_task_loses_no_request(self):
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            self.kv[0].kill()
            traffic.more(500)
        self.assert_nothing_lost(traffic)
        lab.wait_for(lambda: self.instances_in(5) == {"kv-2"}, "only kv-2 answers")

    def test_of_envoy_ends_the_manager_with_its_failure(self):
        task = self.new_task("kv").start().wait_until_ready()
        os.kill(task.envoy_pid(), signal.SIGKILL)
        self.assertEqual(task.sidecar.wait(10), 137)
        self.assertIn("signal 9", task.sidecar.log())

    def test_of_the_manager_ends_envoy_too(self):
        task = self.new_task("kv").start().wait_until_ready()
        envoy = task.envoy_pid()
        task.sidecar.kill()
        lab.wait_for(lambda: not os.path.exists(f"/proc/{envoy}") or "State:\tZ" in open(f"/proc/{envoy}/status").read(), "Envoy is gone")
