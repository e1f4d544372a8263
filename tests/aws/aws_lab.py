"""AWS for one machine: moto, which emulates STS and IAM but believes everybody, and in front of it a stand-in that
verifies what AWS verifies: signatures (version 4), their age, the end of sessions. Both are reached by HTTPS and names
that the programs get by AWS_ENDPOINT_URL and AWS_CA_BUNDLE. In a task's namespace the agent of ECS answers at
169.254.170.2 with credentials of the task's role. Python's standard library only.
"""
import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import pathlib
import re
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.parse
import xml.etree.ElementTree
import xml.sax.saxutils

import lab

ACCOUNT = "123456789012"
MOTO = lab.ROOT / ".tools/moto/bin/moto_server"
FORM = "application/x-www-form-urlencoded"
GLOBAL_SERVICES = ("iam", "route53")  # signed for one region, wherever one is


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def sign(secret, date, region, service, text):
    key = ("AWS4" + secret).encode()
    for part in (date[:8], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def error_document(code, message):
    return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{xml.sax.saxutils.escape(message)}</Message></Error></ErrorResponse>".encode()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # without asking DNS for our own name
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # who asked may have been killed
            super().handle_error(request, client_address)


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Cut(Exception):
    """The answer does not come, or only its first half."""

    def __init__(self, status=None, answer=b""):
        super().__init__("cut")
        self.status, self.answer = status, answer


class Moto:
    """The emulator, on loopback. What it is asked here is asked by the tests themselves, as administrators."""

    def __init__(self, directory):
        self.port = 5999
        self.process = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(self.port)], stdin=subprocess.DEVNULL,
                                        stdout=open(directory / "moto.log", "wb"), stderr=subprocess.STDOUT)
        lab.wait_for(lambda: self.send(b"Action=GetCallerIdentity&Version=2011-06-15", "sts")[0] == 200, "moto answers", 60)

    def close(self):
        self.process.kill()
        self.process.wait()

    def send(self, body, service, key="AKIATESTS", method="POST", path="/", content_type=FORM):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {
                "content-type": content_type, "host": f"{service}.amazonaws.com",
                "authorization": f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, service, action, **fields):
        version = {"sts": "2011-06-15", "iam": "2010-05-08"}[service]
        status, body = self.send(urllib.parse.urlencode({"Action": action, "Version": version, **fields}).encode(), service)
        if status != 200:
            raise lab.Failure(f"moto: {action}: {status} {body[:300]}")
        return re.sub(rb' xmlns="[^"]*"', b"", body)

    def create_role(self, name, tags):
        fields = {"RoleName": name, "AssumeRolePolicyDocument": "{}"}
        for number, (key, value) in enumerate(tags.items(), 1):
            fields |= {f"Tags.member.{number}.Key": key, f"Tags.member.{number}.Value": value}
        self.ask("iam", "CreateRole", **fields)

    def delete_role(self, name):
        self.ask("iam", "DeleteRole", RoleName=name)

    def tag(self, name, key, value):
        self.ask("iam", "TagRole", RoleName=name, **{"Tags.member.1.Key": key, "Tags.member.1.Value": value})

    def untag(self, name, key):
        self.ask("iam", "UntagRole", RoleName=name, **{"TagKeys.member.1": key})

    def session(self, role, session, account=ACCOUNT):
        body = self.ask("sts", "AssumeRole", RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName=session)
        keys = xml.etree.ElementTree.fromstring(body).find(".//Credentials")
        return {child.tag: child.text for child in keys}


