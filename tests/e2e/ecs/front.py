"""AWS as tasks see it: HTTPS at the names of AWS's endpoints. It verifies what AWS verifies (signature, its age, the end of the
session), asks the policies of the role whether this is allowed, and hands on to the emulator. It keeps a journal."""
import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import re
import ssl
import threading
import urllib.parse

import aws_lab

from .emulator import ACCOUNT, PORT


class Refused(Exception):
    def __init__(self, code, text="no"):
        super().__init__(text)
        self.code = code


class Front:
    def __init__(self, aws, network, authority, policies, directory):
        self.aws, self.policies, self.sessions, self.journal, self._lock = aws, policies, {}, [], threading.Lock()
        region = aws.region
        services = [f"{name}.{region}" for name in ("sts", "iam", "route53", "secretsmanager", "ecs", "logs", "servicediscovery")]
        names = [f"{name}.amazonaws.com" for name in ("sts", "iam", "route53", *services)]
        certificate, key = authority.issue(*names)
        chain = directory / "aws-endpoint.pem"
        chain.touch(mode=0o600)
        chain.write_text(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, headers, answer = front.answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, *_):
                pass

        self._servers = []
        for address in (network.aws, network.endpoints):
            server = aws_lab.Server((address, 443), Handler)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers.append(server)

    def close(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def issue(self, role, session, valid_for=datetime.timedelta(hours=6)):
        """Credentials of a role, as the task's credential endpoint hands them out."""
        keys = self.aws.client("sts").assume_role(RoleArn=self.policies.role_arn(role), RoleSessionName=session)["Credentials"]
        keys = {**keys, "Expires": aws_lab.now() + valid_for, "Role": role}
        with self._lock:
            self.sessions[keys["AccessKeyId"]] = keys
        return keys

    def count(self, action):
        with self._lock:
            return sum(entry[1] == action for entry in self.journal)

    def answer(self, method, path, headers, body):
        role = action = "?"
        try:
            service, session = self.verify(method, path, headers, body)
            role = session["Role"]
            action, resource = self.meaning(service, method, path, headers, body)
            if not self.policies.allowed(role, action, resource):
                raise Refused("AccessDenied", f"{role} is not authorized to perform: {action} on resource: {resource}")
            status, out, answer = self._forward(method, path, headers, body)
            outcome = str(status)
        except Refused as refused:
            status, outcome = 403, refused.code
            text = refused.args[-1]
            out = [("content-type", "text/xml")]
            answer = f"<ErrorResponse><Error><Type>Sender</Type><Code>{refused.code}</Code><Message>{text}</Message></Error></ErrorResponse>".encode()
            if "x-amz-target" in headers:
                out, answer = [("content-type", "application/x-amz-json-1.1")], json.dumps({"__type": refused.code, "message": text}).encode()
        with self._lock:
            self.journal.append((role, action, outcome))
        return status, out, answer

    def _forward(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        try:
            connection.request(method, path, body, {name: value for name, value in headers.items() if name not in ("connection", "content-length")} |
                               {"content-length": str(len(body))})
            answer = connection.getresponse()
            return answer.status, [(name, value) for name, value in answer.getheaders() if name.lower() in ("content-type", "x-amzn-requestid")], answer.read()
        finally:
            connection.close()

    def verify(self, method, path, headers, body):
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/(\w+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
                             headers.get("authorization", ""))
        if not found:
            raise Refused("MissingAuthenticationToken")
        key, day, region, service, names, signature = found.groups()
        session = self.sessions.get(key)
        if session is None or headers.get("x-amz-security-token") != session["SessionToken"]:
            raise Refused("InvalidClientTokenId")
        if aws_lab.now() > session["Expires"]:
            raise Refused("ExpiredToken")
        date = headers.get("x-amz-date", "")
        then = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(aws_lab.now() - then) > datetime.timedelta(minutes=5) or date[:8] != day or "host" not in names.split(";"):
            raise Refused("SignatureDoesNotMatch")
        where, _, query = path.partition("?")
        pairs = sorted((urllib.parse.quote(name, safe="-_.~"), urllib.parse.quote(value, safe="-_.~"))
                       for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True))
        lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names.split(";"))
        canonical = "\n".join([method, urllib.parse.quote(where, safe="/-_.~"), "&".join(f"{name}={value}" for name, value in pairs), lines, names,
                               hashlib.sha256(body).hexdigest()])
        text = "\n".join(["AWS4-HMAC-SHA256", date, f"{day}/{region}/{service}/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        if not hmac.compare_digest(aws_lab.sign(session["SecretAccessKey"], date, region, service, text), signature):
            raise Refused("SignatureDoesNotMatch")
        return service, session

    def meaning(self, service, method, path, headers, body):
        """(action, resource) as policies name them."""
        if service == "route53":
            found = re.fullmatch(r"/2013-04-01/(hostedzone|change)/([^/?]+)(/rrset)?/?(\?.*)?", path)
            if not found:
                return f"route53:{method} {path}", "*"
            kind, name, records, _ = found.groups()
            action = "GetChange" if kind == "change" else {("GET", True): "ListResourceRecordSets", ("POST", True): "ChangeResourceRecordSets",
                                                           ("GET", False): "GetHostedZone"}.get((method, bool(records)), method)
            return f"route53:{action}", f"arn:aws:route53:::{kind}/{name}"
        if "x-amz-target" in headers:
            given = json.loads(body or b"{}")
            return f"{service}:{headers['x-amz-target'].rsplit('.', 1)[1]}", given.get("SecretId", "*")
        given = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
        action = given.get("Action", "?")
        resource = self.policies.role_arn(given["RoleName"]) if "RoleName" in given else given.get("RoleArn", f"arn:aws:{service}::{ACCOUNT}:*")
        return f"{service}:{action}", resource
