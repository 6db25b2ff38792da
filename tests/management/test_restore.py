"""A backup takes the database's place whole, and nothing of what was there gets into it."""

import fcntl
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests.commands import manage

RECOVER = """
from django.utils import timezone
from loans import venues
from loans.models import SiteState
from loans.services.recovery import heed_journal
heed_journal(venues.journal(), now=timezone.now())
print(SiteState.load().recovered_at is not None)
"""


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as a power cut leaves it, with the backup of the day before."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's own; once is enough")
    first, crashed = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("crashed") / "data"
    assert run(first, "migrate").returncode == 0
    writing = sqlite3.connect(first / "marginsite.sqlite3")
    write(writing, "the day before")
    assert run(first, "backup", str(first / "backup.sqlite3")).returncode == 0
    for number in range(50):
        write(writing, f"today {number}")
    shutil.copytree(first, crashed)
    writing.close()
    assert (crashed / "marginsite.sqlite3-wal").stat().st_size > 0
    return crashed


@pytest.fixture
def data(crashed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crashed, tmp_path / "data"))


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return manage(*arguments, MARGINSITE_DATA_DIR=str(data))


def restore(data: Path, backup: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run(data, "restore", str(backup or data / "backup.sqlite3"))


def write(database: sqlite3.Connection, text: str) -> None:
    database.execute("UPDATE loans_sitestate SET stopped_reason = ?", [text])
    database.commit()


def read(path: Path) -> str:
    found = sqlite3.connect(path)
    assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    (text,) = found.execute("SELECT stopped_reason FROM loans_sitestate").fetchone()
    found.close()
    return text


def test_the_log_of_a_crash_stays_with_its_database_and_out_of_the_backup(data: Path) -> None:
    outcome = restore(data)

    assert outcome.returncode == 0, outcome.stderr
    database = data / "marginsite.sqlite3"
    assert not [p for p in data.glob("marginsite.sqlite3-*") if p.stat().st_size]
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert read(database) == "the day before"
    (kept,) = data.glob("marginsite.sqlite3.until-*[0-9]")
    assert f"kept as {kept}." in outcome.stdout
    assert read(kept) == "today 49"


def test_the_next_start_looks_up_what_was_open(data: Path) -> None:
    assert run(data, "shell", "-c", RECOVER).stdout.split()[-1] == "False"

    restore(data)

    assert run(data, "shell", "-c", RECOVER).stdout.split()[-1] == "True"


def test_while_the_site_runs_nothing_is_restored(data: Path) -> None:
    (data / "run").mkdir(mode=0o700)
    with (data / "run" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = restore(data)

    assert "Stop it first." in outcome.stderr
    assert read(data / "marginsite.sqlite3") == "today 49"


def of_a_newer_version(backup: Path) -> None:
    with sqlite3.connect(backup) as changed:
        changed.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('loans', '9999_new', '')"
        )


def cut_short(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[:100_000])


@pytest.mark.parametrize("spoil", [cut_short, of_a_newer_version])
def test_what_is_no_sound_backup_of_ours_changes_nothing(
    data: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(data / "backup.sqlite3")

    outcome = restore(data)

    assert outcome.returncode == 1
    assert "not restored" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert read(data / "marginsite.sqlite3") == "today 49"
    assert not [p for p in data.iterdir() if "until" in p.name or "restored" in p.name]


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The address of another database on the tests' own server."""
    told = connection.settings_dict
    server = f"{told['USER']}:{told['PASSWORD']}@{told['HOST']}:{told['PORT']}"
    name = f"{told['NAME']}_restored"
    with psycopg.connect(f"postgres://{server}/postgres", autocommit=True) as people:
        people.execute(f"CREATE DATABASE {name}")
        try:
            yield f"postgres://{server}/{name}"
        finally:
            people.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.skipif(not shutil.which("pg_dump"), reason="needs PostgreSQL's pg_dump")
def test_on_postgresql_a_backup_fills_an_empty_database(
    empty_database: str, tmp_path: Path
) -> None:
    told = connection.settings_dict
    present = empty_database.replace(f"{told['NAME']}_restored", told["NAME"])
    places = {"MARGINSITE_DATA_DIR": str(tmp_path / "data")}
    copy = str(tmp_path / "copy.dump")

    made = manage("backup", copy, DATABASE_URL=present, **places)
    filled = manage("restore", copy, DATABASE_URL=empty_database, **places)
    again = manage("restore", copy, DATABASE_URL=empty_database, **places)
    recovered = manage("shell", "-c", RECOVER, DATABASE_URL=empty_database, **places)

    assert made.returncode == filled.returncode == 0, made.stderr + filled.stderr
    assert stat.S_IMODE(Path(copy).stat().st_mode) == 0o600
    assert "is not empty" in again.stderr
    assert recovered.stdout.split()[-1] == "True", recovered.stderr
