"""What a loan will cost until a date, at the rate of now: started hours, counted one by one.

Arithmetic on `loans.interest`, and the reading of what a person typed. Rates move; a forecast says
what the present one leads to, nothing more.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from loans import exact, interest, replay
from loans.services.filters import Unreadable, read_end
from loans.services.loan_story import Story
from loans.services.position import DAYS_A_MONTH

MOST_DAYS = 3650
_DAYS = re.compile(r"(\d{1,6})(?: ?d(?:ays?)?)?", re.ASCII | re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the hours that start after now, up to `until`, will cost.

    `fewest` and `most` hours differ where it is not decided when hours are charged.
    """

    until: datetime
    charge: Decimal
    fewest: int
    most: int

    @property
    def least(self) -> Decimal:
        """The cost of the fewest hours."""
        return exact.times(self.charge, Decimal(self.fewest))

    @property
    def highest(self) -> Decimal:
        """The cost of the most hours."""
        return exact.times(self.charge, Decimal(self.most))


@dataclass(frozen=True, slots=True)
class Asked:
    """A forecast as asked for: what was typed, a sentence where it cannot be read, the answer.

    The costs are None where nothing is out of the loan, or its principal is not known.
    """

    typed: str = ""
    error: str = ""
    found: Forecast | None = None
    per_day: Decimal | None = None
    per_month: Decimal | None = None


def ask(story: Story, text: str, *, zone: tzinfo) -> Asked:
    """The forecast of an open loan until what a person typed; empty text asks for none."""
    charge, typed = story.next_charge, text.strip()
    if charge is None:
        return Asked()
    per_day, per_month = (
        exact.times(charge, Decimal(days * interest.HOURS_PER_DAY)) for days in (1, DAYS_A_MONTH)
    )
    if not typed:
        return Asked(per_day=per_day, per_month=per_month)
    try:
        until = read_until(typed, now=story.now, zone=zone)
    except Unreadable as exc:
        return Asked(typed, str(exc), None, per_day, per_month)
    counts = [
        hours_between(story.record.at, story.now, until, hours=hours)
        for hours in story.verdict.fits or replay.Hours
    ]
    found = Forecast(until, charge, min(counts), max(counts))
    return Asked(typed, "", found, per_day, per_month)


def hours_between(
    taken_at: datetime, after: datetime, until: datetime, *, hours: replay.Hours
) -> int:
    """How many hours are charged after one instant, up to and including another."""
    origin = taken_at if hours is replay.Hours.ANNIVERSARY else _EPOCH
    return interest.started_hours(origin, until) - interest.started_hours(origin, after)


def read_until(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """A number of days from now, or a date in the zone (that day included). Raises: Unreadable."""
    if found := _DAYS.fullmatch(text):
        until = now + timedelta(days=min(int(found[1]), MOST_DAYS + 1))
    else:
        try:
            until = read_end(text, zone)
        except Unreadable:
            raise Unreadable("Write a number of days, or a date as 2026-12-31.") from None
    if until <= now:
        raise Unreadable("This lies in the past; a forecast looks ahead.")
    if until > now + timedelta(days=MOST_DAYS):
        raise Unreadable(f"A forecast reaches {MOST_DAYS:,} days at most.")
    return until
