"""How quick the replay of interest is: equal hours at once, against hour by hour in Decimal.

    python -m bench.replay --loans 1000000 [--books 100000]

Both replay the same loans (repayments in parts, rates that move, both readings of the hours) and
must give the same digits. The Decimal peer takes one loan in SHARE, since it is the slow one; its
figure is for each loan. With `--books` the costs of so many recorded loans are read out of a
database of its own (a temporary SQLite file, or BENCH_DATABASE_URL), as an export does. Read the
ratios; times drift with the machine.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from bench.history import prepare
from loans import exact, replay
from loans.replay import Hours, Loan, Part, RateFrom, VenueRates

START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHARE = 50
BATCH = 5_000
RATES = [Decimal(text) for text in ("0.00055", "0.0006", "0.001", "0.0004", "0.0008")]
# A loan is out for half an hour to four days, as the paper exchange's newcomers have it.
SHORTEST, LONGEST = 30, 4 * 24 * 60
Case = tuple[Loan, tuple[Part, ...], datetime]


def cases(loans: int, *, seed: int = 8) -> Iterator[Case]:
    """Loans with what was repaid of them, and until when each is replayed."""
    dice = Random(seed)  # noqa: S311 (made-up loans, no secret)
    for number in range(loans):
        at = START + timedelta(milliseconds=dice.randrange(365 * 86_400_000))
        principal = exact.from_units(dice.randrange(1, 10 ** dice.randrange(8, 21)))
        loan = Loan(str(number), at, principal, dice.choice(RATES))
        end = at + dice.randrange(SHORTEST, LONGEST) * MINUTE
        parts = [(end, principal)]
        if dice.random() < 0.25 and exact.units(principal) > 1:
            first = exact.from_units(dice.randrange(1, exact.units(principal)))
            half = at + (end - at) // 2
            parts = [(half, first), (end, exact.minus(principal, first))]
        yield loan, tuple(Part("R", when, paid) for when, paid in parts), end


def rates(*, seed: int = 9) -> VenueRates:
    """A year's rates of one side, which stand for a day or two."""
    dice, at, seen = Random(seed), START, []  # noqa: S311 (made-up rates, no secret)
    while at < START + timedelta(days=370):
        seen.append(RateFrom(at, dice.choice(RATES)))
        at += dice.randrange(24, 48) * timedelta(hours=1)
    return VenueRates(seen)


def by_hours(case: Case, hours: Hours, venue: VenueRates) -> tuple[Decimal, int]:
    """The definition: charge by charge, in Decimal."""
    loan, parts, until = case
    total, count = exact.ZERO, 0
    for charge in replay.charges(loan, parts, hours=hours, until=until, rates=venue):
        total, count = exact.plus(total, charge.amount), count + 1
    return total, count


def by_runs(case: Case, hours: Hours, venue: VenueRates) -> Decimal:
    """What a page and an export use."""
    loan, parts, until = case
    return replay.cost(loan, parts, hours=hours, until=until, rates=venue)[0]


def figures(*, loans: int) -> dict[str, Any]:
    """Replay so many loans both ways. Raises AssertionError where a digit differs."""
    venue = rates()
    _ = venue.units
    seconds, peer_seconds, compared, charged = 0, 0, 0, 0
    before = _memory_kb()
    for hours, batch in _batches(loans):
        begin = time.perf_counter_ns()
        found = [by_runs(case, hours, venue) for case in batch]
        seconds += time.perf_counter_ns() - begin
        sample = range(0, len(batch), SHARE)
        begin = time.perf_counter_ns()
        defined = [by_hours(batch[place], hours, venue) for place in sample]
        peer_seconds += time.perf_counter_ns() - begin
        assert [found[place] for place in sample] == [total for total, _ in defined]
        compared += len(defined)
        charged += sum(count for _, count in defined)
    ours, peer = seconds / loans, peer_seconds / compared
    return {
        "loans": loans,
        "hours charged for each": round(charged / compared, 1),
        "loans compared digit by digit": compared,
        "microseconds for each, hour by hour in Decimal": round(peer / 1000, 1),
        "microseconds for each, equal hours at once": round(ours / 1000, 1),
        "ratio (M8: at least 10)": round(peer / ours, 1),
        "memory grown by, kB": _memory_kb() - before,
    }


