"""Route 53 for one machine. moto holds the hosted zones; what it lets pass and AWS does not, is refused in front of it:
batches that are too large, deletes of what is not there exactly so, names that are taken. dnsmasq answers with what the
zones hold, and another one in front of it caches as the resolver of a VPC does: also that a name is not there. Python's
standard library only.
"""
import collections
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree
import xml.sax.saxutils

import aws_lab
import lab

ROOT = "/2013-04-01/"
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
CHANGE, LIST, GET_ZONE, GET_CHANGE = "ChangeResourceRecordSets", "ListResourceRecordSets", "GetHostedZone", "GetChange"
DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")

Record = collections.namedtuple("Record", "name type values ttl identifier weight", defaults=(60, "", None))
Request = collections.namedtuple("Request", "time action outcome writer changes")  # writer: who signs the batch's epoch


def read_document(body):
    return xml.etree.ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body))


def read_record(element):
    weight = element.findtext("Weight")
    return Record(element.findtext("Name").lower(), element.findtext("Type"), tuple(value.text for value in element.iter("Value")),
                  int(element.findtext("TTL", "0")), element.findtext("SetIdentifier", ""), int(weight) if weight else None)


def batch_document(changes):
    """`changes`: [(action, Record)]."""
    def element(name, text):
        return f"<{name}>{xml.sax.saxutils.escape(str(text))}</{name}>"

    def one(action, record):
        routing = element("SetIdentifier", record.identifier) + element("Weight", record.weight) if record.identifier else ""
        values = "".join(f"<ResourceRecord>{element('Value', value)}</ResourceRecord>" for value in record.values)
        return (f"<Change>{element('Action', action)}<ResourceRecordSet>{element('Name', record.name)}{element('Type', record.type)}{routing}"
                f"{element('TTL', record.ttl)}<ResourceRecords>{values}</ResourceRecords></ResourceRecordSet></Change>")
    return (f'<ChangeResourceRecordSetsRequest xmlns="{NAMESPACE}"><ChangeBatch><Changes>{"".join(one(*change) for change in changes)}'
            "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>").encode()


class Held:
    """A batch that is under way: `arrived` when it came in, and goes on with `go`. `after`: it is applied already then, and
    only its answer is missing. `outcome` tells what became of it once `ended`."""

    def __init__(self, after=False):
        self.after, self.outcome = after, None
        self.arrived, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()


