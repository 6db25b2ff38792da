"""Runs every proof that can run here, one after the other, and writes the report.

`python -m tests.proofs [--only NAME] [--sample] [--seed N] [--report FOLDER]`; PostgreSQL is the
server named in TEST_DATABASE_URL, Redis that in TEST_REDIS_URL. It needs no Django itself.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.proofs.registry import POSTGRESQL, PROOFS, SQLITE, Proof
from tests.proofs.report import Outcome, write


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit code says whether all of it held."""
    parser = argparse.ArgumentParser(prog="python3 run.py prove", description=__doc__)
    names = [proof.name for proof in PROOFS]
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--sample", action="store_true", help="only the part that the tests run")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--report", type=Path, default=Path("docs/proofs"), metavar="FOLDER")
    asked = parser.parse_args(arguments)
    outcomes = []
    for proof in PROOFS:
        if asked.only and proof.name not in asked.only:
            continue
        for engine in proof.engines:
            if reason := _obstacle(proof, engine):
                print(f"Not run: {proof.title} on {engine}, because {reason}", flush=True)
                continue
            outcomes.append(_run(proof, engine, seed=asked.seed, is_sample=asked.sample))
            path = write(asked.report, outcomes[-1:])
    if not outcomes:
        return 1
    held = all(outcome.holds for outcome in outcomes)
    print(f"{'All hold' if held else 'NOT all hold'}: {path}", flush=True)
    return 0 if held else 1


def _obstacle(proof: Proof, engine: str) -> str:
    if engine == POSTGRESQL and not os.environ.get("TEST_DATABASE_URL"):
        return "no PostgreSQL server answered"
    if proof.needs_redis and not os.environ.get("TEST_REDIS_URL"):
        return "no Redis server answered"
    return ""


def _run(proof: Proof, engine: str, *, seed: int, is_sample: bool) -> Outcome:
    print(f"{proof.title} on {engine} ...", flush=True)
    url = "" if engine == SQLITE else os.environ["TEST_DATABASE_URL"]
    command = [sys.executable, "-m", "tests.proofs.one", proof.name, "--seed", str(seed)]
    told = subprocess.run(
        [*command, *(["--sample"] if is_sample else [])],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        figures = json.loads(told.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        figures = {"problems": {"it broke off": f"exit code {told.returncode}"}}
    outcome = Outcome(proof.title, engine, seed, figures)
    problems = len(figures["problems"])
    print(f"  {'holds' if outcome.holds else f'{problems} PROBLEMS'}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
