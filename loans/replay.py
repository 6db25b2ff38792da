"""What a loan should have cost, charge by charge, to lay beside what the exchange says it cost.

Pure: values in, values out; no clock, no database, no rounding of its own. Two readings of when an
hour is charged are kept side by side until the figures decide: on the loan's own anniversary, or on
each full hour of the clock. Both charge the first hour with the borrow itself. `charges` defines
the replay; where only sums are needed, `loans.charging` gives the same ones in a few steps.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from loans import charging, exact, interest
from loans.charges import (
    NO_RATES,
    Charge,
    Charges,
    Hours,
    Loan,
    Part,
    RateFrom,
    Span,
    VenueRates,
)

# The values are its own, only kept apart for length: `replay.Loan` and so on.
__all__ = [
    "NO_RATES",
    "Basis",
    "Charge",
    "Charges",
    "Hours",
    "Label",
    "Loan",
    "Part",
    "RateFrom",
    "Span",
    "Told",
    "VenueRates",
    "Verdict",
    "Way",
    "charge_times",
    "charges",
    "closed_at",
    "compare",
    "cost",
    "next_charge",
    "outstanding",
    "rising",
    "spans",
]

# The exchange may book a charge this long after it fell due, and we may look this much later.
BOOKING_LAG = timedelta(minutes=5)
# Our clock may be behind the exchange's, so that a figure holds a charge of our near future.
CLOCK_LAG = timedelta(seconds=10)
# A new rate is first seen this long after it began, at most, while the pairs are read each minute.
SEEN_LATE = timedelta(minutes=2)
AGREEMENT = Decimal("1e-8")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAG_UNITS, _AHEAD_UNITS = BOOKING_LAG // _MICROSECOND, CLOCK_LAG // _MICROSECOND
_AGREEMENT_UNITS = exact.units(AGREEMENT)


class Label(Enum):
    """What a replay says of the exchange's figure."""

    AGREES = "agrees to 1e-8"
    DIFFERS = "differs"
    CANNOT_TELL = "cannot tell"


class Basis(Enum):
    """From when the venue's rates hold for a loan; the value tells it in words."""

    SEEN = ""
    EARLIER = ", each new rate from up to two minutes before it was seen"
    BORROW = ", at the rate of the borrow throughout"

    def choose(self, rates: VenueRates) -> tuple[VenueRates, timedelta]:
        """The rates to charge by, and how long before they were seen they hold."""
        if self is Basis.BORROW:
            return NO_RATES, timedelta()
        return rates, SEEN_LATE if self is Basis.EARLIER else timedelta()


@dataclass(frozen=True, slots=True)
class Told:
    """The interest the exchange told of a loan, and when we read it."""

    at: datetime
    interest: Decimal


