"""Which of the venue's records is ours: the matching rule over what was listed. No I/O at all.

Records of both kinds come in one shape (`Listed`), so that the rule is written once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from itertools import pairwise

from loans.bitmart.responses import BorrowRecord, Listing, RepayRecord
from loans.services.bounds import Bounds

SLACK = timedelta(seconds=5)
KNOWN_REACH = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Listed:
    """One record as listed: `amount` is the principal of a loan, or the whole of a repayment."""

    record_id: str
    symbol: str
    currency: str
    amount: Decimal
    at: datetime
    row: BorrowRecord | RepayRecord

    @classmethod
    def of(cls, row: BorrowRecord | RepayRecord) -> "Listed":
        """Read either kind of row."""
        if isinstance(row, BorrowRecord):
            amount, at = row.principal, row.created_at
        else:
            amount, at = row.amount, row.repaid_at
        return cls(row.record_id, row.symbol, row.currency, amount, at, row)


def begin(earliest: datetime) -> datetime:
    """From when on a record can be of what was signed then at the earliest: it may tell seconds."""
    return earliest.replace(microsecond=0) - SLACK


@dataclass(frozen=True, slots=True)
class Sought:
    """What an instruction looks for; `known_ids` were listed before, or belong to others."""

    symbol: str
    currency: str
    amount: Decimal
    signed_at: datetime
    answer_id: str
    known_ids: frozenset[str]
    explained: Collection[Decimal] = ()  # amounts that other undecided instructions wait for
    not_before: datetime | None = None  # where `signed_at` is only the latest it can have been

    def window(self, bounds: Bounds) -> tuple[datetime, datetime]:
        """The span of venue time in which its record must lie."""
        start = begin(self.not_before or self.signed_at)
        return start, self.signed_at + bounds.expiry + bounds.processing + SLACK


@dataclass(frozen=True, slots=True)
class Found:
    """New records in the window: those that fit, and those that nothing explains."""

    equal: tuple[Listed, ...]
    unexplained: tuple[Listed, ...]

    @property
    def emptied(self) -> bool:
        """Whether a new record reads zero: ours may have run and been repaid."""
        return any(record.amount == 0 for record in self.unexplained)


class Verdict(Enum):
    """What one look says."""

    MATCH = "match"
    NONE = "none"
    AMBIGUOUS = "ambiguous"
    OTHER_ONLY = "other"


def search(listed: Iterable[Listed], sought: Sought, bounds: Bounds) -> Found:
    """Sort the records that are new for this instruction. An equal id wins over everything."""
    start, end = sought.window(bounds)
    new = [
        record
        for record in listed
        if record.record_id not in sought.known_ids
        and (record.symbol, record.currency) == (sought.symbol, sought.currency)
        and start <= record.at <= end
    ]
    if sought.answer_id and (named := [r for r in new if r.record_id == sought.answer_id]):
        return Found(equal=tuple(named), unexplained=())
    equal = tuple(record for record in new if record.amount == sought.amount)
    rest = tuple(
        record
        for record in new
        if record.amount != sought.amount and record.amount not in sought.explained
    )
    return Found(equal=equal, unexplained=rest)


def judge(found: Found) -> Verdict:
    """Read what was found; what to make of it depends on the account and the time."""
    if len(found.equal) == 1:
        return Verdict.MATCH
    if found.equal:
        return Verdict.AMBIGUOUS
    return Verdict.OTHER_ONLY if found.unexplained else Verdict.NONE


def distinct(listing: Listing) -> tuple[list[Listed], bool]:
    """The records once each, and whether the same id was told in one way only."""
    by_id: dict[str, Listed] = {}
    consistent = True
    for row in listing.rows:
        record = Listed.of(row)
        earlier = by_id.setdefault(record.record_id, record)
        consistent &= earlier.row == row
    return list(by_id.values()), consistent


def is_whole(listing: Listing, *, since: datetime) -> bool:
    """Whether an unfiltered listing shows all since `since`: (a) short, or (b) reaching back.

    (b) wants times that never increase, and an oldest one before `since`.
    """
    records, consistent = distinct(listing)
    if listing.refused or not consistent:
        return False
    if listing.is_short:
        return True
    times = [record.at for record in records]
    return bool(times) and _newest_first(times) and times[-1] < since


def _newest_first(times: Sequence[datetime]) -> bool:
    return all(later >= earlier for later, earlier in pairwise(times))
