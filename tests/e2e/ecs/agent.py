"""What ECS gives a task at 169.254.170.2 of its namespace: credentials of its role, and the task metadata endpoint (version 4)."""
import datetime
import http.server
import json
import subprocess
import threading

import aws_lab
import lab

from .emulator import ACCOUNT


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if seconds else None


class Agent:
    """Serves one task. `issue(role, session)` gives credentials."""

    def __init__(self, task, issue):
        self.task, self.issue, self.asked = task, issue, 0
        subprocess.run(["ip", "-n", task.place.namespace, "addr", "add", "169.254.170.2/32", "dev", "lo"], check=True)
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                document = agent.answer(self.path)
                if document is None:
                    return self.send_error(404)
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with lab.inside(task.place.namespace):
            self._server = aws_lab.Server(("169.254.170.2", 80), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def environment_of(self, container):
        environment = {"ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2/v4/{self.task.id}-{container}",
                       "ECS_CONTAINER_METADATA_URI": f"http://169.254.170.2/v3/{self.task.id}-{container}",
                       "ECS_AGENT_URI": f"http://169.254.170.2/api/{self.task.id}-{container}",
                       "AWS_EXECUTION_ENV": f"AWS_ECS_{self.task.launch_type}", "AWS_REGION": self.task.region, "AWS_DEFAULT_REGION": self.task.region}
        if self.task.role:
            environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = f"/v2/credentials/{self.task.credentials_id}"
        return environment

    def answer(self, path):
        if path == f"/v2/credentials/{self.task.credentials_id}" and self.task.role:
            self.asked += 1
            keys = self.issue(self.task.role, self.task.id)
            return {"RoleArn": self.task.definition["taskRoleArn"], "AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"],
                    "Token": keys["SessionToken"], "Expiration": keys["Expires"].strftime("%Y-%m-%dT%H:%M:%SZ")}
        prefix = f"/v4/{self.task.id}-"
        if not path.startswith(prefix):
            return None
        name, _, rest = path[len(prefix):].partition("/")
        container = next((each for each in self.task.containers if each.name == name), None)
        if container is None:
            return None
        if rest in ("", "/"):
            return self.container(container)
        if rest in ("task", "taskWithTags"):
            return self.whole_task()
        return {} if rest in ("stats", "task/stats") else None

    def whole_task(self):
        task = self.task
        document = {"Cluster": task.cluster_arn, "TaskARN": task.arn, "Family": task.definition["family"], "Revision": str(task.definition["revision"]),
                    "ServiceName": task.service_name, "DesiredStatus": task.desired_status, "KnownStatus": task.known_status,
                    "Limits": {"CPU": int(task.definition.get("cpu") or 256) / 1024, "Memory": int(task.definition.get("memory") or 512)},
                    "PullStartedAt": stamp(task.created_at), "PullStoppedAt": stamp(task.created_at), "AvailabilityZone": task.zone,
                    "LaunchType": task.launch_type, "VPCID": "vpc-box", "Containers": [self.container(each) for each in task.containers if each.process]}
        if task.desired_status == "STOPPED":
            document["ExecutionStoppedAt"] = stamp(task.stopping_at)
        return document

    def container(self, container):
        task = self.task
        document = {
            "DockerId": f"{task.id}-{container.name}", "Name": container.name, "DockerName": container.name, "Image": container.given["image"],
            "ImageID": "", "Labels": {"com.amazonaws.ecs.cluster": task.cluster_arn, "com.amazonaws.ecs.container-name": container.name,
                                      "com.amazonaws.ecs.task-arn": task.arn, "com.amazonaws.ecs.task-definition-family": task.definition["family"],
                                      "com.amazonaws.ecs.task-definition-version": str(task.definition["revision"])},
            "DesiredStatus": task.desired_status, "KnownStatus": container.known, "Limits": {"CPU": container.given.get("cpu", 0)},
            "CreatedAt": stamp(container.started_at), "StartedAt": stamp(container.started_at), "Type": "NORMAL",
            "ContainerARN": f"arn:aws:ecs:{task.region}:{ACCOUNT}:container/{task.cluster}/{task.id}/{container.name}",
            "LogDriver": container.given.get("logConfiguration", {}).get("logDriver", "json-file"),
            "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": [task.place.address], "AttachmentIndex": 0, "MACAddress": "02:00:00:00:00:00",
                          "IPv4SubnetCIDRBlock": task.subnet_cidr, "PrivateDNSName": task.hostname, "SubnetGatewayIpv4Address": task.router}]}
        if container.has_health_check:
            document["Health"] = {"status": container.health}
        if container.exit_code is not None:
            document["ExitCode"] = container.exit_code
        return document
