"""What the hours of a month cost by the replay, debt by debt, where it agrees with the exchange.

Reads only; the arithmetic is `loans.replay`'s. Rests on the same tellings as the statement: those
read within the month, and of a loan first read later its first one. A sum is given only where every
loan of a debt agrees, and both readings of the hours that may fit come to the same.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from loans import exact, replay
from loans.models import BorrowRecord, RepayRecord
from loans.repaying import Repayment, Repayments
from loans.services import balances
from loans.services.balances import Cut
from loans.services.position import Recorded, Slot
from loans.services.seen_rates import seen_rates
from loans.services.slot_replay import (
    LOAN_COLUMNS,
    LOAN_MISSING,
    UNKNOWN_BESIDE,
    Paid,
    SlotReplay,
    loan_of,
)

# A statement of more records in its debts, or of more loans out in the month, is not replayed while
# somebody waits for a page.
MOST_RECORDS = 20_000
MOST_LOANS = 500
TOO_MANY = "too many loans to replay while a page waits"
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The replay of one debt's month: of `loans` loans that were out in it `agreeing` agree, and of
    `untold` nothing can be told; the others differ.

    `two_sums` of those that agree do so by both readings of the hours, which come to different sums
    of this month: the cut lies between their charges. `charged` is None unless all agree and none
    is such; `reason` says why nothing was replayed at all.
    """

    loans: int = 0
    agreeing: int = 0
    untold: int = 0
    two_sums: int = 0
    charged: Decimal | None = None
    reason: str = ""


def replay_month(slots: Sequence[Slot], *, since: datetime, at: Cut) -> dict[Slot, Replayed]:
    """The month from `since` to the cut, for each of these debts in which a loan was out."""
    found: dict[Slot, Replayed] = {}
    records_left, loans_left = MOST_RECORDS, MOST_LOANS
    symbols = {slot.symbol for slot in slots}
    rates = seen_rates(at.account.venue, symbols, until=at.as_of)
    for slot in slots:
        known = at.recorded.get(slot, Recorded())  # its totals may be missing
        records_left -= known.loans + known.repayments
        out, doubt = _out(slot, since, at) if records_left >= 0 else ([], "")
        loans_left -= len(out)
        if records_left < 0 or loans_left < 0:
            found[slot] = Replayed(reason=TOO_MANY)
        elif out:
            own_rates = rates.get((slot.symbol, slot.currency), replay.NO_RATES)
            found[slot] = _replayed(SlotReplay(slot, at.until, own_rates, doubt), out, since, at)
    return found


def _out(slot: Slot, since: datetime, at: Cut) -> tuple[list[Paid], str]:
    """The loans of a debt that were out in the month, and why repayments may have paid others.
    Repayments after it are placed as well, as far as these loans took them: a loan first read later
    was told of then.
    """
    known = {**slot._asdict(), "first_seen_at__lte": at.as_of}
    repaid = RepayRecord.objects.filter(**known).order_by("at", "record_id")
    queue = Repayments(
        Repayment(*row) for row in repaid.values_list("record_id", "at", "principal").iterator()
    )
    lent = BorrowRecord.objects.filter(**known, at__lt=at.until).order_by("at", "record_id")
    found, has_unknown = [], False
    told_later = {one.loan.record_id for one in at.retold if not one.is_known(at.as_of)}
    for row in lent.values_list(*LOAN_COLUMNS, named=True):
        loan = loan_of(row)
        if loan.key in told_later:
            loan = replace(loan, principal=None)
        has_unknown |= loan.principal is None
        parts = queue.pay(loan)
        closed = replay.closed_at(loan, parts)
        if closed is None or closed >= since:
            found.append(Paid(row, loan, parts))
    if has_unknown:
        return found, UNKNOWN_BESIDE
    return found, LOAN_MISSING if queue.left_over else ""


def _replayed(books: SlotReplay, out: Sequence[Paid], since: datetime, at: Cut) -> Replayed:
    labels, sums = Counter[replay.Label](), []
    records = BorrowRecord.objects.filter(
        account=at.account, record_id__in=[one.loan.key for one in out]
    )
    tellings = {one.loan.record_id: one.tellings for one in balances.retold(records)}
    for one in out:
        every = tellings[one.loan.key]
        counted = [said for said in every if said.seen_at <= at.until] or every[:1]
        told = [
            replay.Told(said.seen_at, said.interest)
            for said in counted
            if said.interest is not None
        ]
        verdict = books.verdict(one, told)
        labels[verdict.label] += 1
        if verdict.label is replay.Label.AGREES:
            sums.append(_sums(books, one, verdict.ways, since))
    agreeing, two_sums = labels[replay.Label.AGREES], sum(len(one) > 1 for one in sums)
    is_one_sum = agreeing == len(out) and not two_sums
    return Replayed(
        loans=len(out),
        agreeing=agreeing,
        untold=labels[replay.Label.CANNOT_TELL],
        two_sums=two_sums,
        charged=exact.total(charged for (charged,) in sums) if is_one_sum else None,
    )


def _sums(
    books: SlotReplay, one: Paid, ways: Sequence[replay.Way], since: datetime
) -> set[Decimal]:
    """What a loan's hours cost from `since` to the end of the books, by each of these ways."""

    def cost_before(end: datetime, way: replay.Way) -> Decimal:
        used, late = way.basis.choose(books.rates)
        cost, _ = replay.cost(
            one.loan, one.parts, hours=way.hours, until=end - _INSTANT, rates=used, late=late
        )
        return cost

    return {exact.minus(cost_before(books.now, way), cost_before(since, way)) for way in ways}
