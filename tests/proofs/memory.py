"""A database whose tail of commits can be lost, as by a power cut, a failover or a restore.

SQLite's file is copied and written back page by page; PostgreSQL's database is cloned, and the
clone takes its place while whoever was connected is thrown out.
"""

import sqlite3
from pathlib import Path

import psycopg
from django.db import connection, connections


class Memory:
    """What the database knew at one moment; every process must be disconnected then."""

    def __init__(self, folder: Path) -> None:
        connections.close_all()
        self._name = str(connection.settings_dict["NAME"])
        if connection.vendor == "sqlite":
            self._copy = folder / "earlier.sqlite3"
            _copy(Path(self._name), self._copy)
        else:
            self._copy = Path(f"{self._name}_earlier")
            with _server() as server:
                server.execute(f'DROP DATABASE IF EXISTS "{self._copy}"')
                server.execute(f'CREATE DATABASE "{self._copy}" TEMPLATE "{self._name}"')

    def bring_back(self) -> None:
        """Forget everything that was committed since."""
        connections.close_all()
        if connection.vendor == "sqlite":
            _copy(self._copy, Path(self._name))
            return
        with _server() as server:
            server.execute(f'DROP DATABASE "{self._name}" WITH (FORCE)')
            server.execute(f'ALTER DATABASE "{self._copy}" RENAME TO "{self._name}"')


def _copy(source: Path, target: Path) -> None:
    came, went = sqlite3.connect(source), sqlite3.connect(target)
    came.backup(went)
    came.close()
    went.close()


def _server() -> psycopg.Connection:
    settings = connection.settings_dict
    return psycopg.connect(
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        dbname="template1",
        autocommit=True,
    )