def _batches(loans: int) -> Iterator[tuple[Hours, Sequence[Case]]]:
    """The loans in batches, each under the other reading than the one before."""
    batch: list[Case] = []
    number = 0
    for case in cases(loans):
        batch.append(case)
        if len(batch) == BATCH:
            yield list(Hours)[number % 2], batch
            batch, number = [], number + 1
    if batch:
        yield list(Hours)[number % 2], batch


def books_figures(*, loans: int) -> dict[str, Any]:
    """Read what every loan of one account cost out of a database, as an export does."""
    from loans.services import loan_costs

    account, now = _fill(loans)
    before, begin = _memory_kb(), time.perf_counter()
    agree = lines = first = 0
    for cost in loan_costs.loan_costs(account=account, now=now):
        first = first or time.perf_counter() - begin
        lines += len(loan_costs.told(cost)) > 0
        agree += cost.verdict.label is replay.Label.AGREES
    seconds = time.perf_counter() - begin
    if not agree == lines == loans:
        raise SystemExit(f"{agree} of {lines} loans agree, of {loans} that were recorded")
    return {
        "recorded loans that agree": agree,
        "seconds until the first is told": round(first, 1),
        "seconds to read and replay them all": round(seconds, 1),
        "loans a second": round(lines / seconds),
        "memory grown by, kB": _memory_kb() - before,
    }


def _fill(loans: int) -> tuple[Any, datetime]:
    """An account with so many repaid loans in one slot, each told at the borrow and once repaid."""
    from django.contrib.auth.models import User

    from loans.models import Account, BorrowRecord, Observation, RepayRecord
    from loans.services import new_rows

    person = User.objects.create_user("bench", "bench@example.org", "correct horse battery")
    account = Account.objects.create(owner=person, venue="paper", label="Bench", created_at=START)
    at, hour = START, timedelta(hours=1)
    for begin in range(0, loans, BATCH):
        lent, repaid, seen = [], [], []
        for number in range(begin, min(loans, begin + BATCH)):
            at += timedelta(minutes=7, milliseconds=number % 997)
            loan = Loan(f"L{number:09d}", at, Decimal(number % 90_000 + 1) / 8, RATES[0])
            until = at + 48 * hour + 5 * MINUTE
            cost, _ = replay.cost(loan, (), hours=Hours.ANNIVERSARY, until=until)
            common = {"account": account, "symbol": "BTC_USDT", "currency": "USDT"}
            common |= {"principal": loan.principal, "interest": cost, "first_seen_at": at}
            rate = {"daily_rate": loan.daily_rate, "hourly_rate": loan.daily_rate}
            lent.append(BorrowRecord(record_id=loan.key, at=at, **common, **rate))
            repaid.append(
                RepayRecord(
                    record_id=f"R{number:09d}",
                    at=until,
                    amount=exact.plus(loan.principal, cost),
                    **common,
                )
            )
            first, _ = replay.cost(loan, (), hours=Hours.ANNIVERSARY, until=at)
            for when, told in ((at, first), (until + 2 * replay.BOOKING_LAG, cost)):
                body = {"borrow_id": loan.key, "interest_amount": format(told, "f")}
                seen.append(
                    Observation(
                        account=account, kind="borrow", record_id=loan.key, body=body, seen_at=when
                    )
                )
        BorrowRecord.objects.bulk_create(lent)
        RepayRecord.objects.bulk_create(repaid)
        Observation.objects.bulk_create(seen)
    new_rows.count_once(BorrowRecord, RepayRecord, Observation)  # as after a first load
    return account, at + 100 * hour


def _memory_kb() -> int:
    """The most this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=50_000)
    parser.add_argument("--books", type=int, default=0)
    asked = parser.parse_args()
    found = figures(loans=asked.loans) if asked.loans else {}
    if asked.books:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder))
            found |= books_figures(loans=asked.books)
    for name, figure in found.items():
        print(f"{name:<52}{figure:>14,}")


if __name__ == "__main__":
    sys.exit(main())
