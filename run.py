#!/usr/bin/env python3
"""Sets up and starts everything, or runs the tests, with nothing but Python's standard library.

    python3 run.py              install, migrate and start: the page is on http://localhost:8000
    python3 run.py test [...]   install what the tests need and run them all; arguments go to pytest
    python3 run.py prove [...]  run every proof in full and write a report; --only NAME for one
    python3 run.py lock         write both lock files anew from pyproject.toml

This file only checks that it can run at all, so it must stay readable to old Pythons; the work is
done by the modules of `launch/`, which import neither Django nor anything else that is installed.
"""

import sys

OLDEST = (3, 11)
USAGE = "Usage: python3 run.py [start | test [pytest arguments] | prove [--only NAME] | lock]"


def missing_requirement():
    """The sentence that says why this Python cannot run the project, or None if it can."""
    if sys.version_info < OLDEST:
        return "marginsite needs Python {}.{} or newer; this is {}.{}.".format(
            *OLDEST, *sys.version_info[:2]
        )
    if sys.platform == "win32":
        return "marginsite runs on Linux and macOS; on Windows, start it inside WSL."
    try:
        import ensurepip  # noqa: F401 - Debian and Ubuntu ship Python without it
        import venv  # noqa: F401
    except ImportError:
        return (
            "This Python has no venv module. Install it (on Debian and Ubuntu: "
            "`sudo apt install python3-venv`) and start again."
        )
    return None


def main(arguments):
    """Hand over, if that can be; answers the exit code."""
    problem = missing_requirement()
    if problem:
        sys.stderr.write(problem + "\n")
        return 1
    from launch.console import StartError, say

    try:
        return hand_over(*arguments)
    except StartError as exc:
        say(str(exc))
        return 1


def hand_over(command="start", *rest):
    """Do what was asked for; answers the exit code."""
    if command == "start" and not rest:
        from launch.start import start

        return start()
    if command == "test":
        from launch.testing import run_tests

        return run_tests(list(rest))
    if command == "prove":
        from launch.proving import run_proofs

        return run_proofs(list(rest))
    if command == "lock" and not rest:
        from launch.install import lock

        return lock()
    sys.stderr.write(USAGE + "\n")
    return 0 if command in ("help", "-h", "--help") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
