import lab
from mesh_case import MeshCase


class Tokens(MeshCase):
    def refused(self, token, name, expected, service="kv"):
        task = self.new_task(service) if name is None else lab.Task(self.lab, self.control_plane, service, name)
        task.start_app()
        task.start_sidecar(token=token)
        lab.wait_for(lambda: expected in task.sidecar.log(), f'the log of {task.name} says "{expected}"', timeout=15)
        self.assertNotEqual(self.readiness_of(task), 200)
        self.assertNotIn(task.name, self.instances_in(10))
        self.assertEqual(self.control_plane.api("GET", f"/meshes/default/dataplanes/{task.name}").status, 404)
        return task

    @staticmethod
    def readiness_of(task):
        try:
            return task.readiness().status
        except OSError:
            return None  # it has ended

    def test_of_another_service_is_refused(self):
        self.refused(self.control_plane.token("demo-app"), "kv-wrong-service", "kuma.io/service")

    def test_of_another_name_is_refused(self):
        self.refused(self.control_plane.token("kv", name="kv-7"), "kv-wrong-name", "kv-7")

    def test_that_was_changed_is_refused(self):
        head, payload, signature = self.control_plane.token("kv").split(".")
        self.refused(".".join([head, payload, signature[::-1]]), "kv-forged", "refused")

    def test_that_is_no_token_stops_the_sidecar_with_a_clear_message(self):
        task = lab.Task(self.lab, self.control_plane, "kv", "kv-garbage").start_app().start_sidecar(token="hello")
        self.assertEqual(task.sidecar.wait(10), 1)
        self.assertIn("does not hold a dataplane token", task.sidecar.log())
        self.assertNotIn("hello", task.sidecar.log())

    def test_missing_one_is_refused(self):
        task = lab.Task(self.lab, self.control_plane, "kv", "kv-no-token").start_app().start_sidecar(token=None)
        self.assertEqual(task.sidecar.wait(15), 1)
        self.assertRegex(task.sidecar.log().lower(), "token")
