"""Copies of the whole database: made while it is in use, and put back. SQLite is copied through its
own online backup, PostgreSQL by its own programs, which are told where it is by Django.
"""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from django.db import connection
from django.db.migrations.loader import MigrationLoader

from loans.services.new_files import draft_of

SESSIONS = "django_session"  # whoever has a session's key is signed in: none leaves with a copy
PUT_BACK = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-acl")
BESIDE_SQLITE = ("", "-wal", "-shm", "-journal")


class NotOurs(Exception):
    """A file that this version cannot use as its database; says why."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy beside the target, check the copy, and only then give it its name.

    Raises FileExistsError, OSError or sqlite3.Error; then nothing is left at the target.
    """
    with draft_of(target) as draft, _reading(source) as old, closing(sqlite3.connect(draft)) as new:
        old.backup(new)  # one read transaction; under WAL nobody waits for it
        new.execute("PRAGMA journal_mode=DELETE")
        new.execute("PRAGMA secure_delete=ON")
        new.execute(f"DELETE FROM {SESSIONS}")  # noqa: S608 - a constant
        new.commit()
        verdict = new.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged ({verdict})")


def copy_postgresql(target: Path) -> None:
    """Have `pg_dump` write the copy. Raises FileExistsError, OSError or CalledProcessError."""
    with draft_of(target) as draft:
        _ask("pg_dump", "--format=custom", f"--exclude-table-data={SESSIONS}", f"--file={draft}")


def fill_postgresql(copy: Path) -> None:
    """Have `pg_restore` fill the empty database, wholly or not at all.

    Raises OSError or CalledProcessError.
    """
    with copy.open("rb") as file:
        _ask("pg_restore", *PUT_BACK, "--dbname", stdin=file)  # its name is the last word


def epoch_of(copy: Path) -> int:
    """How often the site was recovered, as an SQLite copy remembers it.

    Raises NotOurs or sqlite3.Error.
    """
    with _reading(copy) as found:
        return remembered_epoch(found.cursor())


def remembered_epoch(cursor: Any) -> int:
    """The same, of a database that is open already. Raises NotOurs or the engine's error."""
    cursor.execute("SELECT name FROM django_migrations WHERE app = 'loans'")
    made_by = {name for (name,) in cursor.fetchall()}
    known = {name for app, name in MigrationLoader(None).disk_migrations if app == "loans"}
    if not made_by:
        raise NotOurs("it is no database of this site")
    if made_by - known:
        raise NotOurs("a newer version of this site made it")
    cursor.execute("SELECT recovery_epoch FROM loans_sitestate")
    return max((epoch for (epoch,) in cursor.fetchall()), default=0)


def set_aside(database: Path, aside: Path) -> None:
    """Take an SQLite database out of the way, with what lies beside it: an old log would be
    replayed into whatever takes its place.
    """
    for ending in BESIDE_SQLITE:
        place = database.with_name(database.name + ending)
        if place.exists():
            place.rename(aside.with_name(aside.name + ending))


def _reading(path: Path) -> closing[sqlite3.Connection]:
    address = f"{path.absolute().as_uri()}?mode=ro"
    return closing(sqlite3.connect(address, uri=True))


def _ask(program: str, *arguments: str, stdin: BinaryIO | None = None) -> None:
    words = ["--no-password", *arguments]
    command, variables = connection.client.settings_to_cmd_args_env(connection.settings_dict, words)
    subprocess.run(  # noqa: S603
        [program, *command[1:]],
        env=os.environ | (variables or {}),
        stdin=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
