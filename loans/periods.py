"""The periods of which totals are kept, so that what lies before any instant is a sum of few.

Time is cut into runs of 343 days, each into seven of 49, those into weeks, weeks into days, and
days, for all pairs together, into hours. Kept is what lies in all time, in each run of 343 days,
and in the beginning of each run up to where one of its parts ends: the first 2 days of a week, the
first 5 hours of a day. What lies before an instant is then one beginning of each size, besides
whole runs of 343 days. Every record is written into all beginnings that reach beyond it.

A pair has few records a day: of it, what is left of a day is read from the records. Hours and days
are those of UTC, counted from 1970-01-01, with which the first run of every size begins. A period
is kept as one number.
"""

from datetime import UTC, datetime, timedelta

ALL_TIME = 0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK, WEEKS = 7 * DAY, 49 * DAY
LONGEST = 343 * DAY
# Parts and the runs that they are parts of.
RUNS = {HOUR: DAY, DAY: WEEK, WEEK: WEEKS, WEEKS: LONGEST}
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
# Where the numbers of a size begin: half a million above its days in millions, for an older version
# keeps other sums there; hours above them all.
_AT = {
    size: 1_001_000_000 if size == HOUR else size.days * 1_000_000 + 500_000
    for size in (*RUNS, LONGEST)
}
_LAST = 100_000 * DAY  # from BEGIN on; after any instant that is kept


def kept(size: timedelta, number: int) -> int:
    """The period of this size with this number: of LONGEST, the whole run; of a smaller size, the
    beginning of the run that this part is in, up to where the part begins.
    """
    return _AT[size] + number


def numbered(size: timedelta, at: datetime) -> int:
    """Which part of this size an instant is in."""
    return (at - BEGIN) // size


def before(size: timedelta, number: int) -> list[int]:
    """The beginnings that together reach from where a run of LONGEST begins to where a part of
    this size does.
    """
    found = []
    while size != LONGEST:
        parts = RUNS[size] // size
        if number % parts:
            found.append(kept(size, number))
        size, number = RUNS[size], number // parts
    return found


def words(period: int) -> str:
    """A period as people name it."""
    if period == ALL_TIME:
        return "all time"
    for size, first in _AT.items():
        number = period - first
        if 0 <= number < _LAST // size:
            run = RUNS.get(size)
            begin = BEGIN + (number * size // run * run if run else number * size)
            end = BEGIN + (number if run else number + 1) * size
            form = "%Y-%m-%d %H:%M" if size == HOUR else "%Y-%m-%d"
            return f"{begin:{form}} until {end:{form}}"
    return f"unknown period {period}"  # an older version's
