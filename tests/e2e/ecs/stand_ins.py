"""Images that are not ours: what the published templates run beside the mesh, in a form that this machine has."""
import pathlib
import stat

import lab

from .images import image_builder

_AWS = """#!{python}
import os, sys
os.environ.setdefault("AWS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
import boto3
def text(value):
    return open(value[7:]).read() if value.startswith("file://") else value
service, command, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
given = dict(zip((name.lstrip("-") for name in rest[::2]), map(text, rest[1::2])))
spell = lambda name: "".join(part.title() for part in name.split("-"))
client = boto3.client(service)
print(getattr(client, command.replace("-", "_"))(**{{spell(name): value for name, value in given.items()}}))
"""


def stand_ins(directory):
    """For nicolaka/netshoot and the AWS CLI: this machine's own programs, and an `aws` that is a few lines of boto3. For Kuma's
    counter: ours."""
    folder = pathlib.Path(directory) / "stand-in"

    def tools(_store):
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "aws"
        program.write_text(_AWS.format(python=lab.ROOT / ".tools/moto/bin/python"))
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        image = image_builder.Image([pathlib.Path("/")], {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]})
        # Not layers: overlayfs takes none that lies within another, and sees nothing of what is mounted somewhere in it.
        emulator = lab.ROOT / ".tools/moto"
        image.mounts = [(str(program), "/usr/local/bin/aws", True), (str(emulator), str(emulator), True)]
        return image

    def counter(store):
        """One image for both parts of the counter, as kumahq/kuma-counter-demo is."""
        image = store.own("counter").copy()
        image.config["Cmd"] = ["sh", "-c", 'if [ -n "$KV_URL" ]; then exec demo-app; else exec kv; fi']
        image.config["Env"] = [entry for entry in image.config["Env"] if not entry.startswith("ADDRESS=")] + ["ADDRESS=0.0.0.0", "PORT=5050"]
        return image
    return {"nicolaka/netshoot": tools, "aws-cli/aws-cli": tools, "amazon/aws-cli": tools, "kumahq/kuma-counter-demo": counter}