class Route53:
    """`granted` are the actions that the role may do. `faults` befall the next batches, `fault(action)` every request:
    "throttled", "busy", "error", "lost request", "lost answer", "half", "stall" (until `released`), or a Held."""

    def __init__(self, moto):
        self.moto, self._lock, self._zones = moto, threading.RLock(), {}
        self.granted = {GET_ZONE, LIST, CHANGE}
        self.faults, self.fault, self.released = collections.deque(), None, threading.Event()
        self.bad = set()  # names that no batch may hold; the refusal does not say which
        self.journal, self.on_change = [], lambda: None

    # --- as administrators do it: without rules, straight to moto

    def ask(self, method, path, body=b""):
        status, answer = self.moto.send(body, "route53", method=method, path=ROOT + path, content_type="text/xml")
        if status // 100 != 2:
            raise lab.Failure(f"moto: {method} {path}: {status} {answer[:300]}")
        return read_document(answer)

    def create(self, domain, private=True, negative_ttl=1):
        network = "<VPC><VPCRegion>eu-west-1</VPCRegion><VPCId>vpc-1</VPCId></VPC>" if private else ""
        body = (f'<CreateHostedZoneRequest xmlns="{NAMESPACE}"><Name>{domain}</Name>{network}<CallerReference>{time.monotonic_ns()}</CallerReference>'
                f"<HostedZoneConfig><PrivateZone>{str(private).lower()}</PrivateZone></HostedZoneConfig></CreateHostedZoneRequest>")
        zone = self.ask("POST", "hostedzone", body.encode()).findtext(".//HostedZone/Id").rsplit("/", 1)[1]
        self.change(zone, ("UPSERT", Record(f"{domain}.", "SOA", (f"ns.{domain}. hostmaster.{domain}. 1 7200 900 1209600 {negative_ttl}",), negative_ttl)))
        return zone

    def change(self, zone, *changes):
        with self._lock:
            self.ask("POST", f"hostedzone/{zone}/rrset/", batch_document(changes))
            self._zones.pop(zone, None)
        self.on_change()

    def records(self, zone):
        found, query = [], {"maxitems": "300"}
        while True:
            with self._lock:
                page = self.ask("GET", f"hostedzone/{zone}/rrset?{urllib.parse.urlencode(query)}")
            found += [read_record(element) for element in page.iter("ResourceRecordSet")]
            if page.findtext("IsTruncated") != "true":
                return found
            query = {"maxitems": "300", "name": page.findtext("NextRecordName"), "type": page.findtext("NextRecordType"),
                     "identifier": page.findtext("NextRecordIdentifier")}
            query = {key: value for key, value in query.items() if value}

    def addresses(self, zone):
        """{"redis.mesh.local": "127.1.0.0", …}: the A records; those that there are twice have both."""
        found = collections.defaultdict(list)
        for record in self.records(zone):
            if record.type == "A":
                found[record.name.rstrip(".")] += record.values
        return {name: " ".join(values) for name, values in found.items()}

    # --- as the stand-in has it from who signed

    @staticmethod
    def action(method, path):
        found = re.fullmatch(r"/2013-04-01/(hostedzone|change)/([A-Z0-9]+)(/rrset/?)?(\?.*)?", path)
        if not found:
            return f"{method} {path}"
        kind, _, records, _ = found.groups()
        return {("hostedzone", "GET", False): GET_ZONE, ("hostedzone", "GET", True): LIST, ("hostedzone", "POST", True): CHANGE,
                ("change", "GET", False): GET_CHANGE}.get((kind, method, bool(records)), f"{method} {path}")

    def count(self, action, since=0):
        return sum(request.action == action for request in self.journal[since:])

    def answer(self, action, method, path, body):
        began = time.monotonic()
        changes = [(change.findtext("Action"), read_record(change.find("ResourceRecordSet"))) for change in read_document(body).iter("Change")] if body else []
        writer = next((record.values[0] for act, record in changes if act == "CREATE" and "._taskmesh." in record.name), "")
        fault = self.faults.popleft() if action == CHANGE and self.faults else self.fault(action) if self.fault else None
        outcome = fault if isinstance(fault, str) else "cut"
        try:
            status, answer = self._answer(action, method, path, body, changes, fault)
            outcome = "200" if status == 200 else re.search(rb"<Code>(\w+)</Code>", answer).group(1).decode()
            return status, answer
        except aws_lab.Refused as refused:
            outcome = refused.code
            raise
        finally:
            with self._lock:
                self.journal.append(Request(began, action, outcome, writer, len(changes)))
            if isinstance(fault, Held):
                fault.outcome = outcome
                fault.ended.set()

    def _answer(self, action, method, path, body, changes, fault):
        if action not in self.granted:
            raise aws_lab.Refused("AccessDenied")
        if fault == "throttled":
            return 400, aws_lab.error_document("Throttling", "Rate exceeded")
        if fault == "busy":
            return 400, aws_lab.error_document("PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request.")
        if fault == "error":
            return 500, aws_lab.error_document("InternalFailure", "We encountered an internal error.")
        if fault == "lost request":
            raise aws_lab.Cut()
        if fault == "stall":
            self.released.wait(60)
            raise aws_lab.Cut()
        if isinstance(fault, Held) and not fault.after:
            fault.arrived.set()
            fault.go.wait(60)
        with self._lock:  # a batch is applied whole, and nobody sees half of it
            if action == CHANGE:
                zone = path.removeprefix(ROOT + "hostedzone/").split("/")[0]
                problems, after = self._try(zone, changes)
                if problems:
                    return 400, aws_lab.error_document("InvalidChangeBatch", f"[{', '.join(problems)}]")
                self._apply(zone, changes)
                self._zones[zone] = after
                status, answer = 200, self._change_info(action, "PENDING")
            elif action == GET_CHANGE:
                status, answer = 200, self._change_info(action, "INSYNC")
            else:
                status, answer = self.moto.send(body, "route53", method=method, path=path, content_type="text/xml")
        if action == CHANGE:
            self.on_change()
        if isinstance(fault, Held) and fault.after:
            fault.arrived.set()
            fault.go.wait(60)
        if fault == "lost answer":
            raise aws_lab.Cut()
        if fault == "half":
            raise aws_lab.Cut(status, answer)
        return status, answer

    @staticmethod
    def _change_info(action, status):
        return (f'<?xml version="1.0"?><{action}Response xmlns="{NAMESPACE}"><ChangeInfo><Id>/change/C{time.monotonic_ns()}</Id><Status>{status}</Status>'
                f"<SubmittedAt>2026-11-24T12:00:00Z</SubmittedAt></ChangeInfo></{action}Response>").encode()

    def _apply(self, zone, changes):
        """moto knows a batch neither as a whole nor as new when it held the same once before: it gets upserts, which count
        twice, and so in parts."""
        changes = [("DELETE" if action == "DELETE" else "UPSERT", record) for action, record in changes]
        for begin in range(0, len(changes), 400):
            self.ask("POST", f"hostedzone/{zone}/rrset/", batch_document(changes[begin:begin + 400]))

    def _try(self, zone, changes):
        """What AWS would say against the batch, and what the zone holds after it."""
        if zone not in self._zones:
            self._zones[zone] = {(record.name, record.type, record.identifier): record for record in self.records(zone)}
        after, problems = dict(self._zones[zone]), []
        doubled = [2 if action == "UPSERT" else 1 for action, _ in changes]
        if sum(times * len(record.values) for times, (_, record) in zip(doubled, changes)) > 1000:
            return ["Number of records limit of 1000 exceeded."], after
        if sum(times * sum(map(len, record.values)) for times, (_, record) in zip(doubled, changes)) > 32_000:
            return ["Number of characters limit of 32000 exceeded."], after
        by_name = collections.defaultdict(set)
        for key in after:
            by_name[key[0]].add(key)
        bad = False
        for action, record in changes:
            key = (record.name, record.type, record.identifier)
            shown = f"[name='{record.name}', type='{record.type}'" + (f", set-identifier='{record.identifier}']" if record.identifier else "]")
            if action == "DELETE":
                if key not in after:
                    problems.append(f"Tried to delete resource record set {shown} but it was not found")
                elif after[key] != record:
                    problems.append(f"Tried to delete resource record set {shown} but the values provided do not match the current values")
                else:
                    del after[key]
                    by_name[record.name].remove(key)
                continue
            if action == "CREATE" and key in after:
                problems.append(f"Tried to create resource record set {shown} but it already exists")
            others = by_name[record.name] - {key}
            if any("CNAME" in (kind, record.type) or (kind == record.type and bool(identifier) != bool(record.identifier)) for _, kind, identifier in others):
                problems.append(f"RRSet with DNS name {record.name}, type {record.type} conflicts with another RRSet of the same name")
            bad = bad or record.name.rstrip(".") in self.bad
            after[key] = record
            by_name[record.name].add(key)
        if bad and not problems:
            problems.append("Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)'")
        return problems, after


