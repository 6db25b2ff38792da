"""Copies the database to one file while everything runs, without the keys that decrypt it and
without anybody's session.

SQLite is copied through its own online backup, so the copy is one consistent state. For
PostgreSQL the right command is named instead. `secrets.env` is left out on purpose: a backup that
is stolen must not open the exchange keys, so that file is kept apart.
"""

import contextlib
import sqlite3
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from loans.services.new_files import draft_of


class Command(BaseCommand):
    help = "Write a consistent copy of the database to TARGET; the keys are not in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", type=Path, help="a file that does not exist yet, or a folder")

    def handle(self, *, target: Path, **options: object) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(
                "This database is PostgreSQL. Back it up with: "
                "pg_dump --format=custom --exclude-table-data=django_session "
                '--file=TARGET "$DATABASE_URL"'
            )
        if target.is_dir():
            target = target / "marginsite-backup.sqlite3"
        try:
            copy(Path(connection.settings_dict["NAME"]), target)
        except FileExistsError as exc:
            raise CommandError(f"{target} exists; a backup never overwrites another.") from exc
        except (OSError, sqlite3.Error) as exc:
            raise CommandError(f"No backup was written: {exc}") from exc
        self.stdout.write(f"{target}: {target.stat().st_size:,} bytes, checked.")
        self.stdout.write(f"Keep {settings.DATA_DIR / 'secrets.env'} too, in another place.")


def copy(source: Path, target: Path) -> None:
    """Copy beside the target, check the copy, and only then give it its name.

    Raises FileExistsError, OSError or sqlite3.Error; then nothing is left at the target.
    """
    with draft_of(target) as draft:
        reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(reading) as old, contextlib.closing(sqlite3.connect(draft)) as new:
            old.backup(new)  # one read transaction; under WAL nobody waits for it
            new.execute("PRAGMA journal_mode=DELETE")
            # Whoever has a session's key is signed in: none of them leaves with the copy.
            new.execute("PRAGMA secure_delete=ON")
            new.execute("DELETE FROM django_session")
            new.commit()
            verdict = new.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"the copy is damaged ({verdict})")
