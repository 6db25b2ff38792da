"""When started hours are charged and what they add up to, in whole numbers: quick and exact.

Instants are microseconds since 1970, amounts are units of 1e-8, hourly rates units of 1e-10. All
charges between two changes (of the principal or of the rate) are equal, so a run of them is one
row however many hours it holds. `loans.replay.charges` is the definition that this must equal.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from loans import interest

HOUR = 3_600_000_000
RATE_UNITS = 10**interest.RATE_PLACES
OWN_RATE = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_SECONDS = 86_400
_SECOND = 1_000_000


class Rates(NamedTuple):
    """A venue's hourly rates of one side, oldest first, and when each was first seen."""

    instants: Sequence[int] = ()
    hourly: Sequence[int] = ()


NO_RATES = Rates()


class Run(NamedTuple):
    """Equal charges, an hour apart; `rate` is a place in the venue's rates, or OWN_RATE."""

    first: int
    count: int
    principal: int
    rate: int
    amount: int


def microseconds(instant: datetime) -> int:
    """Since 1970."""
    passed = instant - _EPOCH
    return (passed.days * _DAY_SECONDS + passed.seconds) * _SECOND + passed.microseconds


def instant_of(at: int) -> datetime:
    """The instant of so many microseconds since 1970."""
    return _EPOCH + at * _MICROSECOND


@lru_cache(maxsize=4096)
def hourly_units(daily_rate: Decimal) -> int:
    """What is charged of a daily rate each hour, in units of 1e-10."""
    return int(interest.hourly_rate(daily_rate).scaleb(interest.RATE_PLACES))


def runs(
    loan: tuple[int, int, int],
    parts: Sequence[tuple[int, int]],
    *,
    by_clock: bool,
    until: int,
    rates: Rates = NO_RATES,
    late: int = 0,
) -> list[Run]:
    """Every charge up to and including `until`, in runs; none before the loan.

    `loan`: when it was taken, its principal, its own hourly rate, at which the first hour is
    charged. `parts`: when which principal was repaid, in order of time; one in the instant of a
    charge comes after it, and nothing is charged once all is repaid. A rate holds from `late`
    before it was seen.
    """
    opened, left, hourly = loan
    if until < opened:
        return []
    found = [Run(opened, 1, left, OWN_RATE, left * hourly // RATE_UNITS)]
    origin = 0 if by_clock else opened
    # Charges are numbered by the hours since the origin.
    number, end = (opened - origin) // HOUR + 1, (until - origin) // HOUR + 1
    which, next_part = OWN_RATE, 0
    next_rate = bisect_right(rates.instants, opened)
    while number < end and left:
        stop = end
        while next_part < len(parts):
            changes = (parts[next_part][0] - origin) // HOUR + 1
            if changes > number:
                stop = min(stop, changes)
                break
            left -= parts[next_part][1]
            next_part += 1
        while next_rate < len(rates.instants):
            changes = -((origin - rates.instants[next_rate] + late) // HOUR)
            if changes > number:
                stop = min(stop, changes)
                break
            which, hourly = next_rate, rates.hourly[next_rate]
            next_rate += 1
        if left:
            amount = left * hourly // RATE_UNITS
            found.append(Run(origin + number * HOUR, stop - number, left, which, amount))
        number = stop
    return found


def total(made: Sequence[Run]) -> int:
    """What all charges of the runs add up to."""
    return sum(run.count * run.amount for run in made)


class Sums:
    """What runs have added up to at any instant, for many instants."""

    def __init__(self, made: Sequence[Run]) -> None:
        self._runs = made
        self._firsts = [run.first for run in made]
        self._before = [0]
        for run in made:
            self._before.append(self._before[-1] + run.count * run.amount)

    def between(self, since: int, until: int) -> Iterator[int]:
        """The sum at `since`, and after each charge later than that, up to `until`."""
        place, so_far, done = bisect_right(self._firsts, since) - 1, 0, 0
        if place >= 0:
            run = self._runs[place]
            done = min(run.count, (since - run.first) // HOUR + 1)
            so_far = self._before[place] + done * run.amount
        yield so_far
        place = max(place, 0)
        while place < len(self._runs):
            run = self._runs[place]
            while done < run.count and run.first + done * HOUR <= until:
                so_far, done = so_far + run.amount, done + 1
                yield so_far
            if done < run.count:
                return
            place, done = place + 1, 0