class StandIn:
    """Verifies, then hands on to moto. Keeps a journal of (action, outcome). `route53` has rules of its own, see
    route53_lab.py."""

    route53 = None

    def __init__(self, moto, directory, address="10.77.0.1", port=8443):
        self.moto, self.sessions, self.journal, self.lock = moto, {}, [], threading.Lock()
        self.fault = None  # (service, status): answer so instead
        self.url, self.ca_file = f"https://{address}:{port}", directory / "aws-ca.pem"
        key = directory / "aws-key.pem"
        # A bridge takes the lowest hardware address of its ports, unless it was given one: who talks to us would lose us
        # whenever a task comes.
        subprocess.run(["ip", "link", "set", "mesh0", "address", "02:00:0a:4d:00:01"], check=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=aws", "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", self.ca_file], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                try:
                    status, answer = stand_in.answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                    sent = answer
                except Cut as cut:
                    self.close_connection = True
                    status, answer, sent = cut.status, cut.answer, cut.answer[:len(cut.answer) // 2]
                    if status is None:
                        return
                self.send_response(status)
                self.send_header("content-type", "text/xml")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = serve

            def log_message(self, *_):
                pass

        self.server = Server((address, port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def issue(self, role, session, account=ACCOUNT, valid_for=datetime.timedelta(hours=6)):
        keys = self.moto.session(role, session, account)
        keys["Expires"] = now() + valid_for
        with self.lock:
            self.sessions[keys["AccessKeyId"]] = keys
        return keys

    def count(self, action):
        with self.lock:
            return sum(name == action for name, _ in self.journal)

    def answer(self, method, path, headers, body):
        is_route53 = self.route53 and path.startswith("/2013-04-01/")
        action = self.route53.action(method, path) if is_route53 else urllib.parse.parse_qs(body.decode()).get("Action", ["?"])[0]
        outcome = "cut"
        try:
            service, key = self.verify(method, path, headers, body)
            if self.fault and self.fault[0] == service:
                status, answer = self.fault[1], b"<html>down</html>"
            elif is_route53 and service == "route53":
                status, answer = self.route53.answer(action, method, path, body)
            else:
                status, answer = self.moto.send(body, service, key)
            outcome = str(status)
            return status, answer
        except Refused as refused:
            outcome = refused.code
            return 403, error_document(refused.code, "no")
        finally:
            with self.lock:
                self.journal.append((action, outcome))

    def verify(self, method, path, headers, body):
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/(\w+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
                             headers.get("authorization", ""))
        if not found:
            raise Refused("MissingAuthenticationToken")
        key, day, region, service, names, signature = found.groups()
        session = self.sessions.get(key)
        if session is None or headers.get("x-amz-security-token") != session["SessionToken"]:
            raise Refused("InvalidClientTokenId")
        if now() > session["Expires"]:
            raise Refused("ExpiredToken")
        date = headers.get("x-amz-date", "")
        then = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(now() - then) > datetime.timedelta(minutes=5) or date[:8] != day:
            raise Refused("SignatureDoesNotMatch")
        signed = names.split(";")
        if "host" not in signed or not headers["host"].startswith(service) or not headers["host"].endswith(".amazonaws.com"):
            raise Refused("SignatureDoesNotMatch")
        # All x-amz- headers must be signed.
        if any(name.startswith("x-amz-") and name not in signed for name in headers):
            raise Refused("SignatureDoesNotMatch")
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
        where, _, query = path.partition("?")
        pairs = sorted((urllib.parse.quote(name, safe="-_.~"), urllib.parse.quote(value, safe="-_.~"))
                       for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True))
        canonical = "\n".join([method, where, "&".join(f"{name}={value}" for name, value in pairs), lines, names, hashlib.sha256(body).hexdigest()])
        text = "\n".join(["AWS4-HMAC-SHA256", date, f"{day}/{region}/{service}/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        if not hmac.compare_digest(sign(session["SecretAccessKey"], date, region, service, text), signature):
            raise Refused("SignatureDoesNotMatch")
        if service in GLOBAL_SERVICES and region != "us-east-1":
            raise Refused("SignatureDoesNotMatch")
        return service, key


class TaskAgent:
    """What ECS gives a task: credentials of its role and the task metadata, at 169.254.170.2 of its namespace."""

    def __init__(self, namespace, stand_in, role, account=ACCOUNT, valid_for=datetime.timedelta(hours=6)):
        subprocess.run(["ip", "-n", namespace, "addr", "add", "169.254.170.2/32", "dev", "lo"], check=True)
        self.role, self.asked = role, 0
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/v2/credentials/one" and agent.role:
                    agent.asked += 1
                    keys = stand_in.issue(agent.role, namespace, account, valid_for)
                    document = {"RoleArn": f"arn:aws:iam::{account}:role/{agent.role}", "AccessKeyId": keys["AccessKeyId"],
                                "SecretAccessKey": keys["SecretAccessKey"], "Token": keys["SessionToken"],
                                "Expiration": keys["Expires"].strftime("%Y-%m-%dT%H:%M:%SZ")}
                elif self.path == "/v4/one/task":
                    document = {"TaskARN": f"arn:aws:ecs:eu-west-1:{account}:task/lab/{namespace}"}
                else:
                    return self.send_error(404)
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with lab.inside(namespace):
            self.server = Server(("169.254.170.2", 80), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def environment(self):
        environment = {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/one", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}
        if self.role:
            environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/one"
        return environment

    def close(self):
        self.server.shutdown()
        self.server.server_close()
