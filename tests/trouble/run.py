#!/usr/bin/env python3
"""Runs the tests of trouble: run.py [--bin DIR] [test_tokens …]. They have a network (and mounts) of their own."""
import argparse
import os
import pathlib
import sys
import unittest

import plane  # also finds the lab


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(plane.lab.ROOT / "build/dev/bin"))
    parser.add_argument("names", nargs="*", help="test_tokens, test_garbage.Http, …; nothing: all")
    arguments = parser.parse_args()
    os.environ["TASKMESH_BINARIES"] = arguments.bin
    try:
        plane.lab.enter()
    except plane.lab.Failure as problem:
        print(f"skipped: {problem}", file=sys.stderr)
        return 77
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(arguments.names) if arguments.names else loader.discover(str(pathlib.Path(__file__).parent))
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
