"""Puts a backup in the place of the database, while the site stands still.

SQLite: the present database is kept under another name, together with its log, which would
otherwise be replayed into the backup. PostgreSQL: the backup goes into an empty database, so that
nothing has to give way. Either way the send journal is told first, so that the next start counts
whatever was open as possibly sent.
"""

import fcntl
import sqlite3
import subprocess
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from django.utils import timezone

from launch.runtime import make_private
from loans import venues
from loans.management.owner import must_be_owner
from loans.services import copies
from loans.services.new_files import flush
from loans.services.recovery import expect_recovery


class Command(BaseCommand):
    help = "Put BACKUP in the place of the database; the present one is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("backup", type=Path, help="a file that `backup` made")

    def handle(self, *, backup: Path, **options: object) -> None:
        if not backup.is_file():
            raise CommandError(f"{backup} is no file.")
        must_be_owner(settings.DATA_DIR)
        try:
            with _standing_still(settings.DATA_DIR):
                kept = _replace(backup) if connection.vendor == "sqlite" else _fill(backup)
        except subprocess.CalledProcessError as exc:
            raise CommandError(f"Nothing was restored. {exc.stderr.strip()}") from exc
        except (copies.NotOurs, OSError, sqlite3.Error) as exc:
            raise CommandError(f"{backup} was not restored: {exc}") from exc
        self.stdout.write(f"{backup} is the database now. {kept}")
        self.stdout.write(
            "Whatever was open in it counts as possibly sent after the next start, and is looked "
            "up; money waits until then. It opens with the secrets.env of its time."
        )


@contextmanager
def _standing_still(data_dir: Path) -> Iterator[None]:
    """Hold what `run.py` locks: the site does not run from there now, nor start meanwhile."""
    make_private(data_dir / "run")
    with (data_dir / "run" / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"The site runs from {data_dir}. Stop it first.") from None
        yield


def _replace(backup: Path) -> str:
    """Copy first, so that the backup is proven sound before anything gives way."""
    database, now = Path(connection.settings_dict["NAME"]), timezone.now()
    fresh = database.with_name(f"{database.name}.restored")
    aside = database.with_name(f"{database.name}.until-{now:%Y%m%d-%H%M%S}")
    epoch = copies.epoch_of(backup)
    fresh.unlink(missing_ok=True)  # of a run that was killed
    copies.copy_sqlite(backup, fresh)
    expect_recovery(journal=venues.journal(), epoch=epoch, now=now)
    copies.set_aside(database, aside)
    fresh.rename(database)
    flush(database.parent)
    return f"What was there is kept as {aside}." if aside.exists() else "There was none before."


def _fill(backup: Path) -> str:
    name = connection.settings_dict["NAME"]
    if connection.introspection.table_names():
        raise CommandError(f"The database {name} is not empty. Name an empty one in DATABASE_URL.")
    journal, now = venues.journal(), timezone.now()
    expect_recovery(journal=journal, epoch=0, now=now)  # in case this ends before the next one
    copies.fill_postgresql(backup)
    try:
        with connection.cursor() as cursor:
            epoch = copies.remembered_epoch(cursor)
    except (copies.NotOurs, Error) as exc:
        raise CommandError(f"{name} was filled, but do not start with it: {exc}") from exc
    expect_recovery(journal=journal, epoch=epoch, now=now)
    return f"It fills {name}, which was empty."
