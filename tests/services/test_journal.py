"""The send journal keeps every send, and drops what is old when it grows long."""

import resource
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from loans.services import journal
from loans.services.journal import Entry, Journal

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def entry(number: int, *, days_ago: int = 0) -> Entry:
    return Entry(f"i{number}", NOW - timedelta(days=days_ago), "f" * 64, number, Decimal(20))


def test_what_is_appended_reads_back_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    sends = Journal(tmp_path / "sends")
    sends.append(entry(1))
    with sends.path.open("a") as file:
        file.write('{"instruction": "i2", "signed')
    sends.append(entry(3))

    assert list(sends.entries()) == [entry(1), entry(3)]
    assert sends.path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_the_disk_takes_only_in_part_counts_as_not_written(tmp_path: Path) -> None:
    """The system then reports no error, but a shorter write than was asked for."""
    kept, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, most))
    try:
        with pytest.raises(OSError, match="only in part"):
            Journal(tmp_path / "sends").append(entry(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kept, most))
        signal.signal(signal.SIGXFSZ, heard)


def test_a_long_journal_keeps_its_last_week(tmp_path: Path) -> None:
    sends = Journal(tmp_path / "sends")
    many = journal.COMPACT_AT_BYTES // 150
    lines = (journal._line_of(entry(n, days_ago=30)) for n in range(many))
    sends.path.write_text("\n".join(lines) + "\n")
    sends.append(entry(7, days_ago=6))

    sends.compact(now=NOW)

    assert list(sends.entries()) == [entry(7, days_ago=6)]
    assert sends.path.stat().st_mode & 0o777 == 0o600


def test_a_short_journal_is_left_alone(tmp_path: Path) -> None:
    sends = Journal(tmp_path / "sends")
    sends.append(entry(1, days_ago=30))

    sends.compact(now=NOW)

    assert list(sends.entries()) == [entry(1, days_ago=30)]
