"""What the exchange's answers mean: frozen, exact (Decimal), with aware UTC times.

Values only; `readers` makes them out of what was received. Nothing in here may ask the exchange.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

T = TypeVar("T")

UNASKED_SIZE = 50  # rows of a page for which no size was asked


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that could not be used, and why. `raw_excerpt` is for administrators."""

    reason: str
    raw_excerpt: str


@dataclass(frozen=True, slots=True)
class Heard:
    """When an answer was heard: by our clock, and by the `Date` that the answer itself carried."""

    asked_at: datetime
    answered_at: datetime
    round_trip: timedelta
    exchange_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """The rows of one answer. `received` counts refused rows too; `limit` is what was asked for."""

    rows: tuple[T, ...]
    refused: tuple[RefusedRow, ...]
    received: int
    limit: int | None
    heard: Heard

    @property
    def exchange_at(self) -> datetime | None:
        """The `Date` of this very answer, on whole seconds; None if it had none."""
        return self.heard.exchange_at

    @property
    def is_short(self) -> bool:
        """Whether fewer rows came than were asked for: then there are no more within the bounds.

        Exactly as many as come to those who ask for no number may be all, or the number was not
        heard: that is no short page.
        """
        if self.limit is None or self.received == UNASKED_SIZE:
            return False
        return self.received < self.limit


@dataclass(frozen=True, slots=True)
class PairSide:
    """Terms of one currency. Rates are fractions; `borrowable` is of the asking account."""

    currency: str
    daily_rate: Decimal
    hourly_rate: Decimal
    max_borrow: Decimal
    min_borrow: Decimal
    borrowable: Decimal


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair that can be borrowed on."""

    symbol: str
    max_leverage: Decimal
    enabled: bool
    base: PairSide
    quote: PairSide


@dataclass(frozen=True, slots=True)
class BorrowRecord:
    """One loan. `principal` may read 0 once repaid (C10), `interest` None while unknown."""

    record_id: str
    symbol: str
    currency: str
    principal: Decimal
    daily_rate: Decimal
    hourly_rate: Decimal
    interest: Decimal | None
    created_at: datetime
    raw: Mapping[str, object] = attribute(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RepayRecord:
    """One repayment; `amount` is what was sent, split into principal and interest."""

    record_id: str
    symbol: str
    currency: str
    amount: Decimal
    principal: Decimal
    interest: Decimal
    repaid_at: datetime
    raw: Mapping[str, object] = attribute(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AccountSide:
    """One currency of a pair's account. What is owed: `borrow_unpaid` plus `interest_unpaid`."""

    currency: str
    borrow_enabled: bool
    borrowed: Decimal
    borrow_unpaid: Decimal
    interest_unpaid: Decimal
    available: Decimal
    frozen: Decimal
    net_asset: Decimal
    total_asset: Decimal


@dataclass(frozen=True, slots=True)
class MarginAccount:
    """A pair's margin account. `risk_rate` is 999 without debt, `liquidate_price` then None.

    `risk_level` is the exchange's word: "1" low, "2" medium, "3" high.
    """

    symbol: str
    risk_rate: Decimal
    risk_level: str
    liquidate_price: Decimal | None
    liquidate_rate: Decimal
    base: AccountSide
    quote: AccountSide


@dataclass(frozen=True, slots=True)
class Ticker:
    """The last price of a pair, in its quote currency."""

    symbol: str
    last: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Service:
    """A maintenance job of the exchange: status 0 waiting, 1 working, 2 completed."""

    title: str
    service_type: str
    status: int
    starts_at: datetime
    ends_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether the job is done and the service healthy again."""
        return self.status == 2


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The exchange's clock, and our own around the question."""

    at: datetime
    heard: Heard

    @property
    def offset(self) -> timedelta:
        """Exchange minus us, as if the answer was made half-way; true to `uncertainty`."""
        return self.at - (self.heard.answered_at - self.heard.round_trip / 2)

    @property
    def uncertainty(self) -> timedelta:
        """Half the round trip: the most by which `offset` can be wrong."""
        return self.heard.round_trip / 2
