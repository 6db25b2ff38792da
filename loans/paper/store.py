"""The paper exchange's own file: SQLite, one writer, every change durable before it is answered.

It knows tables and transactions and no rule of lending.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, opened_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS keys (
    access_key TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts,
    secret TEXT NOT NULL, memo TEXT NOT NULL, terms TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balances (
    account INTEGER NOT NULL REFERENCES accounts, wallet TEXT NOT NULL, currency TEXT NOT NULL,
    amount TEXT NOT NULL, PRIMARY KEY (account, wallet, currency)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pools (currency TEXT PRIMARY KEY, lent TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS loans (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts, symbol TEXT NOT NULL,
    currency TEXT NOT NULL, answer_id TEXT NOT NULL UNIQUE, record_id TEXT NOT NULL UNIQUE,
    principal TEXT NOT NULL, outstanding TEXT NOT NULL, charged TEXT NOT NULL, paid TEXT NOT NULL,
    daily_rate TEXT NOT NULL, opened_ms INTEGER NOT NULL, charged_until_ms INTEGER NOT NULL,
    closed_ms INTEGER, visible_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS loans_listed ON loans (account, symbol, opened_ms, id);
CREATE INDEX IF NOT EXISTS loans_open ON loans (account, symbol, currency) WHERE closed_ms IS NULL;
CREATE TABLE IF NOT EXISTS repayments (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts, symbol TEXT NOT NULL,
    currency TEXT NOT NULL, answer_id TEXT NOT NULL UNIQUE, record_id TEXT NOT NULL UNIQUE,
    amount TEXT NOT NULL, principal TEXT NOT NULL, interest TEXT NOT NULL,
    made_ms INTEGER NOT NULL, visible_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS repayments_listed ON repayments (account, symbol, made_ms, id);
CREATE TABLE IF NOT EXISTS repayment_parts (
    repayment INTEGER NOT NULL REFERENCES repayments, loan INTEGER NOT NULL REFERENCES loans,
    principal TEXT NOT NULL, interest TEXT NOT NULL, PRIMARY KEY (repayment, loan)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfers (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts, symbol TEXT NOT NULL,
    currency TEXT NOT NULL, side TEXT NOT NULL, amount TEXT NOT NULL,
    answer_id TEXT NOT NULL UNIQUE, made_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class StateInUse(Exception):
    """Another paper exchange holds this state file."""


class Store:
    """One connection, guarded by a lock; the file is held exclusively while it is open."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        self._db.row_factory = sqlite3.Row
        try:
            self._open()
        except sqlite3.OperationalError as exc:
            self._db.close()
            if "locked" in str(exc):
                raise StateInUse(f"{path} is in use by another paper exchange") from exc
            raise

    def _open(self) -> None:
        for pragma in (
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        # The first write takes the exclusive lock; better now than in the middle of a loan.
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO settings VALUES ('format', '1')")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; an exception undoes all of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view: nobody writes meanwhile."""
        with self._lock:
            yield self._db

    def setting(self, name: str) -> object:
        """A stored setting, or None."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return json.loads(row["value"]) if row else None

    def save_setting(self, name: str, value: object) -> None:
        """Keep a setting across restarts."""
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        """Close the file; what was answered is already in it."""
        with self._lock:
            self._db.close()