class Resolver:
    """The DNS of a VPC at `address`: every program of the lab has it in its /etc/resolv.conf. It holds answers for as long as
    the zone says, also negative ones."""

    def __init__(self, directory, route53, zone, domain, address="10.77.0.1"):
        if DNSMASQ is None:
            raise lab.Failure("dnsmasq is missing (Debian package dnsmasq-base)")
        self.route53, self.zone = route53, zone
        self.hosts, self._log = directory / "zone-hosts", open(directory / "dnsmasq.log", "ab")
        self._news, self._ends = threading.Event(), False
        self.negative_ttl = next(int(record.values[0].split()[-1]) for record in route53.records(zone) if record.type == "SOA")
        self._write()
        common = [DNSMASQ, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root", "--pid-file=",
                  "--log-facility=-"]
        self._authority = self._start(*common, "--port=5300", "--listen-address=127.0.0.1", f"--auth-server=ns.{domain},127.0.0.1", f"--auth-zone={domain}",
                                      f"--auth-ttl={self.negative_ttl}", f"--addn-hosts={self.hosts}")
        self._cache = self._start(*common, "--port=53", f"--listen-address={address}", "--cache-size=10000",
                                  f"--server=/{domain}/127.0.0.1#5300", "--local=/#/")
        self._mounted = []
        for name, text in (("resolv.conf", f"nameserver {address}\noptions timeout:1 attempts:3\n"), ("nsswitch.conf", "hosts: files dns\n")):
            (directory / name).write_text(text)
            subprocess.run(["mount", "--bind", directory / name, f"/etc/{name}"], check=True)
            self._mounted.append(f"/etc/{name}")
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        route53.on_change = self._news.set

    def _start(self, *command):
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)

    def serves(self, name):
        """Whether the authority has an address for it: asked past the cache, which then does not learn that it is not there."""
        question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack(">2H", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.sendto(struct.pack(">6H", 1, 0, 1, 0, 0, 0) + question, ("127.0.0.1", 5300))
            return struct.unpack(">H", asking.recv(512)[6:8])[0] > 0

    def _write(self):
        lines = [f"{value} {record.name.rstrip('.')}\n" for record in self.route53.records(self.zone) if record.type == "A" for value in record.values]
        draft = self.hosts.with_suffix(".new")
        draft.write_text("".join(lines))
        draft.replace(self.hosts)

    def _follow(self):
        while True:
            self._news.wait()
            self._news.clear()
            if self._ends:
                return
            self._write()
            self._authority.send_signal(signal.SIGHUP)

    def close(self):
        self.route53.on_change = lambda: None
        self._ends = True
        self._news.set()
        self._thread.join()
        for path in self._mounted:
            subprocess.run(["umount", path], check=True)
        for process in (self._authority, self._cache):
            process.kill()
            process.wait()
