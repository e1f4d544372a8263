"""A control plane that cannot start says what is wrong, where, and what to do, and ends; it never half starts."""
import os
import socket
import subprocess

import plane


class Settings(plane.Case):
    environment = None

    def refused(self, *arguments, says, **environment):
        """Starts it, and expects it to end at once with these words."""
        program = self.plane.launch(*arguments, **{"KUMA_STORE_TYPE": "memory", **environment})
        self.assertEqual(program.wait(15), 1)
        last = [line for line in program.log().splitlines() if " debug " not in line and " info " not in line]
        for words in says:
            self.assertRegex("\n".join(last), words)
        self.assertLess(len(last), 12)
        return "\n".join(last)

    def test_a_wrong_value_is_named_with_its_variable_and_what_is_allowed(self):
        for variable, value, says in (
                ("KUMA_API_SERVER_HTTP_PORT", "abc", "number from 0 to 65535"),
                ("KUMA_DP_SERVER_PORT", "99999", "number from 0 to 65535"),
                ("KUMA_DIAGNOSTICS_SERVER_PORT", "-1", "number from 0 to 65535"),
                ("KUMA_STORE_TYPE", "mysql", "sqlite"),
                ("KUMA_API_SERVER_HTTP_ENABLED", "maybe", "true or false"),
                ("KUMA_DP_SERVER_HDS_INTERVAL", "5 minutes", "duration such as"),
                ("KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE", "nobody", "must be .*dpToken"),
                ("KUMA_GENERAL_TLS_MIN_VERSION", "TLSv9", "TLSv1_2"),
                ("KUMA_MODE", "galaxy", "zone")):
            with self.subTest(variable):
                self.refused(says=[variable, f'"{value}"', says], **{variable: value})

    def test_what_no_single_value_shows_is_named_too(self):
        for says, environment in (
                (["general.tlsKeyFile", "go together"], {"KUMA_GENERAL_TLS_CERT_FILE": "/nowhere.crt"}),
                (["/nowhere.crt"], {"KUMA_GENERAL_TLS_CERT_FILE": "/nowhere.crt", "KUMA_GENERAL_TLS_KEY_FILE": "/nowhere.key"}),
                (["/etc/passwd"], {"KUMA_DP_SERVER_TLS_CERT_FILE": "/etc/passwd", "KUMA_DP_SERVER_TLS_KEY_FILE": "/etc/passwd"}),
                (["apiServer.http.interface", "1.2.3.4.5"], {"KUMA_API_SERVER_HTTP_INTERFACE": "1.2.3.4.5"}),
                (["multizone.zone.name", "Bad_Name"], {"KUMA_MULTIZONE_ZONE_NAME": "Bad_Name"}),
                (["NO-SUCH-CIPHER", "ipher suite"], {"KUMA_DP_SERVER_TLS_CIPHER_SUITES": "NO-SUCH-CIPHER"}),
                (["KUMA_GENERAL_WORK_DIR", "/proc/nowhere"], {"KUMA_GENERAL_WORK_DIR": "/proc/nowhere"})):
            with self.subTest(says[0]):
                self.refused(says=says, **environment)

    def test_a_settings_file_that_cannot_be_read_is_named(self):
        for name, text, says in (("garbage", "\x01\x02\x03{{{", ["garbage"]), ("bomb", "a: &a [x,x]\nb: &b [*a,*a]\n" + "".join(
                f"b{n}: &b{n} [*{'b' if n == 0 else f'b{n - 1}'},*{'b' if n == 0 else f'b{n - 1}'}]\n" for n in range(40)), ["bomb", "alias"]),
                ("list", "- 1\n- 2\n", ["list"]), ("text", "store:\n  type: [sqlite]\n", ["store.type"]), ("deep", "a: " + "[" * 3000 + "]" * 3000, ["deep"])):
            with self.subTest(name):
                path = self.directory / f"{name}.yaml"
                path.write_text(text)
                self.refused("-c", path, says=says)
        self.refused("-c", "/nowhere/settings.yaml", says=["/nowhere/settings.yaml"])
        self.refused("--log-output-path", "/proc/nowhere/cp.log", says=["--log-output-path", "/proc/nowhere/cp.log"])

    def test_an_unknown_near_miss_is_a_warning_only(self):
        self.plane.start(KUMA_STORE_TYPE="memory", KUMA_DNS_SERVER_DOMAN="mesh", KUMA_SOMETHING_ELSE="1")
        self.assert_well()
        self.assertIn("KUMA_DNS_SERVER_DOMAIN", self.plane.program.log())
        self.plane.stop()

    def test_each_port_in_use_is_named_with_its_setting(self):
        with socket.create_server(("0.0.0.0", 7777)):
            for variable in ("KUMA_DP_SERVER_PORT", "KUMA_DIAGNOSTICS_SERVER_PORT", "KUMA_API_SERVER_HTTP_PORT", "KUMA_API_SERVER_HTTPS_PORT"):
                with self.subTest(variable):
                    said = self.refused(says=["7777", "in use", variable], **{variable: "7777"})
                    self.assertEqual(said.count("_PORT"), 1, "no other setting is blamed")

    def test_a_second_control_plane_on_the_same_ports_ends_and_leaves_the_first_alone(self):
        self.plane.start()
        first = self.plane.program
        self.refused(says=["in use", "KUMA_"], KUMA_GENERAL_WORK_DIR=str(self.directory / "second"))
        other_ports = {f"KUMA_{port}_PORT": "0" for port in ("DP_SERVER", "DIAGNOSTICS_SERVER", "API_SERVER_HTTP", "API_SERVER_HTTPS")}
        self.refused(says=["taskmesh.db", "(?i)use|lock|another"], KUMA_STORE_TYPE="sqlite", **other_ports)
        self.plane.program = first
        self.assert_well()
        self.plane.stop()

    def test_a_database_that_is_none_is_named_and_left_as_it_is(self):
        for name, content in (("noise", os.urandom(20_000)), ("text", b"hello\n" * 100), ("half", b"SQLite format 3\0" + os.urandom(200)),
                              ("header", b"SQLite format 3\0" + bytes(84) + os.urandom(16_000))):
            with self.subTest(name):
                path = self.directory / f"{name}.db"
                path.write_bytes(content)
                said = self.refused(says=[str(path), "(?i)move|path|restore|backup"], KUMA_STORE_TYPE="sqlite", KUMA_STORE_SQLITE_PATH=str(path))
                self.assertNotIn("terminate", said)
                self.assertEqual(path.read_bytes(), content)

    def test_arguments_that_are_none_are_refused(self):
        for arguments in (["run", "--log-level", "loud"], ["run", "--no-such-flag"], ["walk"], []):
            done = subprocess.run([plane.binary("taskmesh-cp"), *arguments], capture_output=True, text=True, timeout=10)
            self.assertNotEqual(done.returncode, 0)
            self.assertTrue(done.stderr)
