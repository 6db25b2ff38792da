"""What a replay is made of: loans, what was repaid of them, the rates of the venue, and charges.

Values only. Amounts are in the loan's currency, rates are fractions per day.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from itertools import accumulate
from typing import Any

from loans import charging, exact, interest


class Hours(Enum):
    """When hours after the first are charged."""

    ANNIVERSARY = "each hour after the loan was taken"
    CLOCK = "on each full hour of the clock"


@dataclass(frozen=True, slots=True)
class Loan:
    """One borrow as recorded; `principal` None where the exchange never told it."""

    key: str
    at: datetime
    principal: Decimal | None
    daily_rate: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """What one repayment paid of one loan's principal."""

    repayment: str
    at: datetime
    principal: Decimal


@dataclass(frozen=True, slots=True)
class RateFrom:
    """The venue's daily rate from an instant on, as first seen."""

    at: datetime
    daily_rate: Decimal


@dataclass(frozen=True)
class VenueRates:
    """All rates of one side that were seen, oldest first."""

    seen: Sequence[RateFrom] = ()

    @cached_property
    def units(self) -> charging.Rates:
        """For `loans.charging`."""
        return charging.Rates(
            [charging.microseconds(rate.at) for rate in self.seen],
            [charging.hourly_units(rate.daily_rate) for rate in self.seen],
        )

    def changed_between(self, since: datetime, until: datetime) -> bool:
        """Whether a rate was first seen after `since`, up to `until`."""
        instants = self.units.instants
        first = bisect_right(instants, charging.microseconds(since))
        return first < bisect_right(instants, charging.microseconds(until))


NO_RATES = VenueRates()


@dataclass(frozen=True, slots=True)
class Charge:
    """One started hour."""

    at: datetime
    principal: Decimal
    daily_rate: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """Equal charges in a row, an hour apart."""

    first_at: datetime
    count: int
    principal: Decimal
    daily_rate: Decimal
    amount: Decimal

    @property
    def total(self) -> Decimal:
        """What they add up to."""
        return exact.times(self.amount, Decimal(self.count))

    def count_by(self, at: datetime) -> int:
        """How many of them fall up to an instant."""
        return min(self.count, max(0, (at - self.first_at) // interest.HOUR + 1))

    def charge(self, number: int) -> Charge:
        """One of them; the first is 0."""
        at = self.first_at + number * interest.HOUR
        return Charge(at, self.principal, self.daily_rate, self.amount)


class Charges(Sequence[Charge]):
    """Spans as their single charges, each made when it is asked for."""

    def __init__(self, found: Sequence[Span]) -> None:
        self._spans = found
        self._ends = list(accumulate(span.count for span in found))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        which = bisect_right(self._ends, number)
        return self._spans[which].charge(number - self._ends[which] + self._spans[which].count)

    def __iter__(self) -> Iterator[Charge]:
        return (span.charge(number) for span in self._spans for number in range(span.count))
