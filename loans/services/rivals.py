"""Other instructions over the same amount, and which of several records that look alike is whose.

The argument: no two over one amount are under way at once in one slot, so of two the later was
signed after the earlier was answered. By the exchange's clock, then, the record of an earlier
confirmed one is not later than the signing of the other, and the other's record not earlier. Our
reading of that clock may be off by SLACK: what lies nearer to the signing than that may be either's
until both are listed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from loans.models import HAPPENED, UNDECIDED, Instruction, State
from loans.services import twins
from loans.services.bounds import Bounds
from loans.services.matching import SLACK, Listed
from loans.services.recovery import CLOCKS_DIFFER

AWAITED = (State.SENDING, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an instruction may lay claim to: a record of `amount` within its window.

    `is_answered`: the exchange confirmed it. `is_dated`: its signing time is known, not guessed.
    """

    signed_at: datetime
    state: str
    is_dated: bool
    is_looking: bool
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, instruction: Instruction, *, bounds: Bounds) -> "Claim":
        """The claim of one that was signed."""
        signed_at, is_dated = instruction.signed_at, bool(instruction.body_sha256)
        first = signed_at if is_dated else instruction.created_at - CLOCKS_DIFFER
        return cls(
            signed_at=signed_at,
            state=instruction.state,
            is_dated=is_dated,
            is_looking=instruction.look_at is not None,
            starts_at=whole_second(first) - SLACK,
            ends_at=signed_at + bounds.expiry + bounds.processing + SLACK,
        )

    @property
    def is_answered(self) -> bool:
        """Whether the exchange confirmed it while its signing time was known."""
        return self.is_dated and self.state == State.CONFIRMED

    @property
    def is_awaited(self) -> bool:
        """Whether more will be learned of it without a person."""
        return self.state in AWAITED or (self.state in HAPPENED and self.is_looking)

    def meets(self, other: "Claim") -> bool:
        """Whether one record could be of either."""
        return self.starts_at <= other.ends_at and other.starts_at <= self.ends_at


def rivals_of(instruction: Instruction, *, bounds: Bounds) -> tuple[Claim, ...]:
    """Those of its slot over the same amount that may have a record, and have none bound yet.

    By any key that is known to be of its exchange account. That two keys are of one shows only
    where both have listed the same record: so while ours is undecided, one that was confirmed
    through any other key of the venue is waited for, too, until its own record is listed.
    """
    ours = Claim.of(instruction, bounds=bounds)
    whose = Q(account__in=twins.accounts_of_one(instruction.account))
    if instruction.state in UNDECIDED:
        venue = instruction.account.venue
        whose |= Q(account__venue=venue, state=State.CONFIRMED, look_at__isnull=False)
    rows = Instruction.objects.filter(
        whose,
        symbol=instruction.symbol,
        currency=instruction.currency,
        kind=instruction.kind,
        amount=instruction.amount,
        state__in=(*HAPPENED, *UNDECIDED),
        signed_at__isnull=False,
        **{f"{instruction.kind}_record": None},
    ).exclude(pk=instruction.pk)
    claims = [Claim.of(row, bounds=bounds) for row in rows]
    return tuple(claim for claim in claims if claim.meets(ours))


def possible(records: Sequence[Listed], ours: Claim, rivals: Sequence[Claim]) -> list[Listed]:
    """The records that may be ours for all we know."""
    return [record for record in records if all(_may_be(record, ours, one) for one in rivals)]


def sure(records: Sequence[Listed], ours: Claim, rivals: Sequence[Claim]) -> list[Listed]:
    """The records that can be none of the rivals'."""
    return [record for record in records if all(_must_be(record, ours, one) for one in rivals)]


def are_over(ours: Claim, rivals: Sequence[Claim], *, bounds: Bounds, venue_now: datetime) -> bool:
    """Whether nothing of any of them can still run or become visible."""
    latest = max(claim.signed_at for claim in (ours, *rivals))
    return venue_now >= latest + bounds.horizon


def earliest(records: Sequence[Listed]) -> Listed | None:
    """The one before all others; None if two share its time, or there is none."""
    ordered = sorted(records, key=lambda record: record.at)
    if not ordered or (len(ordered) > 1 and ordered[0].at == ordered[1].at):
        return None
    return ordered[0]


def whole_second(at: datetime) -> datetime:
    """Records may tell whole seconds."""
    return at.replace(microsecond=0)


def _may_be(record: Listed, ours: Claim, rival: Claim) -> bool:
    """Not where the rival was signed after ours was answered, and well before this record."""
    is_after_us = ours.is_answered and rival.is_dated and rival.signed_at > ours.signed_at
    return not (is_after_us and record.at > rival.signed_at + SLACK)


def _must_be(record: Listed, ours: Claim, rival: Claim) -> bool:
    if not (ours.is_dated and rival.is_dated):
        return False
    if rival.signed_at > ours.signed_at:
        before_them = record.at < whole_second(rival.signed_at) - SLACK - timedelta(seconds=1)
        return ours.is_answered and before_them
    return rival.is_answered and record.at > ours.signed_at + SLACK
