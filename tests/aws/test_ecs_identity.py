"""Tasks prove their IAM roles, end to end: roles made in moto, our stand-in verifies signatures, real Envoys."""
import datetime
import os
import re
import sys
import time
import unittest

import aws_lab
import lab
import mesh_case
import test_zone_proxies

CACHE = 3  # seconds
KV, APP = "kv-task", "demo-app-task"


def tags(service, **changed):
    given = {"kuma.io/type": "dataplane", "kuma.io/mesh": "default", "kuma.io/service": service}
    return {key: value for key, value in {**given, **{f"kuma.io/{k}": v for k, v in changed.items()}}.items() if value is not None}


class AwsCase(mesh_case.MeshCase):
    valid_for = datetime.timedelta(hours=6)

    @classmethod
    def setUpClass(cls):
        if not aws_lab.MOTO.exists():
            raise unittest.SkipTest("moto is missing: tools/fetch_moto")
        super().setUpClass()

    @classmethod
    def build(cls):
        cls.agents = {}
        cls.moto = aws_lab.Moto(cls.lab.directory)
        cls.addClassCleanup(cls.moto.close)
        cls.aws = aws_lab.StandIn(cls.moto, cls.lab.directory)
        cls.addClassCleanup(cls.aws.close)
        cls.moto.create_role("control-plane", {})
        cls.moto.create_role(KV, tags("kv"))
        cls.moto.create_role(APP, tags("demo-app other"))
        cls.control_plane = lab.ControlPlane(cls.lab)
        cls.agent = aws_lab.TaskAgent("cp", cls.aws, "control-plane")
        cls.addClassCleanup(cls.agent.close)
        cls.control_plane.environment = {
            **cls.agent.environment, "AWS_ENDPOINT_URL": cls.aws.url, "AWS_CA_BUNDLE": str(cls.aws.ca_file),
            "KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "aws-iam", "KUMA_DP_SERVER_AUTHN_ZONE_PROXY_TYPE": "aws-iam",
            "KUMA_DP_SERVER_AUTHN_ENABLE_RELOADABLE_TOKENS": "true", "KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS": aws_lab.ACCOUNT,
            "KMESH_AWSIAM_CACHETIME": f"{CACHE}s"}
        cls.control_plane.start().wait_until_ready()
        cls.kv = cls.start_task("kv", "kv-1", KV)
        cls.app = cls.start_task("demo-app", "demo-app-1", APP)
        for task in (cls.kv, cls.app):
            task.wait_until_ready(60)
        cls.wait_for_traffic()

    @classmethod
    def start_task(cls, service, name, role, extra=(), account=aws_lab.ACCOUNT):
        task = lab.Task(cls.lab, cls.control_plane, service, name)
        agent = aws_lab.TaskAgent(name, cls.aws, role, account, cls.valid_for)
        cls.addClassCleanup(agent.close)
        cls.agents[name] = agent
        task.start(token=None, extra=("--auth-type=aws", *extra), environment=agent.environment)
        return task

    def come_back(self):
        """The control plane starts anew: who comes back has to show what was signed last."""
        before = self.aws.count("GetCallerIdentity")
        self.control_plane.kill()
        self.control_plane.start().wait_until_ready()
        lab.wait_for(lambda: self.aws.count("GetCallerIdentity") >= before + 2, "both prove their roles anew", 60)
        for task in (self.kv, self.app):
            lab.wait_for(lambda: self.control_plane.overview(task.name)["dataplaneInsight"]["subscriptions"][-1].get("disconnectTime") is None,
                         f"{task.name} is connected", 60)


