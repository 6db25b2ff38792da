"""A database of its own for a benchmark, filled by the database itself, and a visitor to ask with.

Rows are made in SQL, because the time is to go into measuring: ten million in a few minutes.
"""

import gc
import io
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PAIRS = 60
START = datetime(2019, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=6 * 365)  # ends in the past, however many rows there are
LONGEST_STEP = timedelta(seconds=40)
BATCH = 1_000_000
TABLE = "loans_borrowrecord"
FIELDS = (
    "id, uuid, account_id, record_id, symbol, currency, principal, interest, daily_rate, "
    "hourly_rate, at, first_seen_at, story_changed"
)
# Row n: every tenth is of the second account, every third in the pair's base, and of every
# thousandth the principal is not known. The figures are in units of 1e-8 and 1e-16.
PRINCIPAL = "(n * 7919 % 1000003 + 1) * 12500000"
INTEREST = "(n * 104729 % 1000 + 1) * 100"
ON_SQLITE = f"""
WITH RECURSIVE numbers(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
INSERT INTO {TABLE} ({FIELDS})
SELECT n + 1, printf('%%032x', n), CASE n %% 10 WHEN 9 THEN %s ELSE %s END, printf('B%%09d', n),
    'C' || (n %% {PAIRS}) || '_USDT', CASE WHEN n %% 3 THEN 'USDT' ELSE 'C' || (n %% {PAIRS}) END,
    CASE WHEN n %% 1000 < 999 THEN printf('1%%030d', {PRINCIPAL.replace("%", "%%")}) END,
    printf('1%%030d', {INTEREST.replace("%", "%%")}),
    printf('1%%024d', 5500000000000), printf('1%%024d', 229100000000),
    strftime('%%Y-%%m-%%d %%H:%%M:%%S', %s + n * %s, 'unixepoch'),
    strftime('%%Y-%%m-%%d %%H:%%M:%%S', %s + n * %s, 'unixepoch'), 0
FROM numbers
"""  # noqa: S608 - our own names
ON_POSTGRESQL = f"""
WITH numbers(n) AS (SELECT generate_series(%s::bigint, %s::bigint))
INSERT INTO {TABLE} ({FIELDS})
SELECT n + 1, lpad(to_hex(n), 32, '0')::uuid, CASE n %% 10 WHEN 9 THEN %s::uuid ELSE %s::uuid END,
    'B' || lpad(n::text, 9, '0'), 'C' || n %% {PAIRS} || '_USDT',
    CASE WHEN n %% 3 > 0 THEN 'USDT' ELSE 'C' || n %% {PAIRS} END,
    CASE WHEN n %% 1000 < 999 THEN ({PRINCIPAL.replace("%", "%%")}) * 0.00000001 END,
    ({INTEREST.replace("%", "%%")}) * 0.00000001, 0.00055, 0.00002291,
    to_timestamp(%s + n * %s), to_timestamp(%s + n * %s), false
FROM numbers
"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class Ground:
    """What was filled: a person with two accounts, and so many borrows."""

    person: Any
    accounts: tuple[Any, ...]
    rows: int
    step: timedelta

    def at(self, n: int) -> datetime:
        """When row n was borrowed."""
        return START + n * self.step


def prepare(folder: Path) -> None:
    """Point the settings at a database of our own; before anything of Django is loaded."""
    os.environ["MARGINSITE_DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["DATABASE_URL"] = (
        os.environ.get("BENCH_DATABASE_URL") or f"sqlite:///{folder / 'bench.sqlite3'}"
    )
    os.environ["LOG_LEVEL"] = "ERROR"
    (folder / "static").mkdir(exist_ok=True)
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.ROOT_URLCONF = "bench.urls"
    call_command("migrate", verbosity=0)


def fill(rows: int) -> Ground:
    """One person, two accounts, and that many borrows, evenly spread over time and pairs."""
    from django.contrib.auth.models import User
    from django.db import connection

    from loans.models import Account, BorrowRecord, Coverage, Kind
    from loans.services import rollups

    person = User.objects.create_superuser("bench", "bench@example.org", "correct horse battery")
    accounts = [
        Account.objects.create(owner=person, venue="paper", label=label, created_at=START)
        for label in ("Desk", "Second")
    ]
    Coverage.objects.bulk_create(
        Coverage(account=account, symbol=f"C{n}_USDT", kind=kind, complete_to=START, has_rows=True)
        for account in accounts
        for n in range(PAIRS)
        for kind in Kind
    )
    seconds = max(1, min(LONGEST_STEP, SPAN / rows) // timedelta(seconds=1))
    on_sqlite = connection.vendor == "sqlite"
    ids = [account.pk.hex if on_sqlite else str(account.pk) for account in reversed(accounts)]
    when = [int(START.timestamp()), seconds] * 2
    indexes = BorrowRecord._meta.indexes
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.remove_index(BorrowRecord, index)
    with connection.cursor() as cursor:
        for first in range(0, rows, BATCH):
            span = [first, min(rows, first + BATCH) - 1]
            cursor.execute(ON_SQLITE if on_sqlite else ON_POSTGRESQL, [*span, *ids, *when])
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.add_index(BorrowRecord, index)
    for account in accounts:
        for kind in Kind:
            rollups.rebuild(account.pk, kind)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if on_sqlite else "VACUUM ANALYZE")
    gc.collect()
    gc.freeze()  # as the web server does
    return Ground(person, tuple(accounts), rows, timedelta(seconds=seconds))


def medians(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each task, in rounds so that drift meets all of them alike, and each
    round in another order, because a task is the quicker the more is left in the processor's caches
    by the one before.
    """
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    order, dice = list(tasks.items()), random.Random(1)  # noqa: S311 - for an order alone
    for _ in range(rounds):
        dice.shuffle(order)
        for name, task in order:
            begin = time.perf_counter()
            task()
            taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in taken.items()}


class Visitor:
    """Somebody who is signed in and asks the WSGI application itself, without a test client."""

    def __init__(self, person: Any) -> None:
        from django.core.handlers.wsgi import WSGIHandler
        from django.test import Client
        from django.utils.crypto import get_random_string

        client = Client(headers={"host": "localhost"})
        client.force_login(person)
        # As a browser does after its first page; without the second each page would draw a new one.
        told = {"sessionid": client.cookies["sessionid"].value, "csrftoken": get_random_string(32)}
        self._cookie = "; ".join(f"{name}={value}" for name, value in told.items())
        self._application = WSGIHandler()

    def ask(self, path: str, query: str = "", *, fragment: str = "") -> bytes:
        """The body of an answer; anything but 200 ends the benchmark."""
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": self._cookie,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        if fragment:
            environ |= {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": fragment}
        told: list[str] = []
        start: Callable[..., None] = lambda status, headers: told.append(status)  # noqa: E731
        answer = self._application(environ, start)
        try:
            body = b"".join(answer)
        finally:
            answer.close()
        if not told[0].startswith("200"):
            raise SystemExit(f"{path}?{query} answered {told[0]}")
        return body
