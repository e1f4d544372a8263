"""What may happen on the way to the database: keys, passwords, the network."""
import re
import time

import database
import lab
from fault_case import HOST, PATIENCE, FaultCase


class Way(FaultCase):
    @classmethod
    def make_servers(cls):
        # Proxies come anew all the time, during the faults as well.
        return super().make_servers() | {"KUMA_DP_SERVER_MAX_CONNECTION_AGE": "5s"}

    @staticmethod
    def streams_at(plane):
        """The numbers of the discovery streams that were served, as far as its log tells."""
        return {int(number) for number in re.findall(r"stream (\d+): holds", plane.part.log())}

    def until_all_are_refused(self, fault, reason, what):
        """Connections are cut until each control plane was refused anew, for this reason."""
        for writes in fault.writes:
            seen = len(writes.refusals)

            def refused():
                self.server.cut_all_connections()
                return any(reason in text for _, text in writes.refusals[seen:])
            lab.wait_for(refused, f"{writes.plane.name} {what}", PATIENCE, pause=0.2)

    def test_1_certificate_rotated(self):
        with self.fault("TLS certificate rotated") as fault:
            self.server.set_certificate(*self.authority.issue(HOST))
            self.server.cut_all_connections()
            fault.is_over()

    def test_2_authority_rotated(self):
        new = database.Authority(self.lab.directory, "new-authority")
        with self.fault("TLS authority rotated, the server first") as fault:
            self.server.set_certificate(*new.issue(HOST))
            self.until_all_are_refused(fault, "certificate verify failed", "does not believe the server")
            self.trusted.write_text(self.authority.certificate.read_text() + new.certificate.read_text())
            fault.is_over()

    def test_3_password_rotated(self):
        with self.fault("password rotated, in the database first") as fault:
            self.server.ask("ALTER ROLE mesh PASSWORD 'second'")
            self.until_all_are_refused(fault, "password authentication failed", "is not let in")
            self.password.write_text("second\n")
            fault.is_over()
        for plane in self.planes:
            self.assertNotIn("second", plane.part.log())

    def test_4_network_cut(self):
        with self.fault("network cut for both") as fault:
            self.server.unplug()
            for writes in fault.writes:
                writes.wait_until_refused("database")
            self.server.plug_in()
            fault.is_over()

    def test_5_the_leader_alone_is_cut_off(self):
        cut, other = self.leader()
        lab.request("PUT", "127.0.0.1", 5680, "/logging", {"component": "pipeline", "level": "debug"}, namespace=cut.name)
        lab.wait_for(lambda: self.streams_at(cut), f"proxies come anew to {cut.name}", PATIENCE)
        with self.fault("network cut for the leader alone") as fault:
            mine, others = sorted(fault.writes, key=lambda each: each.plane is not cut)
            led = other.part.log().count("leads now")
            self.server.swallow(cut)
            began = time.monotonic()
            lab.wait_for(lambda: other.part.log().count("leads now") > led, "the other one leads", PATIENCE)
            fault.notes.append(f"the lead moved after {time.monotonic() - began:.1f} s")
            mine.wait_until_refused("database")
            others.more(10, "while the other one is cut off")
            lab.wait_for(lambda: "leads no more" in cut.part.log(), "it knows that it does not lead", PATIENCE)

            # Its proxies keep what they have, and those that come back get it from what it knows.
            known = max(self.streams_at(cut))
            lab.wait_for(lambda: max(self.streams_at(cut)) > known, "a proxy comes back, and is served", PATIENCE)
            self.assertEqual(len(set(self.instances())), 2)

            other.expect("PUT", "/meshes/default/meshtimeouts/a-change-meanwhile", {
                "type": "MeshTimeout", "mesh": "default", "name": "a-change-meanwhile",
                "spec": {side: [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "12345ms"}}] for side in ("from", "to")}})
            self.server.swallow(cut, on=False)
            fault.is_over()
            lab.wait_for(lambda: all("12.345s" in task.admin("/config_dump").text for task in self.tasks), "what was written meanwhile arrives", PATIENCE)
            fault.notes.append(f"caught up after {time.monotonic() - fault.over_at:.1f} s")


if __name__ == "__main__":
    raise SystemExit("run it with tests/e2e/run.py --folder tests/faults")
