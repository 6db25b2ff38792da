"""The backup is whole, closed to others, and without the keys."""

import errno
import sqlite3
import stat
from pathlib import Path

import pytest

from loans.services.copies import copy_sqlite

SESSION = "the-key-of-a-session"


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    """A database under WAL that another process is writing to."""
    writing = sqlite3.connect(tmp_path / "source.sqlite3")
    writing.execute("PRAGMA journal_mode=WAL")
    writing.execute("CREATE TABLE loan (amount TEXT)")
    writing.execute("INSERT INTO loan VALUES ('15.00034374')")
    writing.execute("CREATE TABLE django_session (session_key TEXT)")
    writing.execute("INSERT INTO django_session VALUES (?)", [SESSION])
    writing.commit()
    return writing


def test_a_copy_holds_what_was_committed_and_not_what_was_not(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    database.execute("INSERT INTO loan VALUES ('1')")  # not committed

    copy_sqlite(tmp_path / "source.sqlite3", tmp_path / "copy.sqlite3")

    copied = sqlite3.connect(tmp_path / "copy.sqlite3")
    assert copied.execute("SELECT amount FROM loan").fetchall() == [("15.00034374",)]


def test_a_copy_signs_nobody_in(database: sqlite3.Connection, tmp_path: Path) -> None:
    copy_sqlite(tmp_path / "source.sqlite3", tmp_path / "copy.sqlite3")

    assert database.execute("SELECT session_key FROM django_session").fetchall() == [(SESSION,)]
    assert SESSION.encode() not in (tmp_path / "copy.sqlite3").read_bytes()


def test_a_copy_is_one_file_that_only_its_owner_reads(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    (tmp_path / "target").mkdir()

    copy_sqlite(tmp_path / "source.sqlite3", tmp_path / "target" / "copy.sqlite3")

    (only,) = (tmp_path / "target").iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_a_copy_never_overwrites(database: sqlite3.Connection, tmp_path: Path) -> None:
    (tmp_path / "copy.sqlite3").write_text("yesterday's")

    with pytest.raises(FileExistsError):
        copy_sqlite(tmp_path / "source.sqlite3", tmp_path / "copy.sqlite3")

    assert (tmp_path / "copy.sqlite3").read_text() == "yesterday's"


def test_a_disk_that_knows_no_links_takes_it_too(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    (tmp_path / "target").mkdir()

    copy_sqlite(tmp_path / "source.sqlite3", tmp_path / "target" / "copy.sqlite3")

    (only,) = (tmp_path / "target").iterdir()
    assert sqlite3.connect(only).execute("SELECT amount FROM loan").fetchall()


def test_a_damaged_database_leaves_no_backup(tmp_path: Path) -> None:
    (tmp_path / "source.sqlite3").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)

    with pytest.raises(sqlite3.Error):
        copy_sqlite(tmp_path / "source.sqlite3", tmp_path / "copy.sqlite3")

    assert [p.name for p in tmp_path.iterdir()] == ["source.sqlite3"]
