"""Certificates of our ports that are replaced while we run: taken over without a restart, or kept when the new ones are no good."""
import os
import ssl
import subprocess

import plane

PORTS = {"sidecars": plane.SIDECARS, "REST": plane.API_TLS, "diagnostics": plane.DIAGNOSTICS}


class Certificates(plane.Case):
    environment = None

    def setUp(self):
        self.version = 0
        self.folder = self.directory / self._testMethodName
        self.folder.mkdir()
        self.first = self.replace()
        for name in ("tls.crt", "tls.key"):
            (self.folder / name).symlink_to(f"..data/{name}")
        self.plane.launch(KUMA_STORE_TYPE="memory", KUMA_GENERAL_TLS_CERT_FILE=str(self.folder / "tls.crt"),
                          KUMA_GENERAL_TLS_KEY_FILE=str(self.folder / "tls.key"), KUMA_DIAGNOSTICS_TLS_ENABLED="true")
        self.addCleanup(self.plane.kill)
        self.wait_until_served(self.first)

    def replace(self, certificate=None, key=None):
        """A new pair (or these texts), put in place as Kubernetes does: a link to the folder is turned. Its certificate."""
        self.version += 1
        version = self.folder / f"..{self.version}"
        version.mkdir()
        subprocess.run([plane.binary("taskmeshctl"), "generate", "tls-certificate", "--type", "server", "--hostname", "localhost",
                        "--cert-file", version / "tls.crt", "--key-file", version / "tls.key"], check=True, capture_output=True)
        if certificate is not None:
            (version / "tls.crt").write_text(certificate)
        if key is not None:
            (version / "tls.key").write_text(key)
        (self.folder / "..turned").symlink_to(version.name)
        os.replace(self.folder / "..turned", self.folder / "..data")
        return (version / "tls.crt").read_text()

    def served(self, port):
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=10).strip()
        except OSError:
            return None

    def wait_until_served(self, certificate):
        for name, port in PORTS.items():
            plane.lab.wait_for(lambda: self.served(port) == certificate.strip(), f"the port for {name} has the certificate",
                               parts=[self.plane.program], timeout=60)

    def wait_until_kept(self, *reasons):
        def log():
            return self.plane.program.log().replace("\n      ", " ")  # reasons stand below what they are for
        for name in PORTS:
            said = lambda: [line for line in log().splitlines() if "kept the old certificate" in line and name in line
                            and all(reason in line for reason in reasons)]
            plane.lab.wait_for(said, f"it says why the port for {name} keeps what it has", parts=[self.plane.program], timeout=60)

    def test_a_new_pair_is_taken_over_by_every_port(self):
        for _ in range(2):
            self.wait_until_served(self.replace())

    def test_what_is_no_good_is_named_and_the_old_pair_is_kept(self):
        self.replace(certificate="no certificate\n")
        self.wait_until_kept(str(self.folder / "tls.crt"), "cert")
        self.wait_until_served(self.first)
        self.replace(key=(self.folder / "..1" / "tls.key").read_text())
        self.wait_until_kept(str(self.folder / "tls.key"), "is not the key of the (first) certificate")
        self.wait_until_served(self.first)
        self.wait_until_served(self.replace())
