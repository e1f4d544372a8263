#!/usr/bin/env python3
"""Runs end-to-end tests: run.py [--bin DIR] [--folder DIR] [test_traffic …]. On a failure it prints the last lines of
every part."""
import argparse
import os
import pathlib
import sys
import unittest

import lab


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(lab.ROOT / "build/dev/bin"))
    parser.add_argument("--folder", default=str(pathlib.Path(__file__).parent), help="where the tests are, when they are not these")
    parser.add_argument("names", nargs="*", help="test_traffic, test_lifecycle.RollingUpdate, …; nothing: all")
    arguments = parser.parse_args()
    os.environ["TASKMESH_BINARIES"] = arguments.bin
    try:
        lab.enter()
    except lab.Failure as problem:
        print(f"skipped: {problem}", file=sys.stderr)
        return 77
    sys.path.insert(0, arguments.folder)
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(arguments.names) if arguments.names else loader.discover(arguments.folder)
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
