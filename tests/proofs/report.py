"""Writes what was proven, when and on what kind of machine: figures, and no name of any host."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.proofs.registry import BOTH, PROOFS


@dataclass(frozen=True)
class Outcome:
    """What one proof on one engine came to."""

    title: str
    engine: str
    seed: int
    figures: Mapping[str, object]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.figures["problems"]


def write(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """One report a day; what is proven again on the same day takes the place of what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    figures, report = folder / f"{today}.json", folder / f"{today}.md"
    told = {(o.title, o.engine): o for o in [*_earlier(figures), *outcomes]}
    ordered = sorted(told.values(), key=_place)
    text = json.dumps([asdict(outcome) for outcome in ordered], indent=1)
    figures.write_text(text + "\n", encoding="utf-8")
    report.write_text("\n".join(_lines(today, ordered)) + "\n", encoding="utf-8")
    return report


def _earlier(figures: Path) -> list[Outcome]:
    if not figures.exists():
        return []
    return [Outcome(**told) for told in json.loads(figures.read_text(encoding="utf-8"))]


def _place(outcome: Outcome) -> tuple[int, int]:
    titles = [proof.title for proof in PROOFS]
    return titles.index(outcome.title), BOTH.index(outcome.engine)


def _lines(today: str, outcomes: Sequence[Outcome]) -> list[str]:
    held = sum(outcome.holds for outcome in outcomes)
    lines = [
        f"# Proofs of {today}",
        "",
        f"{held} of {len(outcomes)} hold. Written by `python3 run.py prove` on {_machine()}.",
        "A cell of the matrix holds if its verdict is true, at most one request reached the",
        "exchange, at most one was executed, the bound record is the exchange's own, and the state",
        "is the fold of the events.",
    ]
    done = {(outcome.title, outcome.engine) for outcome in outcomes}
    lines += [
        f"- Not run: {proof.title} on {engine}."
        for proof in PROOFS
        for engine in proof.engines
        if (proof.title, engine) not in done
    ]
    for title in dict.fromkeys(outcome.title for outcome in outcomes):
        lines += ["", f"## {title}", *_table([o for o in outcomes if o.title == title])]
    return lines


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    names = dict.fromkeys(name for o in outcomes for name in o.figures if name != "problems")
    lines = [
        "| | " + " | ".join(outcome.engine for outcome in outcomes) + " |",
        "|---|" + "---|" * len(outcomes),
        _row("holds", ["yes" if outcome.holds else "**no**" for outcome in outcomes]),
        _row("seed", [str(outcome.seed) for outcome in outcomes]),
    ]
    lines += [_row(name, [o.figures.get(name, "") for o in outcomes]) for name in names]
    for outcome in outcomes:
        lines += [
            f"\nProblem on {outcome.engine}: {name}: {what}"
            for name, what in dict(outcome.figures["problems"]).items()
        ]
    return lines


def _row(name: str, values: Sequence[object]) -> str:
    return f"| {name} | " + " | ".join(_cell(value) for value in values) + " |"


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _machine() -> str:
    """The kind of machine, without its name."""
    return (
        f"{platform.system()} {platform.machine()} with {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
