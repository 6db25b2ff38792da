"""What totals cost: against a scan of the records (M3), and on a page of 50 rows.

    python -m bench.totals --rows 1000000

Every filter's totals are first compared with the scan, digit by digit; a difference ends the
benchmark. Read the ratios; `BENCH_DATABASE_URL` names a database to use, else it is a temporary
SQLite file.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.ground import Ground, Visitor, fill, medians, prepare

Task = Callable[[], object]
ROUNDS, PAGE_ROUNDS = 15, 101  # what totals add to a page is little beside what pages differ by
SCANS, MANY = 3, 2_000_000  # of more rows a scan takes minutes, and one must do
PATH = "/history/borrows/"


def queries(ground: Ground) -> dict[str, dict[str, str]]:
    """The filters, as a page is asked for them. Spans are a fifth to four fifths of the history."""
    begin, end = ground.at(ground.rows // 5), ground.at(ground.rows * 4 // 5)
    eastern, indian = "-05:00", "+05:30"
    return {
        "no filter": {},
        "one account": {"account": str(ground.accounts[0].pk)},
        "one pair": {"symbol": "C7_USDT"},
        "one currency": {"currency": "C6"},
        "from a day": {"from": f"{begin:%Y-%m-%d}"},
        "to a day": {"to": f"{end:%Y-%m-%d}"},
        "from and to": {"from": f"{begin:%Y-%m-%d}", "to": f"{end:%Y-%m-%d}"},
        "from and to, days of another zone": {
            "from": f"{begin:%Y-%m-%d}T00:00{eastern}",
            "to": f"{end:%Y-%m-%d}T00:00{eastern}",
        },
        "from and to, days of a zone of half hours": {
            "from": f"{begin:%Y-%m-%d}T00:00{indian}",
            "to": f"{end:%Y-%m-%d}T00:00{indian}",
        },
        "from and to, at a quarter past (the most records to read)": {
            "from": f"{begin:%Y-%m-%d}T12:14:59",
            "to": f"{end:%Y-%m-%d}T12:14:59",
        },
        "half a day": {
            "from": f"{begin:%Y-%m-%d}T01:00",
            "to": f"{begin:%Y-%m-%d}T13:00",
        },
        "one pair, from and to": {
            "symbol": "C7_USDT",
            "from": f"{begin:%Y-%m-%d}",
            "to": f"{end:%Y-%m-%d}",
        },
        "one pair, from and to, at noon (the most records to read)": {
            "symbol": "C7_USDT",
            "from": f"{begin:%Y-%m-%d}T11:59:59",
            "to": f"{end:%Y-%m-%d}T11:59:59",
        },
        "text that means every pair": {"q": "USDT"},
        "text that means ten pairs": {"q": "C1"},
        "text that is a record id": {"q": f"B{ground.rows // 2:09d}"},
        "text, from and to": {
            "q": "C1",
            "from": f"{begin:%Y-%m-%d}",
            "to": f"{end:%Y-%m-%d}",
        },
    }


def scan(chosen: Any) -> dict[str, Any]:
    """The same figures by adding up the rows: exact, in the database, by the best index."""
    from django.db.models import Q

    from loans.models import BorrowRecord
    from loans.services.rollups import figures_of, read_figures

    meant = Q(account__in=chosen.chosen)
    meant &= Q(at__gte=chosen.since) if chosen.since else Q()
    meant &= Q(at__lt=chosen.until) if chosen.until else Q()
    meant &= Q(currency=chosen.currency) if chosen.currency else Q()
    if chosen.symbols is not None:
        pairs = Q(symbol__in=chosen.symbols)
        meant &= pairs | Q(record_id=chosen.q) if chosen.q else pairs
    rows = BorrowRecord.objects.filter(meant).order_by().values("currency")
    summed = rows.annotate(**figures_of("borrow"))
    return {row["currency"]: read_figures(row) for row in summed}


def compare(ground: Ground) -> dict[str, float]:
    """Totals of every filter against the scan."""
    from loans.services import history

    found: dict[str, float] = {}
    for name, query in queries(ground).items():
        chosen = history.read(query, accounts=ground.accounts, zone=UTC)
        if chosen.errors:
            raise SystemExit(f"{name}: {chosen.errors}")
        quick = medians({"": lambda c=chosen: history.totals("borrow", c)}, ROUNDS)[""]
        scanned, slow = _scanned(ground, lambda c=chosen: scan(c))
        _must_agree(name, history.totals("borrow", chosen), scanned)
        found[f"{name}: totals, ms"] = quick * 1000
        found[f"{name}: scan, ms"] = slow * 1000
        found[f"{name}: scan / totals"] = slow / quick
    return found


def _scanned(ground: Ground, task: Callable[[], Any]) -> tuple[Any, float]:
    """What a scan gives, and its median seconds; of very many rows those of a single one."""
    taken = []
    for _ in range(1 if ground.rows > MANY else SCANS):
        begin = time.perf_counter()
        given = task()
        taken.append(time.perf_counter() - begin)
    return given, statistics.median(taken)


def _must_agree(name: str, totals: list[Any], scanned: Mapping[str, Any]) -> None:
    if {total.currency for total in totals} != scanned.keys():
        raise SystemExit(f"{name}: other currencies than the scan's")
    for total in totals:
        real = scanned[total.currency]
        known = (total.count, total.unknown, total.principal or 0, total.interest or 0)
        if known != (real.records, real.records - real.principals, real.principal, real.interest):
            raise SystemExit(f"{name}: {total} is not {real}")


def pages(ground: Ground) -> dict[str, float]:
    """What totals add to a whole page, signed in: the page with them against the page without."""
    from loans.services import history

    visitor, true = Visitor(ground.person), history.totals

    def page(query: str, totals: Callable[..., Any]) -> Task:
        def ask() -> None:
            history.totals = totals
            try:
                visitor.ask(PATH, query)
            finally:
                history.totals = true

        return ask

    found: dict[str, float] = {}
    for name, query in queries(ground).items():
        text = urlencode(query)
        tasks = {"without": page(text, lambda *_: []), "with": page(text, true)}
        taken = medians(tasks, PAGE_ROUNDS)
        found[f"{name}: page without totals, ms"] = taken["without"] * 1000
        found[f"{name}: page with / without"] = taken["with"] / taken["without"]
    return found


def debts(ground: Ground) -> dict[str, float]:
    """What is owed on every pair, which `/` and `/loans/` show, against adding up all records."""
    from loans.models import BorrowRecord
    from loans.services.positions import positions
    from loans.services.rollups import Place, figures_of

    now = ground.at(ground.rows) + timedelta(days=1)
    records = BorrowRecord.objects.filter(account__in=ground.accounts).order_by()
    slots = records.values("account_id", *Place._fields[::2]).annotate(**figures_of("borrow"))
    quick = medians({"": lambda: positions(ground.accounts, now=now)}, ROUNDS)[""]
    slow = _scanned(ground, lambda: list(slots.all()))[1]
    return {
        "positions of two accounts, ms": quick * 1000,
        "positions: adding up all loans / positions": slow / quick,
    }


def statement(ground: Ground) -> dict[str, float]:
    """A statement of the last whole month, against adding up what was borrowed before it."""
    from loans.models import BorrowRecord
    from loans.services import stating
    from loans.services.months import month_of
    from loans.services.rollups import Place, figures_of

    [account, *_], now = ground.accounts, ground.at(ground.rows)
    month = month_of(now, UTC).previous
    before = BorrowRecord.objects.filter(account=account, at__lt=month.starts_at(UTC)).order_by()
    slots = before.values(*Place._fields[::2]).annotate(**figures_of("borrow"))
    quick = medians({"": lambda: stating.state(account, month, zone=UTC, as_of=now)}, SCANS)[""]
    slow = _scanned(ground, lambda: list(slots.all()))[1]
    return {
        "statement of a month, ms": quick * 1000,
        "statement: adding up all loans before it / statement": slow / quick,
    }


def repay_nearly_all(ground: Ground) -> None:
    """One repayment a pair and currency, which leaves less than one loan owing."""
    from loans.models import RepayRecord
    from loans.periods import ALL_TIME
    from loans.services import rollups

    rows = []
    for account in ground.accounts:
        for place, figures in rollups.kept(account.pk, "borrow").items():
            if place.symbol and place.period == ALL_TIME:
                rows.append(
                    RepayRecord(
                        account=account,
                        record_id=f"R{len(rows)}",
                        symbol=place.symbol,
                        currency=place.currency,
                        principal=figures.principal - 1,
                        interest=0,
                        amount=figures.principal - 1,
                        at=ground.at(ground.rows),
                        first_seen_at=ground.at(ground.rows),
                    )
                )
    RepayRecord.objects.bulk_create(rows)


def measure(rows: int) -> dict[str, float]:
    """Fill a database of its own and measure; `prepare` was called. Raises: SystemExit."""
    from django.db import connection

    from loans.models import RecordTotal
    from loans.services import rollups

    ground = fill(rows)
    begin = time.perf_counter()
    for account in ground.accounts:
        rollups.rebuild(account.pk, "borrow")
    found = {
        "totals counted anew, s": time.perf_counter() - begin,
        "totals kept, rows": RecordTotal.objects.count(),
    }
    repay_nearly_all(ground)
    for account in ground.accounts:
        rollups.rebuild(account.pk, "repay")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    found |= pages(ground)
    return found | compare(ground) | debts(ground) | statement(ground)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name, figure in measure(rows).items():
            print(f"{name:<72}{figure:>14,.2f}")


if __name__ == "__main__":
    main()
