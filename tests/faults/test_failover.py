"""The primary dies, and its standby takes over."""
import database
import lab
from fault_case import PATIENCE, FaultCase

HOSTS = ("db1.mesh.test", "db2.mesh.test")


class Failover(FaultCase):
    @classmethod
    def make_servers(cls):
        cls.primary = cls.new_server("db1", "10.77.0.51", HOSTS[0]).make("first")
        cls.standby = cls.new_server("db2", "10.77.0.52", HOSTS[1])
        cls.follow(cls.standby, cls.primary)
        return {"KUMA_STORE_POSTGRES_HOST": ",".join(HOSTS)}

    @classmethod
    def follow(cls, standby, primary):
        """Makes `standby` a copy of `primary` that it waits for with every commit."""
        primary.ask("CREATE ROLE standby LOGIN REPLICATION" if not primary.ask("SELECT 1 FROM pg_roles WHERE rolname = 'standby'") else "SELECT 1")
        standby.run("pg_basebackup", "-h", primary.address, "-p", database.PORT, "-U", "standby", "-D", standby.directory / "data", "-R",
                    "-X", "stream", "-c", "fast", "--no-sync", "-d", f"application_name={standby.name} sslmode=require")
        standby.start()
        primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.ask("SELECT pg_reload_conf()")
        lab.wait_for(lambda: primary.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1", "every commit waits for the standby",
                     PATIENCE)

    def test_1_the_primary_dies(self):
        epoch = self.primary.ask("SELECT epoch FROM taskmesh.store")
        with self.fault("failover to a synchronous standby") as fault:
            self.primary.kill()
            for writes in fault.writes:
                writes.wait_until_refused("connect", "not known")
            fault.is_over()
            self.standby.ask("SELECT pg_promote()")
        self.assertNotEqual(self.standby.ask("SELECT epoch FROM taskmesh.store"), epoch)
        self.assertTrue(any("new life" in plane.part.log() for plane in self.planes))

    def test_2_the_old_primary_comes_back_as_one(self):
        """It is the first of the hosts, and nobody told it that it was replaced."""
        self.primary.settings = ["synchronous_standby_names="]
        self.primary.start()
        before = self.primary.ask("SELECT revision FROM taskmesh.store")
        with self.fault("the replaced primary comes back as one") as fault:
            self.standby.cut_all_connections()
            fault.is_over()
        self.assertEqual(self.primary.ask("SELECT revision FROM taskmesh.store"), before)
        self.primary.kill()
        self.primary.settings = []

    def test_3_and_back_while_the_standby_is_slow_to_confirm(self):
        """The one that died comes back as the standby, and the new primary is ended while a commit waits for it."""
        self.primary.remove_data()
        self.follow(self.primary, self.standby)
        with self.fault("failover back, in the middle of commits that were not confirmed") as fault:
            self.primary.unplug()  # the standby, now: nothing is confirmed any more
            lab.wait_for(lambda: self.standby.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0",
                         "a commit waits for the standby", PATIENCE)
            self.standby.kill()
            self.primary.plug_in()
            fault.is_over()
            self.primary.ask("SELECT pg_promote()")


if __name__ == "__main__":
    raise SystemExit("run it with tests/e2e/run.py --folder tests/faults")
