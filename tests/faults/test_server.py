"""What may happen to the server of the database."""
import threading

import database
import lab
from fault_case import HOST, PATIENCE, FaultCase


class Server(FaultCase):
    megabytes = 220

    def test_1_kill(self):
        with self.fault("kill -9 of the server") as fault:
            self.server.kill()
            for writes in fault.writes:
                writes.wait_until_refused("connect")
            self.server.start(wait=False)
            self.server.wait_until_ready()
            fault.is_over()

    def test_2_another_address(self):
        with self.fault("another address under the same name") as fault:
            self.server.kill()
            self.server.move("10.77.0.51")
            for writes in fault.writes:
                writes.wait_until_refused("connect")
            self.server.start()
            self.names.set(HOST, self.server.address)
            fault.is_over()

    def test_3_no_connections_left(self):
        with self.fault("connections exhausted") as fault:
            with self.server.taken_connections():
                for writes in fault.writes:
                    def refused():
                        self.server.cut_all_connections()
                        return any("too many clients" in text or "connection slots" in text for _, text in writes.refusals)
                    lab.wait_for(refused, f"{writes.plane.name} says that no connection is left", PATIENCE, pause=0.2)
            fault.is_over()

    def test_4_no_space_left(self):
        with self.fault("disk full", payload=20_000) as fault:
            with self.server.filled_disk():
                for writes in fault.writes:
                    writes.wait_until_refused("space", "connect")  # it may end over it
                self.assertIn("No space left on device", self.server.log())
            self.server.revive()
            fault.is_over()

    def test_5_a_slow_statement(self):
        self.server.ask("""
            CREATE TABLE IF NOT EXISTS public.slow ();
            GRANT SELECT ON public.slow TO mesh;
            CREATE OR REPLACE FUNCTION public.be_slow() RETURNS trigger LANGUAGE plpgsql VOLATILE AS
              $$ BEGIN WHILE EXISTS (SELECT FROM public.slow) LOOP PERFORM pg_sleep(0.05); END LOOP; RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON taskmesh.resources FOR EACH ROW WHEN (NEW.name = 'slow') EXECUTE FUNCTION public.be_slow()""")
        with self.fault("a slow statement") as fault:
            self.server.ask("INSERT INTO public.slow DEFAULT VALUES")
            answers = []
            slow = threading.Thread(target=lambda: answers.append(self.one.api("PUT", "/global-secrets/slow", {
                "type": "GlobalSecret", "name": "slow", "data": "c2xvdw=="}, timeout=60)))
            slow.start()
            fault.writes[1].wait_until_refused("lock")
            for plane in self.planes:
                self.assertEqual(plane.expect("GET", "/meshes/default").status, 200)  # it holds up writers only
            self.server.ask("DELETE FROM public.slow")
            fault.is_over()
            slow.join()
            # As late as that: written, or refused because it took too long. Never half of it.
            self.assertIn(answers[0].status, (200, 201, 503), answers[0].text)
            there = self.two.api("GET", "/global-secrets/slow").status
            self.assertEqual(there, 404 if answers[0].status == 503 else 200)
        self.server.ask("DROP TRIGGER slow ON taskmesh.resources")

    def test_6_a_deadlock(self):
        secret = {"type": "GlobalSecret", "name": "contested", "data": "b25l"}
        self.one.expect("PUT", "/global-secrets/contested", secret)
        deadlocks = self.server.log().count("deadlock detected")
        other = database.Session(self.server)
        try:
            with self.fault("a deadlock") as fault:
                other.ask("SET deadlock_timeout = '30s'; BEGIN; SELECT 1 FROM taskmesh.resources WHERE name = 'contested' FOR UPDATE")
                answers = []
                contested = threading.Thread(target=lambda: answers.append(self.one.api("PUT", "/global-secrets/contested", {
                    **secret, "data": "dHdv"}, timeout=60)))
                contested.start()
                lab.wait_for(lambda: self.server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mesh' AND wait_event_type = 'Lock' "
                                                     "AND query LIKE 'INSERT INTO taskmesh.resources%'") != "0", "a write waits for it", PATIENCE)
                other.tell("SELECT 1 FROM taskmesh.store FOR UPDATE")  # which that write holds
                lab.wait_for(lambda: self.server.log().count("deadlock detected") > deadlocks, "the server sees a deadlock", PATIENCE)
                other.answer()
                other.ask("ROLLBACK")
                fault.is_over()
                contested.join()
                self.assertEqual(answers[0].status // 100, 2, answers[0].text)
            self.assertEqual(self.two.expect("GET", "/global-secrets/contested").json()["data"], "dHdv")
        finally:
            other.close()


if __name__ == "__main__":
    raise SystemExit("run it with tests/e2e/run.py --folder tests/faults")
