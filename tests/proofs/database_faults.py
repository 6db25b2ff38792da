"""Makes one write of the money path fail in this process, the way databases really fail.

PostgreSQL is made to raise its own errors; SQLite meets a real lock, a real read-only mode and a
real limit of its file's size. What neither can be brought to do on demand is raised at the driver.
"""

import os
import resource
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, connection

STATEMENTS = {
    "insert": ('INSERT INTO "loans_instruction"',),
    "claim": ('UPDATE "loans_instruction" SET',),
    "sending": ('UPDATE "loans_instruction" SET',),
    "outcome": ('UPDATE "loans_instruction" SET',),
    # PostgreSQL takes records by COPY, unseen here: their totals, in the same transaction.
    "record": ('INSERT INTO "loans_borrowrecord"', 'INSERT INTO "loans_recordtotal"'),
}
# The step after which the write to be hit is the next one of its kind.
ARMED_AT = {"insert": "", "claim": "", "sending": "signed", "outcome": "answered", "record": ""}
_SQLSTATES = {
    "locked": "55P03",
    "disk_full": "53100",
    "deadlock": "40P01",
    "conflict": "40001",
}


class Saboteur:
    """Waits for the chosen write, once, and makes it fail."""

    def __init__(self, write: str, fault: str) -> None:
        self._write, self._fault = write, fault
        self._armed = not ARMED_AT[write]
        self._done = False

    def step(self, name: str) -> None:
        """Hear how far the worker is."""
        self._armed = self._armed or name == ARMED_AT[self._write]

    def is_for(self, write: str) -> bool:
        """Whether this write was to fail."""
        return self._write == write

    def hook(self) -> Any:
        """To be entered around the work."""
        return connection.execute_wrapper(self._watch)

    def _watch(
        self, execute: Callable, sql: str, params: object, many: bool, context: dict
    ) -> object:
        if self._done or not self._armed or not self._is_target(sql):
            return execute(sql, params, many, context)
        self._done = True
        if self._fault == "lost_in_commit":
            _lose_the_answer_of_commit()
            return execute(sql, params, many, context)
        provoke = _postgresql if connection.vendor == "postgresql" else _sqlite
        return provoke(self._fault, lambda: execute(sql, params, many, context))

    def _is_target(self, sql: str) -> bool:
        if self._fault == "locked" and connection.vendor == "sqlite":
            return sql.startswith("BEGIN")
        return sql.startswith(STATEMENTS[self._write])


def _lose_the_answer_of_commit() -> None:
    """The next commit is carried out, and the connection breaks before that is heard."""
    real = connection._commit

    def commit() -> None:
        connection._commit = real
        real()
        if connection.vendor == "postgresql":
            _end_session()
        raise OperationalError("the connection was lost during COMMIT")

    connection._commit = commit


def _end_session() -> None:
    victim = connection.connection.info.backend_pid
    other = connection.get_new_connection(connection.get_connection_params())
    other.execute("SELECT pg_terminate_backend(%s)", (victim,))
    other.close()


def _postgresql(fault: str, execute: Callable[[], object]) -> object:
    raw = connection.connection
    if fault == "read_only":
        raw.execute("SET TRANSACTION READ ONLY")
        return execute()
    code = _SQLSTATES[fault]
    with connection.wrap_database_errors:
        raw.execute(f"DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'; END $$")
    return None


def _sqlite(fault: str, execute: Callable[[], object]) -> object:
    raw = connection.connection
    if fault == "read_only":
        raw.execute("PRAGMA query_only = ON")
        return execute()
    if fault == "disk_full":
        # Writing beyond the present size fails in the system call, at the commit.
        path = str(connection.settings_dict["NAME"]) + "-wal"
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = os.path.getsize(path)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        raw.execute("PRAGMA wal_autocheckpoint = 0")
        return execute()
    if fault == "locked":
        return _behind_a_lock(raw, execute)
    raise OperationalError({"deadlock": "database table is locked"}.get(fault, "database is busy"))


def _behind_a_lock(raw: sqlite3.Connection, execute: Callable[[], object]) -> object:
    raw.execute("PRAGMA busy_timeout = 50")
    rival = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    try:
        return execute()
    finally:
        rival.execute("ROLLBACK")
        rival.close()
        raw.execute("PRAGMA busy_timeout = 10000")
