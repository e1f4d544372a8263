"""Who signs the certificates that AWS's own endpoints and databases show in this box."""
import subprocess
import tempfile
import pathlib


class Authority:
    def __init__(self, directory):
        self.key, self.certificate = directory / "authority-key.pem", directory / "authority.pem"
        self._openssl("req", "-x509", *_NEW_KEY, "-days", "30", "-subj", "/CN=ECS in a box", "-keyout", self.key, "-out", self.certificate)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def issue(self, *names):
        """(certificate, key) in PEM for these names."""
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            alternatives = ",".join(f"DNS:{name}" for name in names)
            (scratch / "extensions").write_text(f"subjectAltName={alternatives}\n")
            self._openssl("req", *_NEW_KEY, "-subj", "/CN=" + names[0][:60], "-keyout", scratch / "key", "-out", scratch / "request")
            self._openssl("x509", "-req", "-in", scratch / "request", "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "30",
                          "-extfile", scratch / "extensions", "-out", scratch / "certificate")
            return (scratch / "certificate").read_text(), (scratch / "key").read_text()


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
