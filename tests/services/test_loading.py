"""How far a first load is: only what is measured is told."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from loans.models import Account, Coverage
from loans.services.loading import Pace, loads
from loans.services.streams import GIVEN_UP
from loans.services.windows import EARLIEST, NOT_SERVED
from tests.factories import NOW, make_account, make_coverage, make_gap, make_market

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("pace", "steps"),
    [
        (Pace(NOW - 2 * MINUTE, 300, NOW, 100), 100),
        (Pace(NOW - 12 * MINUTE, 300, NOW - 10 * MINUTE, 100), None),  # it pauses
        (Pace(NOW - MINUTE / 60, 300, NOW, 100), None),  # hardly measured
        (Pace(NOW - 2 * MINUTE, 300, NOW, 300), None),  # nothing was done
    ],
)
def test_a_rate_is_told_only_where_it_was_measured(pace: Pace, steps: int | None) -> None:
    assert pace.steps_a_minute(NOW) == steps


@pytest.fixture
def account(owner: User) -> Account:
    make_market(symbol="BTC_USDT")
    return make_account(owner=owner)


@pytest.mark.django_db
def test_weeks_are_counted_until_the_start(account: Account) -> None:
    make_coverage(account=account, complete_from=EARLIEST + timedelta(days=69))
    make_coverage(account=account, kind="repay", complete_to=None, checked_at=None)

    [load] = loads([account], now=NOW)

    assert (load.steps_left, load.streams, load.loaded, load.time_left) == (11, 2, 0, None)
    assert load.back_to == EARLIEST + timedelta(days=69)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"complete_to": None, "checked_at": None, "asked_at": NOW, "failures": GIVEN_UP},
        {"complete_from": NOW - timedelta(days=9), "trusted": False},  # windows do not work
    ],
)
def test_what_cannot_go_on_is_not_said_to_load(account: Account, fields: dict) -> None:
    make_coverage(account=account, **fields)

    assert loads([account], now=NOW) == []


@pytest.mark.django_db
def test_a_list_that_is_tried_again_soon_is_still_loading(account: Account) -> None:
    make_coverage(account=account, complete_to=None, checked_at=None, asked_at=NOW, failures=1)

    [load] = loads([account], now=NOW)

    assert (load.steps_left, load.loaded) == (1, 0)


@pytest.mark.django_db
def test_a_history_that_is_served_no_further_back_is_loaded(account: Account) -> None:
    start = NOW - timedelta(days=90)
    make_coverage(account=account, complete_from=start)
    make_gap(coverage=Coverage.objects.get(), starts_at=EARLIEST, ends_at=start, reason=NOT_SERVED)

    assert loads([account], now=NOW) == []


@pytest.mark.django_db
def test_a_list_of_a_disabled_pair_is_part_of_the_load(account: Account) -> None:
    make_market(symbol="OFF_USDT", enabled=False)
    make_coverage(account=account, symbol="OFF_USDT", complete_to=None, checked_at=None)

    [load] = loads([account], now=NOW)

    assert (load.steps_left, load.streams) == (1, 1)
