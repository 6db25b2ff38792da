"""Play seeds outside the tests: `python -m tests.simulation --seed 7`, or `--seeds 0 10000`."""

import argparse
import json
import os

import django


def main() -> int:
    """Play, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one and print its steps")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FROM", "TO"), default=(0, 200))
    asked = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.db import connection

    from tests.simulation.play import play_many

    connection.creation.create_test_db(verbosity=0)
    seeds = range(*asked.seeds) if asked.seed is None else (asked.seed,)
    figures = play_many(seeds, tell=print if asked.seed is not None else None, goes_on=True)
    print(json.dumps(figures.shown()))
    return 1 if figures.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
