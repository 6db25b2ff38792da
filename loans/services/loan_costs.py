"""What every loan of an account cost, to the last digit: by our replay and by the exchange's word.

Streamed: a million loans need no more memory than a thousand. And what the account's own loans say
about how the exchange counts hours, which its documents leave open. Reads only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID

from django.core.cache import cache

from loans import exact, replay
from loans.models import Account
from loans.replay import Hours, Label, Told
from loans.services import exports
from loans.services.position import Slot
from loans.services.slot_replay import (
    CHUNK,
    Paid,
    SlotReplay,
    is_longer,
    open_slot,
    remember,
    slots_of,
    told_of,
)

# So many loans are replayed while somebody waits for a page, once an hour.
MOST_DECIDING = 2_000
REMEMBERED_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanCost:
    """One loan and what it cost, as of an instant. Amounts are in `slot.currency`.

    None: `principal`, `left` and `replayed` where the principal was never told (and `hours` with
    them), `told` where no interest was, `closed_at` while some of the principal is out.
    """

    slot: Slot
    uuid: UUID
    record_id: str
    at: datetime
    daily_rate: Decimal
    principal: Decimal | None
    repaid: Decimal
    left: Decimal | None
    closed_at: datetime | None
    told: Decimal | None
    replayed: Decimal | None
    hours: int | None
    verdict: replay.Verdict

    @property
    def is_compared(self) -> bool:
        """Whether there was something to compare: a known principal and interest told."""
        return self.principal is not None and bool(self.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many loans with told interest fit which reading of the hours; the rest told nothing."""

    clock: int = 0
    anniversary: int = 0
    both: int = 0
    neither: int = 0
    untold: int = 0

    @property
    def compared(self) -> int:
        """Loans whose interest was told."""
        return self.clock + self.anniversary + self.both + self.neither

    @property
    def hours(self) -> Hours | None:
        """The reading that alone explains some loans, if the other explains none alone."""
        if self.anniversary and not self.clock:
            return Hours.ANNIVERSARY
        if self.clock and not self.anniversary:
            return Hours.CLOCK
        return None

    @property
    def words(self) -> str:
        """The counts as a sentence."""
        if not self.compared:
            return "No loan with told interest is there to compare."
        found = [
            (self.anniversary, "only the loan's anniversary"),
            (self.clock, "only the full hour of the clock"),
            (self.both, "both"),
            (self.neither, "neither by the rates that were seen"),
        ]
        counts = ", ".join(f"{count:,} fit {what}" for count, what in found if count)
        loans = "loan" if self.compared == 1 else "loans"
        return f"Of {self.compared:,} {loans} with told interest {counts}."


def loan_costs(
    *,
    account: Account,
    now: datetime,
    slots: Sequence[Slot] | None = None,
    prefer: Hours | None = None,
) -> Iterator[LoanCost]:
    """Every loan of the account (of these slots alone, if given) by pair, currency and time.

    `prefer` is the reading to go by for loans that fit both, as `decide` found it. A few queries a
    slot, and a few for each thousand loans.
    """
    for slot in slots_of(account.pk, now=now) if slots is None else slots:
        yield from _costs_of(open_slot(slot, venue=account.venue, now=now), prefer)


def decide(costs: Iterable[LoanCost]) -> Decision:
    """What the loans say together about how hours are counted."""
    counts = dict.fromkeys(("clock", "anniversary", "both", "neither", "untold"), 0)
    for cost in costs:
        counts[_fit(cost)] += 1
    return Decision(**counts)


def decide_quickly(*, account: Account, now: datetime) -> Decision:
    """What the loans say, for a page: from slots that are replayed in a moment, remembered for an
    hour. Slots with more rows, and what is above so many loans in all, are left out.
    """
    key = f"hours-decided:{account.pk}"
    found = cache.get(key)
    if found is None:
        slots = slots_of(account.pk, now=now)
        short = [slot for slot in slots if not is_longer(slot, MOST_DECIDING)]
        costs = loan_costs(account=account, now=now, slots=short)
        found = decide(islice(costs, MOST_DECIDING))
        remember(key, found, seconds=REMEMBERED_SECONDS)
    return found


def told(cost: LoanCost) -> dict[str, str | int | None]:
    """One loan for a file, in UTC: amounts as exact texts, None where something is not known."""
    verdict = cost.verdict

    def number(figure: Decimal | None) -> str | None:
        return exports.number_cell(figure) or None

    return {
        "record_id": cost.record_id,
        "symbol": cost.slot.symbol,
        "currency": cost.slot.currency,
        "borrowed_at": exports.time_cell(cost.at, UTC),
        "daily_rate": number(cost.daily_rate),
        "principal": number(cost.principal),
        "repaid_principal": number(cost.repaid),
        "open_principal": number(cost.left),
        "repaid_in_full_at": exports.time_cell(cost.closed_at, UTC) if cost.closed_at else None,
        "started_hours": cost.hours,
        "interest_told": number(cost.told),
        "interest_replayed": number(cost.replayed),
        "verdict": verdict.label.value,
        "difference": number(verdict.difference) if verdict.label is Label.DIFFERS else None,
        "hours_counted": " or ".join(hours.name.lower() for hours in verdict.fits),
        "reason": verdict.reason,
    }


def _costs_of(books: SlotReplay, prefer: Hours | None) -> Iterator[LoanCost]:
    paid = books.paid("uuid")
    while chunk := list(islice(paid, CHUNK)):
        ids = [one.loan.key for one in chunk]
        told = told_of(books.slot.account_id, ids, now=books.now)
        for one in chunk:
            yield _cost(books, one, told.get(one.loan.key, ()), prefer)


def _cost(books: SlotReplay, one: Paid, told: Sequence[Told], prefer: Hours | None) -> LoanCost:
    loan, verdict = one.loan, books.verdict(one, told)
    repaid = exact.total(part.principal for part in one.parts)
    left = None if loan.principal is None else exact.minus(loan.principal, repaid)
    replayed, hours = books.cost(one, verdict, prefer=prefer)
    return LoanCost(
        slot=books.slot,
        uuid=one.row.uuid,
        record_id=loan.key,
        at=loan.at,
        daily_rate=loan.daily_rate,
        principal=loan.principal,
        repaid=repaid,
        left=left,
        closed_at=one.parts[-1].at if one.parts and left == 0 else None,
        told=max((figure.interest for figure in told), default=None),
        replayed=replayed if hours else None,
        hours=hours or None,
        verdict=verdict,
    )


def _fit(cost: LoanCost) -> str:
    if not cost.is_compared:
        return "untold"
    if len(cost.verdict.fits) == len(Hours):
        return "both"
    return cost.verdict.fits[0].name.lower() if cost.verdict.fits else "neither"
