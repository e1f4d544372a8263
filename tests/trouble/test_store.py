"""What was answered stays: through a kill in the middle of writes, and through a disk that is full."""
import subprocess
import threading

import lab
import plane
import proxy
from plane import dataplane


def writes(control, prefix, threads, until):
    """Writes from several threads until told to stop; returns what was acknowledged (name → port) and what was refused."""
    acknowledged, refused, lock = {}, [], threading.Lock()

    def run(thread):
        number = 0
        while not until(len(acknowledged)):
            name, port = f"{prefix}-{thread}-{number % 20}", 1000 + number
            try:
                answer = control.api("PUT", f"/meshes/default/dataplanes/{name}", dataplane(name, port=port))
            except (OSError, lab.http.client.HTTPException):
                return  # it was killed
            with lock:
                if answer.status // 100 == 2:
                    acknowledged[name] = port
                else:
                    refused.append(answer)
            number += 1
    them = [threading.Thread(target=run, args=(thread,), daemon=True) for thread in range(threads)]
    for it in them:
        it.start()
    return acknowledged, refused, them


class Killed(plane.Case):
    def test_in_the_middle_of_writes_it_loses_nothing_that_it_answered(self):
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        key = self.plane.secret("/meshes/default/secrets/dataplane-token-signing-key-default-1")
        admin = self.plane.secret("/global-secrets/admin-user-token")
        written = {}
        for turn in range(3):
            acknowledged, refused, threads = writes(self.plane, f"turn-{turn}", 8, until=lambda count: False)
            lab.wait_for(lambda: len(acknowledged) > 60, "some writes were answered", parts=[self.plane.program])
            self.plane.kill()  # while all eight write
            for thread in threads:
                thread.join()
            self.assertEqual(refused, [])
            written |= acknowledged
            self.plane.start()
            there = {item["name"]: item["networking"]["inbound"][0]["port"]
                     for item in self.plane.expect("GET", "/meshes/default/dataplanes?size=1000").json()["items"]}
            for name, port in written.items():
                self.assertIn(name, there)
                # The last one may have been written and not answered any more.
                self.assertIn(there[name] - port, (0, 20), name)
            written = {name: there[name] for name in written}
        self.assertEqual(self.plane.secret("/meshes/default/secrets/dataplane-token-signing-key-default-1"), key)
        self.assertEqual(self.plane.secret("/global-secrets/admin-user-token"), admin)
        self.assertEqual(proxy.bootstrap("default", "old-token", token, dataplane("old-token")).status, 200)
        self.assertNotIn(token, self.plane.logs())

    def test_during_its_first_start_it_starts_whole_the_next_time(self):
        """Keys, the default mesh and its policies are there, and are one set, however far it came."""
        for turn, seen in enumerate(("starts; store", "opened ", "made a self-signed", "sidecars are served")):
            with self.subTest(seen):
                directory = self.directory / f"first-{turn}"
                directory.mkdir()
                control = plane.Plane(directory, {f"KUMA_{port}_PORT": "0" for port in ("DP_SERVER", "DIAGNOSTICS_SERVER", "API_SERVER_HTTP", "API_SERVER_HTTPS")})
                program = control.launch()
                lab.wait_for(lambda: seen in program.log(), f'it says "{seen}"', parts=[program])
                control.kill()
                program = control.launch()
                lab.wait_for(lambda: "ready: REST on" in program.log(), "it is ready", parts=[program], timeout=40)
                port = int(program.log().split("ready: REST on ")[1].split(",")[0])

                def get(path, port=port):
                    answer = lab.request("GET", "127.0.0.1", port, path)
                    self.assertEqual(answer.status, 200, answer.text)
                    return {item["name"] for item in answer.json()["items"]}
                self.assertEqual(get("/meshes"), {"default"})
                self.assertIn("dataplane-token-signing-key-default-1", get("/meshes/default/secrets"))
                self.assertLessEqual({"admin-user-token", "user-token-signing-key-1", "zone-token-signing-key-1"}, get("/global-secrets"))
                control.kill()


