"""Writes an image as an OCI archive (a tar file that skopeo, podman and docker load), and the list of what is in it (SPDX).

Same content, same bytes: times are fixed, names sorted. Python's standard library only.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import stat
import tarfile

EPOCH = 1_700_000_000
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _layer(folder):
    """(gzip'd tar, digest of the tar without gzip). Overlayfs marks what is deleted with a device 0/0, OCI with a name."""
    plain, packed = hashlib.sha256(), io.BytesIO()

    class Tee:
        def __init__(self, zipped):
            self.zipped = zipped

        def write(self, data):
            plain.update(data)
            return self.zipped.write(data)

    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=6) as zipped:
        with tarfile.open(fileobj=Tee(zipped), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(folder.rglob("*")):
                info = tar.gettarinfo(path, str(path.relative_to(folder)))
                if info is None:
                    continue
                info.uname = info.gname = ""
                info.mtime = EPOCH
                state = path.lstat()
                if stat.S_ISCHR(state.st_mode) and state.st_rdev == 0:
                    info = tarfile.TarInfo(str(path.relative_to(folder).parent / (".wh." + path.name)))
                    info.mtime = EPOCH
                    tar.addfile(info)
                elif info.isreg():
                    with open(path, "rb") as content:
                        tar.addfile(info, content)
                else:
                    tar.addfile(info)
    return packed.getvalue(), plain.hexdigest()


def write(image, archive, name):
    """Writes the archive; answers its size in bytes."""
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    layers, plain = [], []
    for folder in image.layers:
        packed, digest = _layer(pathlib.Path(folder))
        layers.append(blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip"))
        plain.append(f"sha256:{digest}")
    architecture = ARCHITECTURES[platform.machine()]
    config = {"architecture": architecture, "os": "linux", "config": {key: value for key, value in image.config.items() if key != "Healthcheck"},
              "rootfs": {"type": "layers", "diff_ids": plain}}
    if "Healthcheck" in image.config:
        config["config"]["Healthcheck"] = image.config["Healthcheck"]  # docker's field; OCI readers pass over it
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"), "layers": layers}
    entry = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    entry |= {"platform": {"architecture": architecture, "os": "linux"}, "annotations": {"org.opencontainers.image.ref.name": name}}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()}
    files |= {f"blobs/sha256/{digest}": data for digest, data in blobs.items()}
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(data), EPOCH, 0o644
            tar.addfile(info, io.BytesIO(data))
    return sum(map(len, blobs.values()))


def packages(image):
    """[(name, version, source)] of the Debian packages in the image."""
    status = image.find("/var/lib/dpkg/status")
    for paragraph in status.read_text(errors="replace").split("\n\n") if status else []:
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" "))
        if fields.get("Status", "").endswith(" installed"):
            yield fields["Package"], fields["Version"], fields.get("Source", fields["Package"]).split(" ")[0]


def write_bill(image, file, name, context, programs):
    """An SPDX 2.3 document: every Debian package, and the programs that were copied in ({name: version}) with their digests."""
    entries = [{"SPDXID": f"SPDXRef-deb-{package.replace('+', '-plus-')}", "name": package, "versionInfo": version, "downloadLocation": "NOASSERTION",
                "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:deb/debian/{package}@{version}"}],
                "filesAnalyzed": False} for package, version, _ in packages(image)]
    for program, version in programs.items():
        digest = hashlib.sha256((context / program).read_bytes()).hexdigest()
        entries.append({"SPDXID": f"SPDXRef-program-{program}", "name": program, "versionInfo": version, "downloadLocation": "NOASSERTION",
                        "filesAnalyzed": False, "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]})
    whole = {"SPDXID": "SPDXRef-image", "name": name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "primaryPackagePurpose": "CONTAINER"}
    related = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"), *(("SPDXRef-image", "CONTAINS", entry["SPDXID"]) for entry in entries)]
    document = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
                "documentNamespace": f"https://taskmesh.invalid/spdx/{name}/{hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16]}",
                "creationInfo": {"created": "2023-11-14T22:13:20Z", "creators": ["Tool: tools/images"]}, "packages": [whole, *entries],
                "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other} for one, kind, other in related]}
    file.write_text(json.dumps(document, indent=1) + "\n")
    os.chmod(file, 0o644)
