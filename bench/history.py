"""How quick the history is: pages, totals and files against their floors, and against the admin.

    python -m bench.history --rows 100000

Fills a database of its own (a temporary SQLite file, or `BENCH_DATABASE_URL`), then measures each
goal in interleaved rounds and prints medians and ratios. Read the ratios; times drift with the
machine. Floors: a page is session, user and raw keyset SQL; a file is lines built in SQL.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

ROUNDS = 7
PAIRS = 60
START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=40)
BATCH = 20_000


def prepare(folder: Path) -> None:
    """Point the settings at a database of our own; before anything of Django is loaded."""
    os.environ["MARGINSITE_DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    url = os.environ.get("BENCH_DATABASE_URL", f"sqlite:///{folder / 'bench.sqlite3'}")
    os.environ["DATABASE_URL"] = url
    os.environ["LOG_LEVEL"] = "ERROR"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill(rows: int) -> tuple[object, object]:
    """One person with one account and that many borrows, evenly spread over pairs."""
    from django.contrib.auth.models import User

    from loans.models import Account, BorrowRecord, Coverage

    person = User.objects.create_superuser("bench", "bench@example.org", "correct horse battery")
    account = Account.objects.create(owner=person, venue="paper", label="Bench", created_at=START)
    Coverage.objects.bulk_create(
        Coverage(account=account, symbol=f"C{n}_USDT", kind=kind, complete_to=START, has_rows=True)
        for n in range(PAIRS)
        for kind in ("borrow", "repay")
    )
    for begin in range(0, rows, BATCH):
        BorrowRecord.objects.bulk_create(
            BorrowRecord(
                account=account,
                record_id=f"B{n:09d}",
                symbol=f"C{n % PAIRS}_USDT",
                currency="USDT" if n % 3 else f"C{n % PAIRS}",
                principal=Decimal(n % 100_000 + 1) / 8,
                interest=Decimal(n % 1000 + 1) / 1_000_000,
                daily_rate=Decimal("0.00055"),
                hourly_rate=Decimal("0.00002291"),
                at=START + n * STEP,
                first_seen_at=START + n * STEP,
            )
            for n in range(begin, min(rows, begin + BATCH))
        )
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return person, account


def medians(tasks: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median seconds of each task, in rounds so that drift meets all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            begin = time.perf_counter()
            task()
            taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in taken.items()}


def tell(title: str, found: dict[str, float], ratios: Iterable[tuple[str, str]]) -> None:
    """Print the medians and the ratios asked for."""
    print(f"\n{title}")
    for name, seconds in found.items():
        print(f"  {name:<44}{seconds * 1000:>12.2f} ms")
    for one, other in ratios:
        print(f"  {one} / {other}: {found[one] / found[other]:.2f}")


def pages(person: object, account: object, rows: int) -> None:
    """First, 10,000th (or the middle) and last page against the floor and the admin."""
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.cached_db import SessionStore
    from django.db import connection
    from django.test import Client

    from loans.services import keyset

    client = Client(headers={"host": "localhost"})
    client.force_login(person)
    key = client.cookies["sessionid"].value
    middle = min(10_000 * 50, rows // 2)

    def after(position: int) -> str:
        """The place before which that many rows stand, newest first."""
        number = rows - position
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM loans_borrowrecord WHERE record_id = %s", [f"B{number:09d}"]
            )
            return keyset.Cursor(START + number * STEP, cursor.fetchone()[0]).token()

    def page(query: str) -> Callable[[], object]:
        def ask() -> None:
            answer = client.get(f"/history/borrows/?{query}")
            if answer.status_code != 200 or answer.content.count(b'<tr data-href="') != 50:
                raise SystemExit(f"no page of 50 rows under {query!r}")

        return ask

    def floor() -> None:
        session = SessionStore(key)
        User.objects.get(pk=session["_auth_user_id"])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, record_id, symbol, currency, principal, interest, at "
                "FROM loans_borrowrecord WHERE account_id = %s ORDER BY at DESC, id DESC LIMIT 51",
                [account.pk.hex if connection.vendor == "sqlite" else account.pk],
            )
            cursor.fetchall()

    deep = f"after={after(middle)}"
    tasks = {
        "floor": floor,
        "first page": page(""),
        "deep page": page(deep),
        "last page": page(f"after={after(rows - 51)}"),
        "one pair": page("symbol=C7_USDT"),
        "one currency": page("currency=C6"),
        "admin, same depth": lambda: client.get(
            f"/admin/loans/borrowrecord/?p={middle // 100 + 1}"
        ),
    }
    found = medians(tasks)
    ratios = [("deep page", "floor"), ("deep page", "first page"), ("last page", "first page")]
    tell("Pages (M1, M2)", found, [*ratios, ("admin, same depth", "deep page")])


def totals(account: object) -> None:
    """What the totals cost (M3)."""
    from loans.models import Kind
    from loans.services import history
    from loans.services.filters import read_filter

    everything = read_filter({}, accounts=[account], zone=UTC)
    one_pair = read_filter({"symbol": "C7_USDT"}, accounts=[account], zone=UTC)
    found = medians(
        {
            "totals of everything": lambda: history.totals(Kind.BORROW, everything),
            "totals of one pair": lambda: history.totals(Kind.BORROW, one_pair),
        },
        rounds=3,
    )
    tell("Totals (M3)", found, [("totals of everything", "totals of one pair")])


def files(account: object) -> None:
    """A CSV of everything against lines built in SQL (M10)."""
    from django.db import connection

    from loans.models import Kind
    from loans.services import exports
    from loans.services.filters import read_filter

    everything = read_filter({}, accounts=[account], zone=UTC)

    def floor() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT record_id || ',' || symbol || ',' || currency || ',' || principal || ',' "
                "|| interest || ',' || daily_rate || ',' || hourly_rate || ',' || at "
                "FROM loans_borrowrecord ORDER BY at DESC, id DESC"
            )
            while lines := cursor.fetchmany(2000):
                "\r\n".join(line for (line,) in lines)

    tasks = {
        "lines built in SQL": floor,
        "CSV": lambda: sum(len(piece) for piece in exports.csv_pieces(Kind.BORROW, everything)),
    }
    tell("Files (M10)", medians(tasks, rounds=2), [("CSV", "lines built in SQL")])


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        begin = time.perf_counter()
        person, account = fill(rows)
        print(f"{rows:,} borrows filled in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        pages(person, account, rows)
        totals(account)
        files(account)


if __name__ == "__main__":
    main()
