"""The VPC's resolver: dnsmasq, fed with what Route 53 zones and Cloud Map hold, read through the API."""
import subprocess
import time

import lab


class Resolver:
    """`own` are names that AWS itself answers for: endpoints of its APIs, of databases, of load balancers."""

    def __init__(self, aws, network, directory, reach):
        self.aws, self.network, self.reach = aws, network, reach
        self.hosts, self.own = directory / "hosts", {}
        self._shown, self._domains = None, None
        self.hosts.write_text("")
        self._log = open(directory / "dnsmasq.log", "ab")
        self._process = None
        self._start(())

    def _start(self, domains):
        """dnsmasq reads records anew on SIGHUP, but domains only at its start."""
        if self._process:
            self._process.kill()
            self._process.wait()
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root", "--pid-file=",
                   f"--listen-address={self.network.dns}", "--except-interface=lo", f"--addn-hosts={self.hosts}", "--local-ttl=1", "--cache-size=0",
                   "--log-facility=-", "--local=/#/", f"--address=/amazonaws.com/{self.network.aws}", *(f"--local=/{domain}/" for domain in domains)]
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)
        self._domains = domains
        time.sleep(0)
        lab.wait_for(lambda: self._process.poll() is None, "dnsmasq runs")

    def close(self):
        self._process.kill()
        self._process.wait()

    def records(self):
        """[(name, address)] of everything that has an address."""
        found = [(name, address) for name, addresses in self.own.items() for address in addresses]
        discovery = self.aws.client("servicediscovery")
        for namespace in discovery.list_namespaces()["Namespaces"]:
            for service in discovery.list_services(Filters=[{"Name": "NAMESPACE_ID", "Values": [namespace["Id"]]}])["Services"]:
                for instance in discovery.list_instances(ServiceId=service["Id"])["Instances"]:
                    found.append((f"{service['Name']}.{namespace['Name']}", instance["Attributes"]["AWS_INSTANCE_IPV4"]))
        route53 = self.aws.client("route53")
        for zone in route53.list_hosted_zones()["HostedZones"]:
            for page in route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"]):
                for record in page["ResourceRecordSets"]:
                    found += self._of_record(record)
        return sorted(set(found))

    def own_records(self, zone):
        """What somebody put into this hosted zone, whatever its type."""
        pages = self.aws.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        return [record for page in pages for record in page["ResourceRecordSets"] if record["Type"] not in ("NS", "SOA")]

    def _of_record(self, record):
        name = record["Name"].rstrip(".")
        if record["Type"] == "A" and "AliasTarget" in record:
            return [(name, address) for address in self.own.get(record["AliasTarget"]["DNSName"].rstrip(".").removeprefix("dualstack."), ())]
        if record["Type"] == "A":
            return [(name, value["Value"]) for value in record["ResourceRecords"]]
        return []

    def refresh(self):
        records, endpoints = self.records(), self.reach.names()
        if (records, endpoints) == self._shown:
            return
        self._shown = (records, endpoints)
        text = "".join(f"{address} {name}\n" for name, address in [*records, *((name, self.network.endpoints) for name in endpoints)])
        draft = self.hosts.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.hosts)
        self._process.send_signal(1)