class EcsIdentity(AwsCase):
    def refused(self, name, role, *expected, service="kv", **more):
        """The sidecar says why, and the control plane too; the proxy does not come in."""
        task = self.start_task(service, name, role, **more)
        for text in expected:
            lab.wait_for(lambda: text in task.sidecar.log(), f'the log of {name} says "{text}"', timeout=60)
        self.assertEqual(self.control_plane.api("GET", f"/meshes/default/dataplanes/{name}").status, 404)
        self.addCleanup(task.sidecar.kill)
        return task

    def test_01_roles_with_the_right_tags_carry_traffic(self):
        self.assertEqual(self.app.counter().status, 200)
        self.assertIn("arn:aws:iam::123456789012:role/kv-task", self.kv.sidecar.log())
        # One credential each, although each proxy opens several streams; two roles, and never one call per stream.
        self.assertLessEqual(self.aws.count("GetCallerIdentity"), 4)
        self.assertEqual({outcome for _, outcome in self.aws.journal}, {"200"})

    def test_01a_without_an_account_the_control_plane_does_not_start(self):
        nobody = lab.ControlPlane(self.lab, {**self.control_plane.environment, "KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS": ""}, "cp-nobody", "10.77.0.3")
        self.assertNotEqual(nobody.start().part.wait(60), 0)
        self.assertIn("KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS", nobody.part.log())

    def test_01b_metrics_tell_what_aws_was_asked(self):
        text = self.control_plane.diagnostics("/metrics").text

        def metric(name, **labels):
            return sum(float(value) for found, value in re.findall(rf"(?m)^{name}{{(.*?)}} (\S+)$", text)
                       if all(f'{key}="{wanted}"' in found for key, wanted in labels.items()))
        self.assertEqual(metric("aws_calls_total", operation="GetCallerIdentity", result="ok"), self.aws.count("GetCallerIdentity"))
        self.assertEqual(metric("aws_call_duration_seconds_count", operation="GetCallerIdentity"), self.aws.count("GetCallerIdentity"))
        self.assertGreaterEqual(metric("aws_calls_total", operation="GetRole", result="ok"), 2)
        self.assertEqual(metric("aws_calls_total", result="refused") + metric("aws_calls_total", result="throttled"), 0)
        self.assertEqual(metric("aws_answers_total", what="proof", **{"from": "call"}), self.aws.count("GetCallerIdentity"))
        for name in ("aws_calls_total", "aws_call_duration_seconds", "aws_answers_total", "aws_proofs_refused_unasked_total", "aws_calls_held_back_total"):
            self.assertRegex(text, rf"(?m)^# HELP {name} \S")

    def test_01c_zone_proxies_prove_roles_of_their_type(self):
        def start(role, name, iam_role):
            def environment():
                agent = aws_lab.TaskAgent(name, self.aws, iam_role)
                self.addCleanup(agent.close)
                return agent.environment
            proxy = test_zone_proxies.ZoneProxy(self.lab, self.control_plane, role, name, arguments=["--auth-type=aws"], environment=environment)
            self.addCleanup(proxy.part.kill)
            return proxy
        for role in ("ingress", "egress"):
            self.moto.create_role(f"zone-{role}", {"kuma.io/type": role})
        for role, other in (("ingress", "egress"), ("egress", "ingress")):
            start(role, f"zone-{role}-1", f"zone-{role}").wait_until_ready(60)
            refused = start(role, f"zone-{role}-2", f"zone-{other}")
            lab.wait_for(lambda: f'kuma.io/type is "{other}", must be "{role}"' in refused.part.log(), "it is told why it may not come in", 60)
            self.assertEqual(refused.resource().status, 404)
        refused = start("egress", "zone-egress-3", KV)
        lab.wait_for(lambda: 'kuma.io/type is "dataplane", must be "egress"' in refused.part.log(), "a task's role is none of a zone proxy", 60)
        self.refused("kv-11", "zone-ingress", 'kuma.io/type is "ingress", must be "dataplane"')

    def test_02_a_role_of_another_service_is_refused_in_words(self):
        self.refused("kv-2", APP, '"demo-app other"', 'claims service "kv"', "123456789012")

    def test_03_a_role_without_tags_is_refused_in_words(self):
        self.moto.create_role("bare", {})
        self.refused("kv-3", "bare", "has no tag kuma.io/type", "no kuma.io/ tags")

    def test_04_another_mesh_another_type_and_look_alikes_are_refused(self):
        self.moto.create_role("other-mesh", tags("kv", mesh="other"))
        self.refused("kv-4", "other-mesh", 'kuma.io/mesh is "other", must be "default"')
        self.moto.create_role("ingress", tags("kv", type="ingress"))
        self.refused("kv-5", "ingress", 'kuma.io/type is "ingress", must be "dataplane"')
        self.moto.create_role("look-alike", tags("KV", mesh="default "))
        self.refused("kv-6", "look-alike", 'kuma.io/mesh is "default ", must be "default"', 'kuma.io/service is "KV"')

    def test_05_a_role_of_another_account_is_refused(self):
        self.refused("kv-7", KV, "account 210987654321", "KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS", account="210987654321")

    def test_06_a_task_without_a_role_says_so_and_never_asks_the_host(self):
        task = self.start_task("kv", "kv-8", None)
        self.assertEqual(task.sidecar.wait(60), 1)
        self.assertIn("taskRoleArn", task.sidecar.log())

    def test_07_an_unverified_control_plane_gets_no_proof(self):
        task = self.start_task("kv", "kv-9", KV, extra=("--skip-verify",))
        self.assertEqual(task.sidecar.wait(60), 1)
        self.assertIn("--skip-verify", task.sidecar.log())

    def test_08_a_role_that_loses_its_tags_loses_its_streams_and_comes_back_with_them(self):
        self.moto.untag(KV, "kuma.io/mesh")
        lab.wait_for(lambda: "proxy default.kv-1 is sent away" in self.control_plane.part.log(), "kv-1 is sent away", 60)
        waiting = self.refused("kv-10", KV, "has no tag kuma.io/mesh")
        self.moto.tag(KV, "kuma.io/mesh", "default")
        begin = time.monotonic()
        waiting.wait_until_ready(60)
        print(f"kv-10 joined {time.monotonic() - begin:.1f} s after its role got the tag", file=sys.stderr)
        lab.wait_for(lambda: self.app.counter().json().get("instance") in ("kv-1", "kv-10"), "traffic flows again", 60)

    def test_09_an_outage_of_aws_keeps_who_is_in_and_says_what_is_down(self):
        lab.wait_for(lambda: self.app.counter().status == 200, "traffic flows", 60)
        self.aws.fault = ("sts", 503)
        try:
            with lab.Traffic(self.app.counter) as traffic:
                self.refused("kv-12", KV, "AWS STS")
                traffic.more(200)
            self.assertEqual(traffic.failures, [])
        finally:
            self.aws.fault = None

    def test_10_who_is_in_comes_back_after_the_control_plane_did(self):
        before = self.aws.count("GetCallerIdentity")
        self.control_plane.kill()
        self.control_plane.start().wait_until_ready()
        lab.wait_for(lambda: self.control_plane.overview("demo-app-1")["dataplaneInsight"]["subscriptions"][-1].get("disconnectTime") is None and
                     self.aws.count("GetCallerIdentity") > before, "they are connected again", 60)
        self.assertEqual(self.app.counter().status, 200)

    def test_11_no_log_holds_a_credential(self):
        for part in self.lab.parts:
            for keys in self.aws.sessions.values():
                self.assertNotIn(keys["SessionToken"], part.log())
                self.assertNotIn(keys["SecretAccessKey"], part.log())
            self.assertNotIn("taskmesh-aws-1.eyJ", part.log())


@unittest.skipUnless(os.environ.get("MESH_AWS_LONG"), "takes seven minutes: set MESH_AWS_LONG=1")
class Rotation(AwsCase):
    """Keys that live 17 minutes are renewed after two, and proofs that are signed at the start are void after five."""

    valid_for = datetime.timedelta(minutes=17)

    def test_nobody_notices_that_keys_and_proofs_are_renewed(self):
        begin = time.monotonic()
        with lab.Traffic(self.app.counter, threads=1) as traffic:
            lab.wait_for(lambda: time.monotonic() - begin > 330, "five and a half minutes are over", 360, pause=1)
            self.assertGreaterEqual(self.agents["kv-1"].asked, 2)
            self.come_back()
            lab.wait_for(lambda: time.monotonic() - begin > 400, "some more time is over", 120, pause=1)
        self.assertEqual(traffic.failures[:3], [], f"{len(traffic.failures)} of {traffic.total} failed")
        self.assertEqual({outcome for _, outcome in self.aws.journal}, {"200"})
        print(f"{traffic.total} requests, none lost; kv-1 fetched keys {self.agents['kv-1'].asked} times", file=sys.stderr)
