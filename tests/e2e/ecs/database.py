"""RDS: each database instance of the API is a real PostgreSQL server with an address, TLS and the name that RDS would give it."""
import glob
import os
import pathlib
import pwd
import shutil
import subprocess

import lab


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise lab.Failure("PostgreSQL is missing (Debian package postgresql)")
    return pathlib.Path(found[-1]).parent


class Server:
    def __init__(self, network, directory, authority, name, endpoint, user, password, database, subnet, groups):
        self.name, self.endpoint = name, endpoint
        self.place = network.add(f"rds-{name}", subnet, groups)
        self.directory = directory / f"rds-{name}"
        self._account = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--pdeathsig", "KILL", "--"] if os.geteuid() == 0 else []
        self.directory.mkdir()
        self._own(self.directory)
        self._fill(authority, user, password, database)

    def _own(self, path):
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(path, account.pw_uid, account.pw_gid)

    def _fill(self, authority, user, password, database):
        data, secret = self.directory / "data", self.directory / "password"
        secret.write_text(password)
        self._own(secret)
        self._run(programs() / "initdb", "-D", data, "-U", user, "--pwfile", secret, "--auth=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C")
        secret.unlink()
        certificate, key = authority.issue(self.endpoint)
        for name, text in (("server.crt", certificate), ("server.key", key)):
            (data / name).write_text(text)
            (data / name).chmod(0o600)
            self._own(data / name)
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 0.0.0.0/0 scram-sha-256\n")
        self._log = open(self.directory / "postgres.log", "ab")
        command = [programs() / "postgres", "-D", data, "-h", self.place.address, "-p", "5432", "-k", self.directory, "-c", "ssl=on",
                   "-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=32MB"]
        self.process = subprocess.Popen(["ip", "netns", "exec", self.place.namespace, *map(str, (*self._account, *command))], cwd="/",
                                        stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)
        lab.wait_for(lambda: self._ask(user, "SELECT 1") == 0, f"the database {self.name} answers", 30)
        if database and database != "postgres":
            self._run(programs() / "createdb", "-h", self.directory, "-U", user, database)

    def _ask(self, user, query):
        return subprocess.run(list(map(str, (*self._account, programs() / "psql", "-h", self.directory, "-U", user, "-d", "postgres", "-c", query))),
                              cwd="/", capture_output=True).returncode

    def _run(self, *command):
        done = subprocess.run(list(map(str, (*self._account, *command))), cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise lab.Failure(f"{command[0]}: {done.stderr.strip()}")

    def stop(self, network):
        self.process.kill()
        self.process.wait()
        network.remove(self.place)
        shutil.rmtree(self.directory, ignore_errors=True)


def _groups(item):
    return [group["VpcSecurityGroupId"] for group in item.get("VpcSecurityGroups", [])]


class Databases:
    """Starts and stops servers so that they are those that the API describes: instances, and clusters with one instance or more."""

    def __init__(self, aws, network, resolver, directory, authority):
        self.aws, self.network, self.resolver, self.directory, self.authority = aws, network, resolver, directory, authority
        self.servers = {}
        aws.wait_until_available = lambda name: lab.wait_for(lambda: name in self.servers, f"the database {name} is available", 60)

    def _described(self):
        """{name: (endpoint, user, database, subnet group, security groups)}"""
        rds, found, populated = self.aws.client("rds"), {}, set()
        for item in rds.describe_db_instances()["DBInstances"]:
            if item.get("DBClusterIdentifier"):
                populated.add(item["DBClusterIdentifier"])
            else:
                found[item["DBInstanceIdentifier"]] = (item["Endpoint"]["Address"], item["MasterUsername"], item.get("DBName"),
                                                       item.get("DBSubnetGroup", {}).get("DBSubnetGroupName"), _groups(item))
        for item in rds.describe_db_clusters()["DBClusters"] if populated else []:
            if item["DBClusterIdentifier"] in populated:
                found[item["DBClusterIdentifier"]] = (item["Endpoint"], item["MasterUsername"], item.get("DatabaseName"), item.get("DBSubnetGroup"), _groups(item))
        return found

    def refresh(self):
        described = self._described()
        for name in [name for name in self.servers if name not in described]:
            server = self.servers.pop(name)
            self.resolver.own.pop(server.endpoint, None)
            server.stop(self.network)
        for name, (endpoint, user, database, group, groups) in described.items():
            if name not in self.servers:
                server = Server(self.network, self.directory, self.authority, name, endpoint, user, self.aws.database_passwords[name], database,
                                self._subnet(group), groups)
                self.resolver.own[endpoint] = [server.place.address]
                self.resolver.refresh()
                self.servers[name] = server

    def _subnet(self, group):
        if not group or group == "default":
            return None
        subnets = self.aws.client("rds").describe_db_subnet_groups(DBSubnetGroupName=group)["DBSubnetGroups"][0]["Subnets"]
        return self.aws.client("ec2").describe_subnets(SubnetIds=[subnets[0]["SubnetIdentifier"]])["Subnets"][0]["CidrBlock"]

    def close(self):
        for server in self.servers.values():
            server.stop(self.network)
        self.servers.clear()
