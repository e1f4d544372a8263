#!/usr/bin/env python3
"""Runs the tests against the AWS emulator: run_aws.py [--bin DIR] [test_ecs_identity …]. Needs tools/fetch_moto once."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import run as e2e_run  # noqa: E402

if __name__ == "__main__":
    if not any(argument.startswith("test_") for argument in sys.argv[1:]):
        sys.argv.append("test_ecs_identity")
    sys.exit(e2e_run.main())
