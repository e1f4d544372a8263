"""May this role do that? IAM policies, read through the API and evaluated: Allow, Deny, wildcards; a condition that is not
understood never allows anything."""
import fnmatch
import json
import urllib.parse

import botocore.exceptions

ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}


def _list(value):
    return value if isinstance(value, list) else [value]


def _matches(patterns, text):
    return any(fnmatch.fnmatchcase(text.lower(), str(pattern).lower().replace("[", "[[]")) for pattern in _list(patterns))


def evaluate(documents, action, resource):
    allowed = False
    for document in documents:
        for statement in _list(document["Statement"]):
            if not _matches(statement.get("Action", []), action) or not _matches(statement.get("Resource", []), resource):
                continue
            if statement["Effect"] == "Deny":
                return False
            allowed = allowed or "Condition" not in statement
    return allowed


class Policies:
    def __init__(self, aws):
        self.iam = aws.client("iam")

    def allowed(self, role, action, resource):
        if action in ALWAYS_ALLOWED:
            return True
        try:
            return evaluate(list(self._documents(role)), action, resource)
        except botocore.exceptions.ClientError:
            return False  # the role is gone

    def _documents(self, role):
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            yield json.loads(urllib.parse.unquote(document)) if isinstance(document, str) else document
        for attached in self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            version = self.iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            document = self.iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
            yield json.loads(urllib.parse.unquote(document)) if isinstance(document, str) else document

    def role_arn(self, name):
        try:
            return self.iam.get_role(RoleName=name)["Role"]["Arn"]
        except botocore.exceptions.ClientError:
            return f"arn:aws:iam::0:role/{name}"
