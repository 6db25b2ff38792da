"""The statement of one account's month as values, with the judgements on them.

What is loaded from where is the work of `stating`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from enum import StrEnum

from loans import exact
from loans.models import Account, BorrowRecord, MarginSide, RepayRecord
from loans.services.month_replay import Replayed
from loans.services.months import Month
from loans.services.position import Slot


@dataclass(frozen=True, slots=True)
class Line:
    """One figure over a month: opening + added - repaid = closing."""

    opening: Decimal = exact.ZERO
    added: Decimal = exact.ZERO
    repaid: Decimal = exact.ZERO
    closing: Decimal = exact.ZERO

    def __add__(self, other: "Line") -> "Line":
        return Line(
            exact.plus(self.opening, other.opening),
            exact.plus(self.added, other.added),
            exact.plus(self.repaid, other.repaid),
            exact.plus(self.closing, other.closing),
        )

    @property
    def rest(self) -> Decimal:
        """What the movements leave unexplained; 0 where the line reconciles."""
        explained = exact.minus(exact.plus(self.opening, self.added), self.repaid)
        return exact.minus(self.closing, explained)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was owed and nothing moved."""
        return not (self.opening or self.added or self.repaid or self.closing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One debt's month. `unknown` loans have no known principal; `replay` None where no loan was
    out.

    `exchange` is the exchange's figure of now, only in a month that still runs.
    """

    slot: Slot
    principal: Line
    interest: Line
    unknown: int = 0
    replay: Replayed | None = None
    exchange: MarginSide | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to print."""
        return self.principal.is_empty and self.interest.is_empty and not self.unknown

    @property
    def incomplete_because(self) -> str:
        """Why a record of this debt is missing; empty where nothing in the month says so."""
        if self.principal.opening < 0 or self.principal.closing < 0:
            return "more was repaid than the records show as borrowed"
        if self.interest.closing < 0:
            return "more interest was repaid than the exchange had told"
        return ""

    @property
    def principal_drift(self) -> Decimal | None:
        """The exchange's principal of now less the closing one."""
        if self.exchange is None:
            return None
        return exact.minus(self.exchange.borrow_unpaid, self.principal.closing)

    @property
    def interest_drift(self) -> Decimal | None:
        """The exchange's interest of now less the closing one."""
        if self.exchange is None:
            return None
        return exact.minus(self.exchange.interest_unpaid, self.interest.closing)


@dataclass(frozen=True, slots=True)
class Movement:
    """One borrow or repayment, and the principal owed after it."""

    kind: str
    record: BorrowRecord | RepayRecord
    running: Decimal


class Lack(StrEnum):
    """What a span that is not proven lacks."""

    UNREAD = "not read yet"
    CONTRADICTED = "contradicted"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a span of a pair's list is not proven: from when to when (None: open), and the reason,
    empty where the lack says it all.
    """

    symbol: str
    kind: str
    lack: Lack
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a month rests on, as proven now. Without streams nothing was ever read.

    `read_to` is how far the lists with rows are read, at least; None where none is.
    """

    streams: int = 0
    read_to: datetime | None = None
    checked_at: datetime | None = None
    doubts: Sequence[Doubt] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every list is proven from the account's start to the month's end."""
        return bool(self.streams) and not self.doubts

    @property
    def is_read(self) -> bool:
        """Whether every list was read as far, be it with gaps or contradictions."""
        return bool(self.streams) and all(one.lack != Lack.UNREAD for one in self.doubts)


@dataclass(frozen=True, slots=True)
class Late:
    """Records first read after the month had ended, and when the last of them was.

    `principals` are loans whose principal was told after everything else.
    """

    records: int = 0
    at: datetime | None = None
    principals: int = 0


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A month of an account, as known at `as_of`. `movements` is empty where there are too many."""

    account: Account
    month: Month
    zone: tzinfo
    since: datetime
    until: datetime
    as_of: datetime
    entries: Sequence[Entry]
    proof: Proof
    late: Late
    movement_count: int
    movements: Sequence[Movement] = ()

    @property
    def is_running(self) -> bool:
        """Whether the month had not ended yet."""
        return self.until < self.month.ends_at(self.zone)

    @property
    def totals(self) -> list[tuple[str, Line, Line]]:
        """Principal and interest of each currency over all pairs, by currency."""
        found: dict[str, tuple[Line, Line]] = {}
        for entry in self.entries:
            principal, interest = found.get(entry.slot.currency, (Line(), Line()))
            found[entry.slot.currency] = (principal + entry.principal, interest + entry.interest)
        return [(currency, *lines) for currency, lines in sorted(found.items())]

    @property
    def reconciles(self) -> bool:
        """Whether every line adds up to the digit."""
        return not any(one.principal.rest or one.interest.rest for one in self.entries)

    @property
    def unknown(self) -> int:
        """How many loans have no known principal."""
        return sum(entry.unknown for entry in self.entries)