@dataclass(frozen=True, slots=True)
class Way:
    """One way of charging: when hours are charged, and from when the venue's rates hold."""

    hours: Hours
    basis: Basis = Basis.SEEN


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the replay and the exchange's figures compare, and why.

    `difference` is what was told less what was replayed, None where they agree to the last digit.
    `ways` agree with every figure told: at most one for each reading of the hours, the best first.
    """

    label: Label
    reason: str
    ways: tuple[Way, ...] = ()
    difference: Decimal | None = None

    @property
    def fits(self) -> tuple[Hours, ...]:
        """The readings of the hours that agree with every figure told, the best one first."""
        return tuple(way.hours for way in self.ways)

    def way(self, prefer: Hours | None = None) -> Way:
        """The way to go by: that of `prefer` if it fits, else what fits best, else by the loan."""
        usual = self.ways[0] if self.ways else Way(Hours.ANNIVERSARY)
        return next((way for way in self.ways if way.hours is prefer), usual)


def outstanding(loan: Loan, parts: Sequence[Part], *, at: datetime) -> Decimal:
    """The principal still out at an instant; 0 where it was never known."""
    paid = exact.total(part.principal for part in parts if part.at <= at)
    return exact.minus(loan.principal or exact.ZERO, paid)


def closed_at(loan: Loan, parts: Sequence[Part]) -> datetime | None:
    """When the last of the principal was paid; None while some is out or it is not known."""
    if loan.principal is None or not parts:
        return None
    last = parts[-1].at
    return last if outstanding(loan, parts, at=last) == 0 else None


def charges(
    loan: Loan,
    parts: Sequence[Part],
    *,
    hours: Hours,
    until: datetime,
    rates: VenueRates = NO_RATES,
    late: timedelta = timedelta(),
) -> Iterator[Charge]:
    """Every started hour up to and including `until`, each at the rate of its own time.

    The first is at the loan's own rate; a rate holds from `late` before it was seen. A repayment in
    the instant of a charge comes after it.
    """
    if loan.principal is None:
        return
    later = [rate for rate in rates.seen if rate.at > loan.at]
    instants = [rate.at - late for rate in later]
    end = closed_at(loan, parts)
    left, waiting = loan.principal, list(parts)
    for at in charge_times(loan.at, hours=hours, until=min(until, end) if end else until):
        while waiting and waiting[0].at < at:
            left = exact.minus(left, waiting.pop(0).principal)
        known = bisect_right(instants, at) if at > loan.at else 0
        rate = later[known - 1].daily_rate if known else loan.daily_rate
        yield Charge(at, left, rate, interest.hourly_charge(left, rate))


def spans(
    loan: Loan,
    parts: Sequence[Part],
    *,
    hours: Hours,
    until: datetime,
    rates: VenueRates = NO_RATES,
    late: timedelta = timedelta(),
) -> list[Span]:
    """The same charges, equal ones together: quick however many hours there are."""
    return [
        Span(
            charging.instant_of(run.first),
            run.count,
            exact.from_units(run.principal),
            loan.daily_rate if run.rate == charging.OWN_RATE else rates.seen[run.rate].daily_rate,
            exact.from_units(run.amount),
        )
        for run in _runs(loan, parts, hours=hours, until=until, rates=rates, late=late)
    ]


def cost(
    loan: Loan,
    parts: Sequence[Part],
    *,
    hours: Hours,
    until: datetime,
    rates: VenueRates = NO_RATES,
    late: timedelta = timedelta(),
) -> tuple[Decimal, int]:
    """What the same charges add up to, and how many they are."""
    made = _runs(loan, parts, hours=hours, until=until, rates=rates, late=late)
    return exact.from_units(charging.total(made)), sum(run.count for run in made)


def _runs(
    loan: Loan,
    parts: Sequence[Part],
    *,
    hours: Hours,
    until: datetime,
    rates: VenueRates,
    late: timedelta,
) -> list[charging.Run]:
    if loan.principal is None:
        return []
    return charging.runs(
        _lent(loan),
        _paid(parts),
        by_clock=hours is Hours.CLOCK,
        until=charging.microseconds(until),
        rates=rates.units,
        late=late // _MICROSECOND,
    )


def _lent(loan: Loan) -> tuple[int, int, int]:
    principal = exact.units(loan.principal or exact.ZERO)
    return charging.microseconds(loan.at), principal, charging.hourly_units(loan.daily_rate)


def _paid(parts: Sequence[Part]) -> list[tuple[int, int]]:
    return [(charging.microseconds(part.at), exact.units(part.principal)) for part in parts]


def charge_times(since: datetime, *, hours: Hours, until: datetime) -> Iterator[datetime]:
    """When started hours are charged, the first with the loan itself."""
    at = since
    while at <= until:
        yield at
        at = next_charge(since, hours=hours, after=at)


def next_charge(since: datetime, *, hours: Hours, after: datetime) -> datetime:
    """The first charge strictly after an instant, for a loan taken at `since`."""
    if after < since:
        return since
    origin = since if hours is Hours.ANNIVERSARY else _EPOCH
    return origin + ((after - origin) // interest.HOUR + 1) * interest.HOUR


def compare(
    loan: Loan,
    parts: Sequence[Part],
    *,
    told: Sequence[Told],
    rates: VenueRates = NO_RATES,
    doubt: str = "",
) -> Verdict:
    """Lay the replay beside every figure the exchange told.

    `doubt` is a reason not to blame the exchange if nothing fits: a gap in what we know. With one,
    nothing agrees but to the last digit: what may not be true of the loan comes close by chance. A
    fall of the figure is the exchange's change of story, not a charge, and is left out.
    """
    if loan.principal is None:
        return Verdict(Label.CANNOT_TELL, "The exchange never told the principal of this loan.")
    figures = rising(told)
    if not figures or not figures[-1].interest:
        return Verdict(Label.CANNOT_TELL, "The exchange has not told the interest of this loan.")
    units = [(charging.microseconds(one.at), exact.units(one.interest)) for one in figures]
    until = figures[-1].at + CLOCK_LAG
    is_moving = rates.changed_between(loan.at, until + SEEN_LATE)
    lent, paid, end = _lent(loan), _paid(parts), charging.microseconds(until)
    offs: list[tuple[int, Hours, Basis]] = []
    for basis in Basis if is_moving else (Basis.SEEN,):
        used, late = basis.choose(rates)
        for hours in Hours:
            made = charging.runs(
                lent,
                paid,
                by_clock=hours is Hours.CLOCK,
                until=end,
                rates=used.units,
                late=late // _MICROSECOND,
            )
            offs.append((_off(made, units), hours, basis))
    return _judge(offs, doubt)


def _judge(offs: Sequence[tuple[int, Hours, Basis]], doubt: str) -> Verdict:
    """The verdict over what each way of charging was off by; the first of equals is better."""
    nearest_first = sorted(offs, key=lambda one: abs(one[0]))
    ways: list[Way] = []
    for off, hours, basis in nearest_first:
        if abs(off) <= _AGREEMENT_UNITS and all(way.hours is not hours for way in ways):
            ways.append(Way(hours, basis))
    nearest = nearest_first[0][0]
    difference = exact.from_units(nearest) if nearest else None
    if ways and not (nearest and doubt):
        return Verdict(Label.AGREES, _fit_words(ways), tuple(ways), difference)
    if doubt:
        return Verdict(Label.CANNOT_TELL, doubt, difference=difference)
    reason = "Neither reading of the hours gives what was told."
    return Verdict(Label.DIFFERS, reason, difference=difference)


def rising(told: Iterable[Told]) -> list[Told]:
    """The figures in time order, without those below an earlier one."""
    found: list[Told] = []
    for figure in sorted(told, key=lambda one: one.at):
        if not found or figure.interest >= found[-1].interest:
            found.append(figure)
    return found


def _off(made: Sequence[charging.Run], figures: Sequence[tuple[int, int]]) -> int:
    """The largest difference between a figure told and the replay at about that time."""
    sums, worst = charging.Sums(made), 0
    for at, told in figures:
        near = [told - value for value in sums.between(at - _LAG_UNITS, at + _AHEAD_UNITS)]
        off = min(near, key=abs) if len(near) > 1 else near[0]
        if abs(off) > abs(worst):
            worst = off
    return worst


def _fit_words(ways: Sequence[Way]) -> str:
    basis = ways[0].basis.value
    if len(ways) == len(Hours):
        return f"Both readings of the hours give what was told{basis}."
    return f"What was told follows from charging {ways[0].hours.value}{basis}."
