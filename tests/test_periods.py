"""The periods of which totals are kept."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans import periods
from loans.periods import BEGIN, DAY, HALF_HOUR, LONGEST, RUNS, WEEKS, kept

MINUTE = timedelta(minutes=1)
EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 190 * 365 * 86_400).map(lambda n: EARLIEST + timedelta(seconds=n))


def bounds(period: int) -> tuple[datetime, datetime]:
    """From the words of a period, not from its number."""
    ends = map(datetime.fromisoformat, periods.words(period).split(" until "))
    begin, end = (at.replace(tzinfo=UTC) for at in ends)
    return begin, end


@given(INSTANTS, st.sampled_from(list(RUNS)))
def test_what_lies_before_a_part_is_made_of_one_beginning_of_each_size(
    at: datetime, size: timedelta
) -> None:
    number = periods.numbered(size, at)

    found = sorted(bounds(period) for period in periods.before(size, number))

    run = kept(LONGEST, periods.numbered(LONGEST, at))
    edges = [(bounds(run)[0],) * 2, *found, (BEGIN + number * size,) * 2]
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert edges[-1][0] <= at < edges[-1][0] + size
    assert len({end - begin for begin, end in found}) == len(found) <= len(RUNS)


def test_half_hours_and_days_are_those_of_utc() -> None:
    eastern = timezone(timedelta(hours=-5))
    late = datetime(2026, 11, 26, 23, 50, tzinfo=eastern)

    half_hour, day = periods.numbered(HALF_HOUR, late), periods.numbered(DAY, late)

    assert periods.words(kept(HALF_HOUR, half_hour)) == "2026-11-27 00:00 until 2026-11-27 04:30"
    assert periods.words(kept(DAY, day)) == "2026-11-12 until 2026-11-27"
    assert periods.words(kept(LONGEST, periods.numbered(LONGEST, late))) == (
        "2026-02-12 until 2027-01-14"
    )
    assert periods.words(periods.ALL_TIME) == "all time"


def test_the_sizes_are_those_of_the_totals_that_are_kept() -> None:
    """Others need a migration that makes all totals anew."""
    minutes = {part // MINUTE: run // MINUTE for part, run in RUNS.items()}
    assert minutes == {30: 1440, 1440: 30_240, 30_240: 483_840}
    numbers = [kept(size, 0) for size in (HALF_HOUR, DAY, WEEKS, LONGEST)]
    assert numbers == [1_010_000_000, 1_020_000_000, 1_030_000_000, 1_040_000_000]


@pytest.mark.parametrize(
    "period",
    [
        *(2026, 202611, 20261126, 9_002_271),
        *(1_020_784, 7_002_969, 343_000_060),
        *(1_520_784, 7_502_969, 343_500_060, 1_001_498_899),
    ],
)
def test_what_an_older_version_left_is_named(period: int) -> None:
    assert periods.words(period) == f"unknown period {period}"
