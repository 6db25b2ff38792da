"""The periods of which totals are kept."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans import periods

EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 190 * 365 * 86_400).map(lambda n: EARLIEST + timedelta(seconds=n))


def bounds(period: int) -> tuple[datetime, datetime]:
    """From the words of a period, not from its number."""
    *size, begin = periods.words(period).split(" days from ")
    at = datetime.strptime(f"{begin}+0000", "%Y-%m-%d%z")
    return at, at + timedelta(days=int(size[0]) if size else 1)


@given(INSTANTS)
def test_an_instant_is_in_one_period_of_every_size(at: datetime) -> None:
    all_time, *others = periods.around(periods.day_of(at))

    assert periods.words(all_time) == "all time"
    found = [bounds(period) for period in others]
    assert all(begin <= at < end for begin, end in found)
    assert [end - begin for begin, end in found] == list(periods.SIZES)
    assert len({all_time, *others}) == len(periods.SIZES) + 1


def test_days_are_those_of_utc() -> None:
    eastern = timezone(timedelta(hours=-5))
    late = datetime(2026, 11, 26, 23, 30, tzinfo=eastern)

    assert periods.words(periods.day_of(late)) == "2026-11-27"
    assert periods.words(periods.around(periods.day_of(late))[2]) == "7 days from 2026-11-26"


def test_the_sizes_are_those_of_the_totals_that_are_kept() -> None:
    """Others need a migration that makes all totals anew."""
    assert [size.days for size in periods.SIZES] == [1, 7, 49, 343]


@pytest.mark.parametrize("period", [2026, 202611, 20261126, 9_002_271])
def test_what_an_older_version_left_is_named(period: int) -> None:
    assert periods.words(period) == f"unknown period {period}"
