"""One debt with everything known of it: what the records add up to, and what the exchange says.

Values and the judgements on them; what is loaded from where is the work of `positions`. The two
figures stand side by side and are never merged.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from loans import exact, interest
from loans.models import Account, MarginAccount, MarginSide, Market, Terms
from loans.services.rollups import Figures

# The exchange tells the interest of older loans again once a day: until then its own figure runs
# ahead of the records by up to a day's charges and the hour that has just started.
INTEREST_LAG_HOURS = 25
MOST_OPEN_LOANS = 100
DAYS_A_MONTH = 30


class Slot(NamedTuple):
    """One debt: of an account, on a pair, in a currency."""

    account_id: UUID
    symbol: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the records of one slot add up to. `unknown` loans have no known principal."""

    borrowed: Decimal = exact.ZERO
    repaid: Decimal = exact.ZERO
    told: Decimal = exact.ZERO
    interest_repaid: Decimal = exact.ZERO
    loans: int = 0
    repayments: int = 0
    unknown: int = 0
    as_of: datetime | None = None

    @classmethod
    def of(cls, lent: Figures, back: Figures, *, as_of: datetime | None = None) -> "Recorded":
        """Loans and repayments together."""
        return cls(
            borrowed=lent.principal,
            told=lent.interest,
            repaid=back.principal,
            interest_repaid=back.interest,
            loans=lent.records,
            repayments=back.records,
            unknown=lent.records - lent.principals,
            as_of=as_of,
        )

    @property
    def principal(self) -> Decimal:
        """Borrowed less repaid; below 0 where a loan is missing."""
        return exact.minus(self.borrowed, self.repaid)

    @property
    def interest(self) -> Decimal:
        """Interest told less interest repaid."""
        return exact.minus(self.told, self.interest_repaid)

    @property
    def is_debt(self) -> bool:
        """Whether the records alone leave something owed, or more repaid than was borrowed."""
        return self.principal != 0 or self.interest > 0


@dataclass(frozen=True, slots=True)
class OpenLoan:
    """A loan that is not repaid, oldest paid first; `left` is what is still out of it."""

    uuid: UUID
    at: datetime
    principal: Decimal
    daily_rate: Decimal
    left: Decimal


@dataclass(frozen=True, slots=True)
class LikelyGap:
    """Where a missing record is likely to be: among `kind` records, from and to (None: open)."""

    kind: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One slot with everything known of it; what is not known is None or empty.

    `gap` is where a missing record is likely to be; `is_moving` that an instruction moved money
    here so lately that the records may not list it yet.
    """

    account: Account
    symbol: str
    currency: str
    recorded: Recorded
    exchange: MarginSide | None = None
    margin: MarginAccount | None = None
    market: Market | None = None
    terms: Terms | None = None
    open_loans: tuple[OpenLoan, ...] = ()
    gap: LikelyGap | None = None
    is_moving: bool = False

    @property
    def principal(self) -> Decimal:
        """The principal that counts: the exchange's figure, or the records' where it gave none."""
        return self.exchange.borrow_unpaid if self.exchange else self.recorded.principal

    @property
    def interest(self) -> Decimal:
        """The interest that counts, from the same source as the principal."""
        return self.exchange.interest_unpaid if self.exchange else self.recorded.interest

    @property
    def owed(self) -> Decimal:
        """Principal and interest."""
        return exact.plus(self.principal, self.interest)

    @property
    def as_of(self) -> datetime | None:
        """When the figure that counts was true."""
        return self.exchange.as_of if self.exchange else self.recorded.as_of

    @property
    def rate_now(self) -> Decimal | None:
        """The daily rate that the next hour costs: the venue's, or the newest loan's."""
        if self.terms:
            return self.terms.daily_rate
        return self.open_loans[0].daily_rate if self.open_loans else None

    @property
    def rates_then(self) -> tuple[Decimal, Decimal] | None:
        """The lowest and highest daily rate at which the open loans were taken."""
        rates = [loan.daily_rate for loan in self.open_loans]
        return (min(rates), max(rates)) if rates else None

    @property
    def since(self) -> datetime | None:
        """When the oldest open loan was taken."""
        return self.open_loans[-1].at if self.open_loans else None

    @property
    def has_more_loans(self) -> bool:
        """Whether more loans are open than were looked at."""
        return len(self.open_loans) >= MOST_OPEN_LOANS

    @property
    def cost_per_day(self) -> Decimal | None:
        """What 24 hours cost at the rate of now."""
        if self.rate_now is None:
            return None
        return interest.cost(self.principal, self.rate_now, hours=interest.HOURS_PER_DAY)

    @property
    def cost_of_month(self) -> Decimal | None:
        """What 30 days cost at the rate of now."""
        if self.rate_now is None:
            return None
        hours = DAYS_A_MONTH * interest.HOURS_PER_DAY
        return interest.cost(self.principal, self.rate_now, hours=hours)

    @property
    def principal_drift(self) -> Decimal | None:
        """The exchange's principal less the records'."""
        if self.exchange is None:
            return None
        return exact.minus(self.exchange.borrow_unpaid, self.recorded.principal)

    @property
    def interest_drift(self) -> Decimal | None:
        """The exchange's interest less the records'."""
        if self.exchange is None:
            return None
        return exact.minus(self.exchange.interest_unpaid, self.recorded.interest)

    @property
    def interest_tolerance(self) -> Decimal:
        """How far the interest may drift without a record missing."""
        rate = self.rate_now or exact.ZERO
        highest = max([rate, *(loan.daily_rate for loan in self.open_loans)])
        return interest.cost(abs(self.principal), highest, hours=INTEREST_LAG_HOURS)

    @property
    def is_open(self) -> bool:
        """Whether anything is owed, by anybody's account of it. What the records alone leave of
        interest counts only where the exchange gives no figure: it tells interest late.
        """
        if self.exchange is None:
            return self.recorded.is_debt
        owes = self.exchange.borrow_unpaid > 0 or self.exchange.interest_unpaid > 0
        return owes or self.recorded.principal != 0

    @property
    def agrees(self) -> bool:
        """Whether the exchange's figures and the records' are one, as far as their age allows."""
        drift = self.interest_drift
        return not self.principal_drift and (drift is None or abs(drift) <= self.interest_tolerance)

    @property
    def incomplete_because(self) -> str:
        """Why the history cannot be complete; empty where nothing speaks against it.

        Right after an instruction the two differ for a while: that is catching up. Where the
        exchange gives no figures nothing else would show what a span that was not read holds.
        """
        if self.recorded.principal < 0:
            return "more was repaid than the records show as borrowed"
        if self.recorded.unknown:
            return "the exchange never told the principal of a loan here"
        if self.exchange is None and self.gap is not None:
            return "not every record of this pair was read"
        if self.agrees or self.is_moving:
            return ""
        if self.principal_drift:
            return "the exchange's principal is not what the records add up to"
        return "the exchange's interest is further from the records than their age explains"
