"""Copies the database to one file while everything runs, without the keys that decrypt it and
without anybody's session.

`secrets.env` is left out on purpose: a backup that is stolen must not open the exchange keys, so
that file is kept apart. `restore` puts a backup back.
"""

import sqlite3
import subprocess
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from loans.services import copies


class Command(BaseCommand):
    help = "Write a consistent copy of the database to TARGET; the keys are not in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", type=Path, help="a file that does not exist yet, or a folder")

    def handle(self, *, target: Path, **options: object) -> None:
        is_sqlite = connection.vendor == "sqlite"
        if target.is_dir():
            target /= "marginsite-backup.sqlite3" if is_sqlite else "marginsite-backup.dump"
        try:
            if is_sqlite:
                copies.copy_sqlite(Path(connection.settings_dict["NAME"]), target)
            else:
                copies.copy_postgresql(target)
        except FileExistsError as exc:
            raise CommandError(f"{target} exists; a backup never overwrites another.") from exc
        except subprocess.CalledProcessError as exc:
            raise CommandError(f"No backup was written. {exc.stderr.strip()}") from exc
        except (OSError, sqlite3.Error) as exc:
            raise CommandError(f"No backup was written: {exc}") from exc
        made = "checked" if is_sqlite else "written by pg_dump"
        self.stdout.write(f"{target}: {target.stat().st_size:,} bytes, {made}.")
        self.stdout.write(f"Keep {settings.DATA_DIR / 'secrets.env'} too, in another place.")
