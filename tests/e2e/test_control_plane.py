import lab
from mesh_case import MeshCase


class Restart(MeshCase):
    mtls = True
    kv_instances = 2

    def removals(self):
        """What Envoys were told to throw away. A proxy that got an empty configuration would show here."""
        return {task.name: (task.stat("listener_manager.listener_removed"), task.stat("cluster_manager.cluster_removed"))
                for task in (*self.kv, self.app)}

    def is_in_sync(self, name):
        insight = self.control_plane.overview(name)["dataplaneInsight"]
        newest = insight["subscriptions"][-1]
        return "disconnectTime" not in newest and self.app_connected(name)

    def wait_until_written_down(self):
        """Who is live is written within a second; what a control plane never wrote it cannot know after a kill."""
        for task in self.kv:
            lab.wait_for(lambda task=task: self.control_plane.overview(task.name)["dataplaneInsight"].get("live"), f"{task.name} is known to be live")

    def app_connected(self, name):
        task = next(task for task in self.lab.tasks if task.name == name)
        return task.stat("control_plane.connected_state") == 1

    def test_after_a_kill_keeps_traffic_and_configuration(self):
        before = self.removals()
        self.wait_until_written_down()
        with lab.Traffic(self.app.counter) as traffic:
            traffic.more(50)
            self.control_plane.kill()
            lab.wait_for(lambda: self.app.stat("control_plane.connected_state") == 0, "demo-app's Envoy has lost the control plane")
            traffic.more(200)
            self.control_plane.start().wait_until_ready()
            for task in (*self.kv, self.app):
                lab.wait_for(lambda task=task: self.is_in_sync(task.name), f"{task.name} is in sync again", timeout=60)
            traffic.more(200)
        self.assert_nothing_lost(traffic)
        self.assertEqual(self.instances_in(20), {"kv-1", "kv-2"}, "no endpoint was lost")
        self.assertEqual(self.removals(), before)

        self.control_plane.forbid("demo-app", "kv")
        lab.wait_for(lambda: self.app.counter().status == 403, "a change after the restart arrives")
        self.control_plane.permit("demo-app", "kv")
        self.wait_for_traffic()

    def test_leaves_time_to_a_task_that_stops_meanwhile(self):
        task = self.new_task("kv").start().wait_until_ready()
        self.wait_for_instance(task.name)
        self.control_plane.kill()
        task.stop()
        self.assertEqual(task.sidecar.wait(), 0)
        self.control_plane.start().wait_until_ready()
        lab.wait_for(lambda: all(self.is_in_sync(it.name) for it in (*self.kv, self.app)), "in sync again", timeout=60)
        lab.wait_for(lambda: task.name not in self.instances_in(10), f"{task.name} is forgotten")


class OneConnection(MeshCase):
    mtls = True

    def connections_of(self, task):
        """To the control plane's port, of everything in the task."""
        with lab.inside(task.name), open("/proc/thread-self/net/tcp") as table:
            lines = [line.split() for line in table][1:]
        established = "01"
        return sum(line[3] == established and line[2].endswith(f":{5678:04X}") for line in lines)

    def assert_all_have_one(self):
        for task in (*self.kv, self.app):
            self.assertEqual(self.connections_of(task), 1, task.name)

    def test_carries_discovery_and_reports_and_does_so_again_after_a_loss(self):
        self.assert_all_have_one()
        self.assertNotIn("authorization", (self.kv[0].directory / "bootstrap.yaml").read_text(), "Envoy needs no token")
        self.control_plane.kill()
        lab.wait_for(lambda: self.app.stat("control_plane.connected_state") == 0, "demo-app's Envoy has lost the control plane")
        self.control_plane.start().wait_until_ready()
        for task in (*self.kv, self.app):
            lab.wait_for(lambda task=task: task.stat("control_plane.connected_state") == 1 and self.connections_of(task) == 1,
                         f"{task.name} is back, over one connection")
        fresh = self.new_task("kv").start().wait_until_ready()
        self.wait_for_instance(fresh.name)

    def test_is_two_when_the_sidecar_is_not_to_carry(self):
        task = self.new_task("kv").start(environment={"KMESH_DATAPLANE_CARRY_DISCOVERY": "false"}).wait_until_ready()
        self.wait_for_instance(task.name)
        self.assertEqual(self.connections_of(task), 2)


class Sidecar(MeshCase):
    def test_waits_for_a_control_plane_that_comes_later(self):
        task = self.new_task("kv")
        token = self.control_plane.token("kv")
        self.control_plane.kill()
        task.start(token=token)
        lab.wait_for(lambda: "waiting for the control plane" in task.sidecar.log(), "it says what it waits for")
        self.control_plane.start()
        task.wait_until_ready()
        self.wait_for_instance(task.name)
