"""How quick a first load is stored, against the plain SQL that must keep the same rows.

    python -m bench.first_load --rows 100000

What is kept of a listed loan is its record and what the exchange said of it. The floor writes both
by an upsert of plain SQL from the same values (a prepared statement on SQLite, COPY and ON CONFLICT
on PostgreSQL), a transaction a page; beside it the same in one transaction for many pages, an
upsert by the ORM, and reading the unchanged rows again. Read the ratios; `BENCH_DATABASE_URL` names
a database to use, else it is a temporary SQLite file.
"""

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.ground import prepare

PAGE = 100  # what the exchange lists at most
TOGETHER = 2000  # what a reader that has several pages hands over
START = datetime(2019, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=40)
PAIRS = 60
Way = Callable[[Any, Sequence[Any]], None]


def listed(first: int, rows: int) -> list[Any]:
    """So many loans as the client reads them: a page is of one pair, as a window of it is."""
    from loans.bitmart.readers import read_borrow_record

    numbers = range(first, first + rows)
    return [read_borrow_record(_loan(n, pair=n // PAGE % PAIRS)) for n in numbers]


def _loan(n: int, *, pair: int) -> dict[str, object]:
    units = (n * 7919 % 1_000_003 + 1) * 12_500_000
    return {
        "borrow_id": f"17955944{n:09d}",
        "symbol": f"C{pair}_USDT",
        "currency": "USDT" if n % 3 else f"C{pair}",
        "borrow_amount": f"{Decimal(units).scaleb(-8):.8f}",
        "daily_interest": "0.00055000",
        "hourly_interest": "0.00002291",
        "interest_amount": f"{Decimal(n % 1000 + 1).scaleb(-6):.8f}",
        "create_time": int((START + n * STEP).timestamp()) * 1000,
    }


def kept(account: Any, rows: Sequence[Any]) -> None:
    """As the product does."""
    from django.utils import timezone

    from loans.services import record_store

    record_store.store(account=account, kind="borrow", rows=rows, clock=timezone.now)


RECORD = (
    "uuid, account_id, record_id, symbol, currency, principal, daily_rate, hourly_rate, interest, "
    "at, first_seen_at, story_changed"
)
OBSERVATION = "account_id, kind, record_id, body, seen_at"
ON_CONFLICT = (
    "ON CONFLICT (account_id, record_id) DO UPDATE SET "
    "principal = excluded.principal, interest = excluded.interest"
)


def raw(account: Any, rows: Sequence[Any]) -> None:
    """Both tables by plain SQL, in one transaction; knows nothing of what was there."""
    from django.db import connection, transaction

    write = _raw_postgresql if connection.vendor == "postgresql" else _raw_sqlite
    with transaction.atomic(), connection.cursor() as cursor:
        write(cursor.cursor, account.pk, rows, datetime.now(UTC))


def _raw_sqlite(cursor: Any, account: uuid.UUID, rows: Sequence[Any], now: datetime) -> None:
    key, seen = account.hex, str(now.replace(tzinfo=None))

    def text(value: Decimal, digits: int, places: int) -> str:
        return f"1{int(value.scaleb(places)):0{digits}d}"

    records = (
        (
            uuid.uuid4().hex,
            key,
            row.record_id,
            row.symbol,
            row.currency,
            text(row.principal, 30, 8),
            text(row.daily_rate, 24, 16),
            text(row.hourly_rate, 24, 16),
            text(row.interest, 30, 8),
            str(row.created_at.replace(tzinfo=None)),
            seen,
            False,
        )
        for row in rows
    )
    marks = ", ".join("?" * 12)
    execute = super(type(cursor), cursor).executemany
    execute(
        f"INSERT INTO loans_borrowrecord ({RECORD}) VALUES ({marks}) {ON_CONFLICT}",  # noqa: S608
        records,
    )
    execute(
        f"INSERT INTO loans_observation ({OBSERVATION}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
        ((key, "borrow", row.record_id, json.dumps(row.raw), seen) for row in rows),
    )


def _raw_postgresql(cursor: Any, account: uuid.UUID, rows: Sequence[Any], now: datetime) -> None:
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS listed "
        "(LIKE loans_borrowrecord INCLUDING DEFAULTS EXCLUDING IDENTITY) ON COMMIT DELETE ROWS"
    )
    cursor.execute("ALTER TABLE listed ALTER COLUMN id DROP NOT NULL")
    with cursor.copy(f"COPY listed ({RECORD}) FROM STDIN") as copy:
        for row in rows:
            figures = (row.principal, row.daily_rate, row.hourly_rate, row.interest)
            names = (row.record_id, row.symbol, row.currency)
            copy.write_row((uuid.uuid4(), account, *names, *figures, row.created_at, now, False))
    cursor.execute(
        f"INSERT INTO loans_borrowrecord ({RECORD}) "  # noqa: S608
        f"SELECT {RECORD} FROM listed {ON_CONFLICT}"
    )
    with cursor.copy(f"COPY loans_observation ({OBSERVATION}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row((account, "borrow", row.record_id, json.dumps(row.raw), now))


def by_orm(account: Any, rows: Sequence[Any]) -> None:
    """An upsert by the ORM of the same rows."""
    from django.db import transaction

    from loans.models import BorrowRecord, Observation

    now = datetime.now(UTC)
    figures = ("principal", "interest", "daily_rate", "hourly_rate", "symbol", "currency")
    with transaction.atomic():
        BorrowRecord.objects.bulk_create(
            [
                BorrowRecord(
                    account=account,
                    record_id=row.record_id,
                    at=row.created_at,
                    first_seen_at=now,
                    **{name: getattr(row, name) for name in figures},
                )
                for row in rows
            ],
            update_conflicts=True,
            unique_fields=["account", "record_id"],
            update_fields=["principal", "interest"],
        )
        Observation.objects.bulk_create(
            Observation(
                account=account, kind="borrow", record_id=row.record_id, body=row.raw, seen_at=now
            )
            for row in rows
        )


def measure(rows: int) -> dict[str, float]:
    """Seconds a million rows of each way take, and the ratios that count.

    Each way fills an account of its own, in turns of a few pages, so that drift meets all of them
    alike; the ORM gets a tenth of the rows.
    """
    from loans.models import Account

    ways: dict[str, tuple[Way, int]] = {
        "raw upsert, a page at a time": (raw, PAGE),
        "raw upsert, many pages at a time": (raw, TOGETHER),
        "kept, a page at a time": (kept, PAGE),
        "kept, many pages at a time": (kept, TOGETHER),
        "ORM upsert, a page at a time": (by_orm, PAGE),
        "read again, a page at a time": (kept, PAGE),
        "read again, many pages at a time": (kept, TOGETHER),
    }
    accounts = {
        name: Account.objects.create(owner=None, venue="paper", label=name[:40], created_at=START)
        for name in ways
    }
    wall, cpu = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    done = dict.fromkeys(ways, 0)
    for number, turn in enumerate(_turns(rows)):
        for name, (way, size) in ways.items():
            if name.startswith("ORM") and number % 10:
                continue
            account = accounts[name.replace("read again", "kept")]
            begin, begin_cpu = time.perf_counter(), time.process_time()
            for first in range(0, len(turn), size):
                way(account, turn[first : first + size])
            wall[name] += time.perf_counter() - begin
            cpu[name] += time.process_time() - begin_cpu
            done[name] += len(turn)
    per_million = {name: wall[name] / done[name] * 1_000_000 for name in ways}
    cpu_per_million = {name: cpu[name] / done[name] * 1_000_000 for name in ways}
    own = {
        f"{name}, CPU of this process": ratio for name, ratio in _ratios(cpu_per_million).items()
    }
    return per_million | _ratios(per_million) | own


def _turns(rows: int) -> Iterator[list[Any]]:
    for first in range(0, rows, TOGETHER):
        yield listed(first, min(TOGETHER, rows - first))


def _ratios(found: dict[str, float]) -> dict[str, float]:
    pairs = [
        ("kept, a page at a time", "raw upsert, a page at a time"),
        ("kept, many pages at a time", "raw upsert, many pages at a time"),
        ("kept, a page at a time", "raw upsert, many pages at a time"),
        ("ORM upsert, a page at a time", "raw upsert, a page at a time"),
        ("read again, a page at a time", "raw upsert, a page at a time"),
        ("read again, many pages at a time", "raw upsert, many pages at a time"),
    ]
    return {f"{one} / {other}": found[one] / found[other] for one, other in pairs}


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name, figure in measure(rows).items():
            unit = "" if " / " in name else " s a million rows"
            print(f"{name:<94}{figure:>9.2f}{unit}")


if __name__ == "__main__":
    main()
