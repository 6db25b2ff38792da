"""The spans of days that people ask for again and again. Pure."""

from datetime import date, timedelta
from typing import NamedTuple

from loans.services.months import month_of_day


class UsualSpan(NamedTuple):
    """A span by its name; both days are part of it."""

    name: str
    first: date
    last: date


def usual_spans(today: date) -> tuple[UsualSpan, ...]:
    """Those of a day; what is not over yet ends with it."""
    month = month_of_day(today)
    last_month, year = month.previous, today.year
    return (
        UsualSpan("Today", today, today),
        UsualSpan("7 days", today - timedelta(days=6), today),
        UsualSpan("This month", month.first_day, today),
        UsualSpan("Last month", last_month.first_day, last_month.last_day),
        UsualSpan("This year", date(year, 1, 1), today),
        UsualSpan("Last year", date(year - 1, 1, 1), date(year - 1, 12, 31)),
    )
