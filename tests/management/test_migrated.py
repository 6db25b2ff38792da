"""A command meets only a database that is as this version needs it."""

import sqlite3
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from loans.management import commands
from loans.management.migrated import MigratedCommand
from tests.commands import manage

# These make the database, copy it as it is, or do without.
OF_ANY_DATABASE = {"backup", "first_start", "paper_exchange", "restore"}


def test_a_snapshot_of_an_older_version_is_told_and_not_touched(tmp_path: Path) -> None:
    here = {"MARGINSITE_DATA_DIR": str(tmp_path)}
    assert manage("migrate", "loans", "0002", **here).returncode == 0

    told = manage("recovered", **here)

    assert told.returncode == 1
    assert "older version" in told.stderr
    assert "manage.py migrate" in told.stderr
    assert "Traceback" not in told.stderr

    assert manage("migrate", **here).returncode == 0
    assert "may have been sent" in manage("recovered", **here).stdout


def test_a_database_of_a_newer_version_is_told_and_not_touched(tmp_path: Path) -> None:
    here = {"MARGINSITE_DATA_DIR": str(tmp_path)}
    assert manage("migrate", **here).returncode == 0
    with sqlite3.connect(tmp_path / "marginsite.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('loans', '9999_later', '2030-01-01')"
        )
    database.close()

    told = manage("verify_audit", **here)

    assert told.returncode == 1
    assert "newer version" in told.stderr
    assert "Traceback" not in told.stderr


def test_every_other_command_looks_first() -> None:
    for found in iter_modules(commands.__path__):
        if found.name in OF_ANY_DATABASE:
            continue
        module = import_module(f"{commands.__name__}.{found.name}")
        assert issubclass(module.Command, MigratedCommand), found.name
