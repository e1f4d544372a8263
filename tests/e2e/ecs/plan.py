"""What to deploy: secrets, then stacks one after the other. A JSON file (plans/*.json), its templates in any folder.

{"secrets": {"NAME": {"text": "…"} or {"database-ca": true}},
 "certificates": [{"hosts": ["…"], "secret": "NAME"} or {"hosts": […], "certificate": "NAME", "key": "NAME"}],
 "stacks": [{"name": "…", "template": "file.yaml", "parameters": {"P": "{secret:NAME}"}, "empties": "HOSTED ZONE"}]}

Values may name what exists by then: {secret:NAME} (its ARN), {output:STACK:KEY}. A secret with `database-ca` holds the authority that
signs the certificates of this box's databases, as the bundle of RDS does for real ones. `empties`: with this stack the last names of the
hosted zone go; what is deleted next waits for that, as nobody's stacks are deleted as fast as those of a box.
"""
import json
import pathlib
import re
import subprocess
import tempfile

import lab

PLANS = pathlib.Path(__file__).with_name("plans")


class Plan:
    def __init__(self, box, templates, description, parameters=None):
        self.box, self.templates, self.secrets, self.parameters = box, pathlib.Path(templates), {}, parameters or {}
        self.description = description if isinstance(description, dict) else json.loads(pathlib.Path(description).read_text())

    @property
    def stacks(self):
        return [stack["name"] for stack in self.description["stacks"]]

    def fill(self, value):
        def one(match):
            kind, name, _, key = re.fullmatch(r"(\w+):([^:]+)(:(.*))?", match.group(1)).groups()
            if kind == "secret":
                return self.secrets[name]
            return self.box.outputs(name)[key]
        return re.sub(r"\{((?:secret|output):[^}]+)\}", one, value)

    def make_secrets(self):
        for name, given in self.description.get("secrets", {}).items():
            self.secrets[name] = self.box.secret(name, self.box.authority.certificate.read_text() if given.get("database-ca") else given["text"])

    def make_certificates(self, certificates):
        for wanted in certificates:
            certificate, key = self_signed(self.box.images.binaries / "taskmeshctl", *map(self.fill, wanted["hosts"]))
            if "secret" in wanted:
                whole = json.dumps({"certificate": certificate, "key": key, "ca": certificate})
                self.secrets[wanted["secret"]] = self.box.secret(wanted["secret"], whole)
            else:
                for part, text in (("certificate", certificate), ("key", key)):
                    self.secrets[wanted[part]] = self.box.secret(wanted[part], text)

    def apply(self, say=lambda text: None, only=None):
        """Deploys every stack and waits until its services are steady."""
        self.make_secrets()
        for stack in self.description["stacks"]:
            if only and stack["name"] not in only:
                continue
            self.make_certificates(stack.get("certificates", []))
            parameters = {name: self.fill(str(value)) for name, value in {**stack.get("parameters", {}), **self.parameters.get(stack["name"], {})}.items()}
            say(f"stack {stack['name']} from {stack['template']}")
            self.box.deploy(stack["name"], self.templates / stack["template"], parameters)
            self.box.wait_until_steady(timeout=stack.get("timeout", 180))
        return self

    def delete(self, say=lambda text: None):
        for stack in reversed(self.description["stacks"]):
            if stack["name"] not in self.box.stacks():
                continue
            say(f"deleting stack {stack['name']}")
            zone = self.fill(stack.get("empties", ""))
            self.box.delete(stack["name"])
            if zone:
                try:
                    lab.wait_for(lambda: not self.box.resolver.own_records(zone), f"the names of {stack['name']} go", 180)  # a killed task is mourned for a while
                except lab.Failure as problem:
                    left = [record["Name"] for record in self.box.resolver.own_records(zone)]
                    raise lab.Failure(f"{problem}; left: {', '.join(left)}\n{self.box.report()}") from None
        for arn in self.secrets.values():
            self.box.aws.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        self.secrets.clear()


def self_signed(program, *hosts):
    """A certificate as `taskmeshctl generate tls-certificate` makes it for users."""
    with tempfile.TemporaryDirectory() as scratch:
        files = [pathlib.Path(scratch, name) for name in ("cert.pem", "key.pem")]
        command = [program, "generate", "tls-certificate", "--type", "server", "--cert-file", files[0], "--key-file", files[1]]
        for host in hosts:
            command += ["--hostname", host]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode != 0:
            raise lab.Failure(f"taskmeshctl generate tls-certificate: {done.stderr}")
        return tuple(file.read_text() for file in files)
