"""Runs one proof on one database in a process of its own, and prints its figures as JSON.

`python -m tests.proofs.one matrix --sample --seed 7`; the database's server is in DATABASE_URL, or
SQLite is used, in memory-backed storage where there is some (every commit is made in full anyway).
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.proofs.registry import PROOFS, Scale

MEMORY = Path("/dev/shm")


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit code says whether it held."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.one", description=__doc__)
    parser.add_argument("proof", choices=[proof.name for proof in PROOFS])
    parser.add_argument("--sample", action="store_true", help="the part that CI runs")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    proof = next(proof for proof in PROOFS if proof.name == asked.proof)
    parent = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="marginsite-proof-", dir=parent))
    try:
        with _database(folder):
            _set_up(folder)
            began = time.monotonic()
            figures = dict(proof.load()(Scale(not asked.sample, asked.seed, folder)))
            figures.setdefault("seconds", round(time.monotonic() - began, 1))
            _put_down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures), flush=True)
    return 1 if figures["problems"] else 0


@contextmanager
def _database(folder: Path) -> Iterator[None]:
    """A database of this run's own, named in the environment."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'proof.sqlite3'}"
        yield
        return
    import psycopg

    name = f"marginsite_proof_{os.getpid()}"
    os.environ["DATABASE_URL"] = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        yield
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            for database in (name, f"{name}_earlier"):
                server.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def _set_up(folder: Path) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.proofs.settings"
    os.environ["MARGINSITE_DATA_DIR"] = str(folder)
    logging.basicConfig(filename=folder / "proof.log")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _put_down() -> None:
    from django.db import connections

    connections.close_all()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