class FullDisk(plane.Case):
    environment = None

    def test_refuses_writes_clearly_serves_on_and_recovers(self):
        disk = self.directory / "state"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        self.plane.start()
        self.addCleanup(self.plane.kill)
        token = self.plane.token(tags={"kuma.io/service": ["kv"]})
        envoy = proxy.Envoy("kv-1", token, dataplane("kv-1"))
        envoy.until(lambda: envoy.holds(proxy.LISTENER))

        ballast = disk / "ballast"
        stop = []
        acknowledged, refused, threads = writes(self.plane, "w", 4, until=lambda count: bool(stop))
        lab.wait_for(lambda: len(acknowledged) > 10, "writes are answered", parts=[self.plane.program])
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(16384))
            except OSError:
                pass  # full

        # New content until nothing more fits anywhere: what the database has preallocated is used up first.
        def full():
            answer = self.plane.api("PUT", f"/meshes/default/secrets/s-{len(refused)}", {
                "type": "Secret", "mesh": "default", "name": f"s-{len(refused)}", "data": lab.base64.b64encode(bytes(200_000)).decode()})
            return answer.status // 100 != 2 and answer
        answer = lab.wait_for(full, "a write is refused", parts=[self.plane.program])
        self.assertIn(answer.status, (500, 503, 507), answer.text)
        self.assertRegex(answer.text, "(?i)full|space")
        self.assertEqual(answer.json()["status"], answer.status)

        # Reads, and proxies that are there, go on.
        self.assert_well()
        self.assertEqual(envoy.stream.is_ended, False)
        lab.wait_for(lambda: refused, "the writers notice it, too", parts=[self.plane.program])
        stop.append(True)
        for thread in threads:
            thread.join()
        late = proxy.bootstrap("default", "kv-1", token)
        self.assertEqual(late.status, 200, late.text)
        newcomer_refused = None
        try:
            newcomer = proxy.Envoy("kv-late", token, dataplane("kv-late", tag="x" * 100))
            newcomer.until(lambda: newcomer.holds(proxy.LISTENER))  # it fitted, or
        except AssertionError as problem:
            newcomer_refused = str(problem)
            self.assertRegex(newcomer_refused, "(?i)full|space")

        # With space it goes on where it was, without a restart.
        ballast.unlink()
        lab.wait_for(lambda: self.plane.api("PUT", "/meshes/default/dataplanes/after", dataplane("after")).status // 100 == 2,
                     "writes are taken again", parts=[self.plane.program])
        newcomer = proxy.Envoy("kv-late", token, dataplane("kv-late"))
        newcomer.until(lambda: newcomer.holds(proxy.LISTENER))

        # What proxies did meanwhile is not forgotten.
        for name in ("kv-1", "kv-late"):
            lab.wait_for(lambda name=name: self.plane.expect("GET", f"/meshes/default/dataplanes/{name}/_overview").json()["dataplaneInsight"],
                         f"the insight of {name} is written")
        newcomer.close()
        self.plane.expect("PUT", "/meshes/default/dataplanes/kv-1", dataplane("kv-1", port=8123))
        envoy.until(lambda: any("8123" in name for name in envoy.holds(proxy.LISTENER)))
        envoy.close()

        # Nothing that was answered is lost, also after a kill.
        self.plane.kill()
        self.plane.start()
        there = {item["name"]: item["networking"]["inbound"][0]["port"]
                 for item in self.plane.expect("GET", "/meshes/default/dataplanes?size=1000").json()["items"]}
        for name, port in acknowledged.items():
            self.assertEqual(there.get(name), port, name)
        self.assertEqual(there["after"], 8080)
        self.assertEqual(there["kv-1"], 8123)
        self.assertNotIn(token, self.plane.logs())

    def test_at_the_first_start_says_so_and_the_next_start_is_whole(self):
        disk = self.directory / "first"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        program = self.plane.launch(KUMA_GENERAL_WORK_DIR=str(disk))
        self.assertEqual(program.wait(20), 1)
        self.assertRegex(program.log(), "(?i)cannot start: .*(full|space)")
        self.assertIn(str(disk), program.log())
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        self.plane.start(KUMA_GENERAL_WORK_DIR=str(disk))
        self.assertTrue(self.plane.token())
        self.assert_well()
        self.plane.kill()
