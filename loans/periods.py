"""The periods of which totals are kept: all time, and runs of 1, 7, 49 and 343 days in UTC.

Each is seven of the size below, so that any span of days is made of few, added or taken away: an
end is at most three periods of each size away from an end of the next. More sizes would make fewer
of them, but every record is written into one total of each. Days are counted from 1970-01-01, with
which the first period of every size begins. A period is kept as one number.
"""

from datetime import UTC, datetime, timedelta

ALL_TIME = 0
DAY = timedelta(days=1)
SIZES = tuple(7**power * DAY for power in range(4))
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_AT = 1_000_000  # millions are the days of its size, the rest is which one it is


def day_of(at: datetime) -> int:
    """The day of an instant, as a period."""
    return kept(DAY, (at - BEGIN) // DAY)


def kept(size: timedelta, number: int) -> int:
    """The period of this size with this number."""
    return size.days * _DAYS_AT + number


def around(day: int) -> tuple[int, ...]:
    """Every period with this day in it, all time and itself included."""
    number = day % _DAYS_AT
    return ALL_TIME, *(kept(size, number // size.days) for size in SIZES)


def words(period: int) -> str:
    """A period as people name it."""
    if period == ALL_TIME:
        return "all time"
    days, number = divmod(period, _DAYS_AT)
    if days * DAY not in SIZES:
        return f"unknown period {period}"  # an older version's
    begin = f"{BEGIN + number * days * DAY:%Y-%m-%d}"
    return begin if days == 1 else f"{days} days from {begin}"
