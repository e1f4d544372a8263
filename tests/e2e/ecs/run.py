#!/usr/bin/env python3
"""Runs the tests of images and templates: run.py [--bin DIR] [test_images test_templates …]. With the Python of .tools/moto; exit code 77: skipped."""
import argparse
import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PYTHON = ROOT / ".tools/moto/bin/python"


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def main():
    if not PYTHON.exists():
        skip("moto is missing: tools/fetch_moto")
    if pathlib.Path(sys.prefix).resolve() != PYTHON.parents[1].resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    if os.geteuid() != 0:
        skip("root is needed: tasks have users of their own")
    missing = [program for program in ("mmdebstrap", "dnsmasq", "nsenter", "nft", "ip") if shutil.which(program) is None]
    if missing:
        skip(f"{', '.join(missing)} missing: the Debian packages of group ecs in tools/packages.txt")
    sys.path[:] = [str(HERE.parent), str(HERE.parents[1] / "aws"), *(path for path in sys.path if path != str(HERE)), str(HERE)]
    import run as e2e_run
    if os.environ.get("TASKMESH_LAB") != "inside":
        import lab
        from ecs.images import image_builder, prepare_outside
        if why := image_builder.cannot_build():
            skip(why)
        given = argparse.ArgumentParser(add_help=False)
        given.add_argument("--bin", default=str(ROOT / "build/dev/bin"))
        binaries, envoy = given.parse_known_args()[0].bin, os.environ.get("TASKMESH_ENVOY") or lab.ROOT / ".tools/envoy/envoy"
        try:
            prepare_outside(binaries, envoy, print)
        except image_builder.NoDebian as problem:
            skip(f"no Debian can be fetched for the images: {problem}")
    if not any(argument.startswith("test_") for argument in sys.argv[1:]):
        sys.argv += ["test_images", "test_box", "test_templates", "test_closed", "test_command"]
    sys.exit(e2e_run.main())


if __name__ == "__main__":
    main()
