"""What the replay says of the loans that are out, debt by debt: the labels beside a list of debts.

Reads only, in a number of queries that does not grow with the debts. An open loan's repayments are
found from the end: oldest loans are paid first, so what was paid of the oldest open one came last.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from loans import exact, replay
from loans.models import BorrowRecord, RepayRecord
from loans.services.position import OpenLoan, Position, Slot
from loans.services.seen_rates import seen_rates
from loans.services.slot_replay import (
    LOAN_MISSING,
    UNKNOWN_BESIDE,
    UNREAD,
    Paid,
    SlotReplay,
    loan_of,
    told_of,
    unread_pairs,
)

# More open loans, or more repayments, than these are not replayed while somebody waits for a list.
MOST_LOANS = 500
MOST_REPAYMENTS = 2_000


@dataclass(frozen=True, slots=True)
class Labels:
    """How many of a debt's open loans agree, differ, or cannot be told; `difference` of one that
    differs, where it is the only one open.
    """

    agree: int = 0
    differ: int = 0
    cannot: int = 0
    difference: Decimal | None = None

    @property
    def loans(self) -> int:
        """All of them."""
        return self.agree + self.differ + self.cannot


def label(debts: Sequence[Position], *, now: datetime) -> dict[Slot, Labels]:
    """The labels of each debt whose open loans are all known and few enough to be replayed."""
    known = [one for one in debts if one.open_loans and not one.has_more_loans]
    while sum(len(one.open_loans) for one in known) > MOST_LOANS:
        known.remove(max(known, key=lambda one: len(one.open_loans)))
    if not known:
        return {}
    rows = _rows(known)
    told = {
        account_id: told_of(account_id, [row.record_id for row in own], now=now)
        for account_id, own in _by_account(rows.values()).items()
    }
    rates = _rates(known, now)
    parts = _parts(known)
    unread = unread_pairs(map(slot_of, known))
    found = {}
    for one in known:
        slot = slot_of(one)
        own_rates = rates.get((one.account.venue, slot.symbol, slot.currency), replay.NO_RATES)
        books = SlotReplay(slot, now, own_rates, _doubt(one, unread))
        verdicts = []
        for loan in one.open_loans:
            row = rows[loan.uuid]
            paid = parts.get(slot, ()) if loan.left != loan.principal else ()
            if paid is None:
                continue
            told_here = told[slot.account_id].get(row.record_id, ())
            verdicts.append(books.verdict(Paid(row, loan_of(row), paid), told_here))
        found[slot] = _counted(verdicts, len(one.open_loans))
    return found


def slot_of(one: Position) -> Slot:
    """The debt a position is of."""
    return Slot(one.account.pk, one.symbol, one.currency)


def _counted(verdicts: Sequence[replay.Verdict], loans: int) -> Labels:
    labels = [verdict.label for verdict in verdicts]
    agree = labels.count(replay.Label.AGREES)
    differ = labels.count(replay.Label.DIFFERS)
    difference = verdicts[0].difference if differ == loans == 1 else None
    return Labels(agree, differ, loans - agree - differ, difference)


def _doubt(one: Position, unread: Container[tuple[Any, str]]) -> str:
    """Why what looks repaid may not be, and the other way around. `unread`: account and pair."""
    if one.recorded.unknown:
        return UNKNOWN_BESIDE
    if one.principal_drift and not one.is_moving:
        return LOAN_MISSING
    return UNREAD if (one.account.pk, one.symbol) in unread else ""


def _rows(known: Iterable[Position]) -> dict[Any, BorrowRecord]:
    ids = [loan.uuid for one in known for loan in one.open_loans]
    rows = BorrowRecord.objects.filter(uuid__in=ids)
    return {row.uuid: row for row in rows}


def _by_account(rows: Iterable[BorrowRecord]) -> dict[Any, list[BorrowRecord]]:
    found: dict[Any, list[BorrowRecord]] = {}
    for row in rows:
        found.setdefault(row.account_id, []).append(row)
    return found


def _rates(
    known: Sequence[Position], now: datetime
) -> Mapping[tuple[str, str, str], replay.VenueRates]:
    found = {}
    for venue in {one.account.venue for one in known}:
        symbols = {one.symbol for one in known if one.account.venue == venue}
        for (symbol, currency), rates in seen_rates(venue, symbols, until=now).items():
            found[venue, symbol, currency] = rates
    return found


def _parts(known: Iterable[Position]) -> dict[Slot, tuple[replay.Part, ...] | None]:
    """What was repaid of each debt's oldest open loan; None where that was not found."""
    partly = {slot_of(one): one.open_loans[-1] for one in known if _is_partly_repaid(one)}
    if not partly:
        return {}
    spans = (Q(**slot._asdict(), at__gte=loan.at) for slot, loan in partly.items())
    newest = RepayRecord.objects.filter(reduce(or_, spans)).order_by("-at", "-record_id")
    found: dict[Slot, list[replay.Part]] = {slot: [] for slot in partly}
    left = {slot: exact.minus(loan.principal, loan.left) for slot, loan in partly.items()}
    for one in newest[:MOST_REPAYMENTS]:
        slot = Slot(one.account_id, one.symbol, one.currency)
        paid = min(left[slot], one.principal)
        if paid > 0:
            found[slot].append(replay.Part(one.record_id, one.at, paid))
            left[slot] = exact.minus(left[slot], paid)
    return {slot: None if left[slot] else tuple(reversed(parts)) for slot, parts in found.items()}


def _is_partly_repaid(one: Position) -> bool:
    oldest: OpenLoan = one.open_loans[-1]
    return oldest.left != oldest.principal
