"""What a loan should have cost, charge by charge, to lay beside what the exchange says it cost.

Pure: values in, values out; no clock, no database, no rounding of its own. Two readings of when an
hour is charged are kept side by side until the figures decide: on the loan's own anniversary, or on
each full hour of the clock. Both charge the first hour with the borrow itself.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from loans import exact, interest

# The exchange may book a charge this long after it fell due, and we may look this much later.
BOOKING_LAG = timedelta(minutes=5)
AGREEMENT = Decimal("1e-8")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hours(Enum):
    """When hours after the first are charged."""

    ANNIVERSARY = "each hour after the loan was taken"
    CLOCK = "on each full hour of the clock"


class Label(Enum):
    """What a replay says of the exchange's figure."""

    AGREES = "agrees to 1e-8"
    DIFFERS = "differs"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Loan:
    """One borrow as recorded; `principal` None where the exchange never told it."""

    key: str
    at: datetime
    principal: Decimal | None
    daily_rate: Decimal


@dataclass(frozen=True, slots=True)
class Repayment:
    """One repayment as recorded: the principal part of it pays loans oldest first."""

    key: str
    at: datetime
    principal: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """What one repayment paid of one loan's principal."""

    repayment: str
    at: datetime
    principal: Decimal


@dataclass(frozen=True, slots=True)
class Placed:
    """Where every repayment went; `left_over` found no loan to pay, so a loan is missing."""

    parts: Mapping[str, tuple[Part, ...]]
    left_over: Decimal


@dataclass(frozen=True, slots=True)
class RateFrom:
    """The venue's daily rate from an instant on, as first seen."""

    at: datetime
    daily_rate: Decimal


@dataclass(frozen=True, slots=True)
class Charge:
    """One started hour."""

    at: datetime
    principal: Decimal
    daily_rate: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Told:
    """The interest the exchange told of a loan, and when we read it."""

    at: datetime
    interest: Decimal


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the replay and the exchange's figures compare, and why.

    `difference` is what was told less what was replayed; None unless they differ. `fits` are the
    readings that agree with every figure told.
    """

    label: Label
    reason: str
    fits: tuple[Hours, ...] = ()
    fixed_rate: bool = False
    difference: Decimal | None = None


def place(loans: Iterable[Loan], repayments: Iterable[Repayment]) -> Placed:
    """Pay principal back oldest loan first, each repayment only to loans taken by then."""
    queue = sorted(loans, key=lambda loan: (loan.at, loan.key))
    owed = {loan.key: loan.principal or exact.ZERO for loan in queue}
    parts: dict[str, list[Part]] = {loan.key: [] for loan in queue}
    left_over, first_open = exact.ZERO, 0
    for repayment in sorted(repayments, key=lambda one: (one.at, one.key)):
        left = repayment.principal
        position = first_open
        while left > 0 and position < len(queue) and queue[position].at <= repayment.at:
            key = queue[position].key
            paid = min(left, owed[key])
            if paid > 0:
                parts[key].append(Part(repayment.key, repayment.at, paid))
                owed[key] = exact.minus(owed[key], paid)
                left = exact.minus(left, paid)
            position += 1
            if not owed[key] and position == first_open + 1:
                first_open = position
        left_over = exact.plus(left_over, left)
    return Placed({key: tuple(found) for key, found in parts.items()}, left_over)


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
    rates: Sequence[RateFrom] = (),
) -> list[Charge]:
    """Every started hour up to and including `until`, each at the rate of its own time.

    The first is at the loan's own rate. A repayment in the instant of a charge comes after it.
    """
    if loan.principal is None:
        return []
    later = [rate for rate in rates if rate.at > loan.at]
    instants = [rate.at for rate in later]
    end = closed_at(loan, parts)
    left, waiting, found = loan.principal, list(parts), []
    for at in charge_times(loan.at, hours=hours, until=min(until, end) if end else until):
        while waiting and waiting[0].at < at:
            left = exact.minus(left, waiting.pop(0).principal)
        known = bisect_right(instants, at)
        rate = later[known - 1].daily_rate if known else loan.daily_rate
        found.append(Charge(at, left, rate, interest.hourly_charge(left, rate)))
    return found


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
    rates: Sequence[RateFrom] = (),
    doubt: str = "",
) -> Verdict:
    """Lay the replay beside every figure the exchange told.

    `doubt` is a reason not to blame the exchange if nothing fits: a gap in what we know. A fall of
    the figure is the exchange's change of story, not a charge, and is left out.
    """
    figures = rising(told)
    if loan.principal is None:
        return Verdict(Label.CANNOT_TELL, "The exchange never told the principal of this loan.")
    if not figures or not figures[-1].interest:
        return Verdict(Label.CANNOT_TELL, "The exchange has not told the interest of this loan.")
    differences: list[Decimal] = []
    for fixed in (False, True):
        used = () if fixed else rates
        if fixed and not any(rate.at > loan.at for rate in rates):
            break
        fits = []
        for hours in Hours:
            off = _off(loan, parts, figures, hours=hours, rates=used)
            if abs(off) <= AGREEMENT:
                fits.append(hours)
            differences.append(off)
        if fits:
            return Verdict(Label.AGREES, _fit_words(fits, fixed), tuple(fits), fixed)
    nearest = min(differences, key=abs)
    if doubt:
        return Verdict(Label.CANNOT_TELL, doubt, difference=nearest)
    return Verdict(
        Label.DIFFERS, "Neither reading of the hours gives what was told.", difference=nearest
    )


def rising(told: Iterable[Told]) -> list[Told]:
    """The figures in time order, without those below an earlier one."""
    found: list[Told] = []
    for figure in sorted(told, key=lambda one: one.at):
        if not found or figure.interest >= found[-1].interest:
            found.append(figure)
    return found


def _off(
    loan: Loan,
    parts: Sequence[Part],
    figures: Sequence[Told],
    *,
    hours: Hours,
    rates: Sequence[RateFrom],
) -> Decimal:
    """The largest difference between a figure told and the replay at about that time."""
    made = charges(loan, parts, hours=hours, until=figures[-1].at, rates=rates)
    instants = [charge.at for charge in made]
    sums = [exact.ZERO]
    for charge in made:
        sums.append(exact.plus(sums[-1], charge.amount))
    worst = exact.ZERO
    for figure in figures:
        first = bisect_right(instants, figure.at - BOOKING_LAG)
        last = bisect_right(instants, figure.at)
        near = [exact.minus(figure.interest, value) for value in sums[first : last + 1]]
        worst = max(worst, min(near, key=abs), key=abs)
    return worst


def _fit_words(fits: Sequence[Hours], fixed: bool) -> str:
    rate = ", at the rate of the borrow throughout" if fixed else ""
    if len(fits) == len(Hours):
        return f"Both readings of the hours give what was told{rate}."
    return f"What was told follows from charging {fits[0].value}{rate}."
