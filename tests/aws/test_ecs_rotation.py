"""Keys that the agent of ECS gives for seconds only: sidecars and the control plane rotate them all the time, and nobody
who sends requests notices."""
import datetime

import lab
import test_ecs_identity


class KeysThatLiveForSeconds(test_ecs_identity.AwsCase):
    valid_for = datetime.timedelta(seconds=24)

    def test_cost_no_request(self):
        envoys = [task.envoy_pid() for task in (self.kv, self.app)]
        with lab.Traffic(self.app.counter) as traffic:
            for asked in (3, 4):
                lab.wait_for(lambda: all(agent.asked >= asked for agent in self.agents.values()), f"each task has fetched keys {asked} times", 120)
                self.come_back()
            traffic.more(100, 60)
        self.assertEqual([task.envoy_pid() for task in (self.kv, self.app)], envoys)  # they read the file, and go on
        self.assertEqual([failure for _, failure in traffic.failures[:3]], [], f"{len(traffic.failures)} of {traffic.total} failed")
        self.assertLessEqual({outcome for _, outcome in self.aws.journal}, {"200"})
        self.assertGreaterEqual(len(self.aws.sessions), 8)
