"""The periods of which totals are kept, so that what lies before any instant is a sum of few.

Time is cut into runs of 336 days, each into sixteen of 21, those into days, and days, for all pairs
together, into half hours, at which days begin in some zones. Kept is what lies in all time, in each
run of 336 days, and in the beginning of each run up to where one of its parts ends: the first 2
days of three weeks, the first 5 half hours of a day. What lies before an instant is then one
beginning of each size, besides whole runs of 336 days. Every record is written into all beginnings
that reach beyond it: more sizes would be less to write and more to read.

A pair has few records a day: of it, what is left of a day is read from the records. Half hours and
days are those of UTC, counted from 1970-01-01, with which the first run of every size begins. A
period is kept as one number.
"""

from datetime import UTC, datetime, timedelta

ALL_TIME = 0
HALF_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)
WEEKS, LONGEST = 21 * DAY, 336 * DAY
# Parts and the runs that they are parts of.
RUNS = {HALF_HOUR: DAY, DAY: WEEKS, WEEKS: LONGEST}
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
# Where the numbers of a size begin: above those at which older versions kept other sums.
_AT = {size: 1_010_000_000 + 10_000_000 * n for n, size in enumerate((*RUNS, LONGEST))}
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
            form = "%Y-%m-%d %H:%M" if size == HALF_HOUR else "%Y-%m-%d"
            return f"{begin:{form}} until {end:{form}}"
    return f"unknown period {period}"  # an older version's
