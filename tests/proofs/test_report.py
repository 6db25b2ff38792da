"""The report of the proofs: figures of a day, each in its latest run."""

import platform
from pathlib import Path

from tests.proofs.registry import POSTGRESQL, SQLITE
from tests.proofs.report import Outcome, write

MATRIX = "Crashes and faults, cell by cell"


def outcome(engine: str = SQLITE, **figures: object) -> Outcome:
    return Outcome(MATRIX, engine, 7, {"problems": {}, **figures})


def test_the_report_shows_figures_by_engine_and_what_was_not_run(tmp_path: Path) -> None:
    report = write(
        tmp_path, [outcome(cells=1534, ends={"CONFIRMED": 2}), outcome(POSTGRESQL, cells=3)]
    )

    text = report.read_text()
    assert "2 of 2 hold" in text
    assert "| cells | 1,534 | 3 |" in text
    assert "CONFIRMED 2" in text
    assert "- Not run: Answers that make no sense on SQLite." in text
    assert platform.node() not in text


def test_what_is_proven_again_on_the_same_day_takes_the_place_of_the_earlier(
    tmp_path: Path,
) -> None:
    write(tmp_path, [outcome(cells=1), outcome(POSTGRESQL, cells=2)])

    report = write(tmp_path, [outcome(cells=5, problems={"a cell": "ended wrong"})])

    text = report.read_text()
    assert "1 of 2 hold" in text
    assert "| cells | 5 | 2 |" in text
    assert "Problem on SQLite: a cell: ended wrong" in text
