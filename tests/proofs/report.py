"""Writes what was proven, when and on what kind of machine: figures, and no name of any host."""

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


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


def write(folder: Path, outcomes: Sequence[Outcome], *, missing: Sequence[str]) -> Path:
    """One report a day; a later run on the same day takes the place of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    path = folder / f"{today}.md"
    path.write_text("\n".join(_lines(today, outcomes, missing)) + "\n", encoding="utf-8")
    return path


def _lines(today: str, outcomes: Sequence[Outcome], missing: Sequence[str]) -> list[str]:
    held = sum(outcome.holds for outcome in outcomes)
    lines = [
        f"# Proofs of {today}",
        "",
        f"{held} of {len(outcomes)} hold. Written by `python3 run.py prove` on {_machine()}.",
        "Reliability here means: the verdict is true, at most one request, at most one execution,",
        "the bound record is the exchange's, and each state is the fold of its events.",
    ]
    lines += [f"Not run here: {what}." for what in missing]
    for title in dict.fromkeys(outcome.title for outcome in outcomes):
        lines += ["", f"## {title}", *_table([o for o in outcomes if o.title == title])]
    return lines


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    names = dict.fromkeys(name for o in outcomes for name in o.figures if name != "problems")
    lines = [
        "| | " + " | ".join(outcome.engine for outcome in outcomes) + " |",
        "|---|" + "---|" * len(outcomes),
        _row("holds", ["yes" if outcome.holds else "**no**" for outcome in outcomes]),
        _row("seed", [outcome.seed for outcome in outcomes]),
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
