"""How quick the books are at full size: the benchmarks of `bench/`, each in a process of its own.

Ratios of one run, never times to be met: a goal that is missed is told as missed, and is no
violation. What is a violation is a figure that differs from its scan or its definition.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.proofs.registry import Scale

# So many rows or loans in full, and in a sample.
BENCHES = {
    "history": (10_000_000, 20_000),
    "totals": (10_000_000, 20_000),
    "first_load": (1_000_000, 4_000),
    "replay": (1_000_000, 4_000),
    "books": (1_000_000, 4_000),
}


def prove(scale: Scale) -> dict:
    """Run each benchmark on the engine of DATABASE_URL."""
    server = os.environ.get("DATABASE_URL", "")
    told: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, (full, sample) in BENCHES.items():
        with database(server) as url:
            rows = full if scale.is_full else sample
            outcome = _run(name, rows, url)
        if isinstance(outcome, str):
            problems[name] = outcome
        else:
            told |= {f"{name} at {rows:,}: {figure}": value for figure, value in outcome.items()}
    return {**told, "problems": problems}


def _run(name: str, rows: int, url: str) -> dict[str, Any] | str:
    """The figures, or why there are none."""
    command = (sys.executable, "-m", "tests.proofs.speed", name, str(rows))
    child = subprocess.run(
        command,
        env={**os.environ, "BENCH_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if child.returncode:
        return f"exit code {child.returncode}"
    return json.loads(child.stdout.splitlines()[-1])


@contextmanager
def database(server: str) -> Iterator[str]:
    """An empty database of the server, dropped afterwards; SQLite makes its own."""
    if not server.startswith("postgres"):
        yield ""
        return
    import psycopg

    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def measure(name: str, rows: int) -> dict[str, Any]:
    """What one benchmark tells, in the process that runs it."""
    if name == "replay":
        from bench import replay

        return replay.figures(loans=rows)
    if name == "history":
        from bench import history

        return _plain(history.measure(rows))
    from bench.ground import prepare

    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        if name == "totals":
            from bench import totals

            return _plain(totals.measure(rows))
        if name == "books":
            from bench import replay

            return replay.books_figures(loans=rows)
        from bench import first_load

        return _plain(first_load.measure(rows))


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    """Ratios and goals; the milliseconds behind them are of one machine."""
    goals = figures.pop("goals", {})
    found = {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in figures.items()
        if " / " in name or isinstance(value, str) or name in goals
    }
    return found | {f"goal, {name}": "met" if met else "MISSED" for name, met in goals.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=BENCHES)
    parser.add_argument("rows", type=int)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.name, asked.rows)))
