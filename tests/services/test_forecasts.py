"""Forecasts of a loan's cost, and the months and queries that people type."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User

from loans.models import Account
from loans.replay import Hours
from loans.services import forecasts, loan_story
from loans.services.filters import Unreadable
from loans.services.forecasts import Asked, hours_between, read_until
from loans.services.months import Month, read_month
from loans.services.statement_query import SETTLED, link_text, read_wanted
from tests import factories
from tests.factories import HOUR, NOW

TAKEN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CHARGE = Decimal("0.00045833")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


def ask(desk: Account, text: str, *, told: str | None = "0.00045833") -> Asked:
    """Of a loan of 20 USDT taken two and a half hours before NOW."""
    factories.make_terms(market=factories.make_market())
    loan = factories.make_borrow(account=desk, at=TAKEN, interest=told)
    if told:
        factories.tell(loan, told, at=TAKEN + MINUTE)
    return forecasts.ask(loan_story.tell(loan, now=NOW), text, zone=UTC)


@pytest.mark.parametrize(
    ("after", "until", "hours", "count"),
    [
        (TAKEN, TAKEN + HOUR - MINUTE, Hours.ANNIVERSARY, 0),
        (TAKEN, TAKEN + HOUR, Hours.ANNIVERSARY, 1),
        (TAKEN, TAKEN + HOUR, Hours.CLOCK, 1),
        (TAKEN, TAKEN + 29 * MINUTE, Hours.CLOCK, 0),
        (TAKEN, TAKEN + 30 * MINUTE, Hours.CLOCK, 1),
        (TAKEN + 30 * MINUTE, TAKEN + 24 * HOUR, Hours.ANNIVERSARY, 24),
    ],
)
def test_only_hours_that_start_are_counted(
    after: datetime, until: datetime, hours: Hours, count: int
) -> None:
    assert hours_between(TAKEN, after, until, hours=hours) == count


def test_a_day_and_thirty_days_cost_their_hours(desk: Account) -> None:
    asked = ask(desk, "")

    assert (asked.per_day, asked.per_month) == (24 * CHARGE, 720 * CHARGE)
    assert asked.found is None


def test_days_ahead_cost_every_hour_that_starts(desk: Account) -> None:
    found = ask(desk, "10").found

    assert (found.fewest, found.most) == (240, 240)
    assert found.highest == 240 * CHARGE


def test_both_counts_are_given_while_it_is_open_when_hours_are_charged(desk: Account) -> None:
    found = ask(desk, "2026-11-20T12:15").found

    assert (found.fewest, found.most) == (0, 0)
    found = forecasts.ask(
        loan_story.tell(desk.borrow_records.get(), now=NOW), "2026-11-20T12:45", zone=UTC
    ).found
    assert (found.fewest, found.most) == (0, 1)
    assert (found.least, found.highest) == (0, CHARGE)


def test_a_loan_that_is_repaid_or_unknown_has_no_forecast(desk: Account) -> None:
    factories.make_repay(account=desk, at=NOW - MINUTE)

    assert ask(desk, "30") == Asked()


@pytest.mark.parametrize("text", ["yesterday", "2026-11-31", "-5", "1.5", "٣"])
def test_what_is_no_date_and_no_number_is_told_how(text: str) -> None:
    with pytest.raises(Unreadable, match="Write a number of days"):
        read_until(text, now=NOW, zone=UTC)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("0", "past"), ("2026-11-19", "past"), ("3651", "3,650 days"), ("2199-01-01", "3,650 days")],
)
def test_a_forecast_looks_ahead_and_not_for_ever(text: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        read_until(text, now=NOW, zone=UTC)


@pytest.mark.parametrize("text", ["3", "3 days", "3d", "3 Day"])
def test_days_may_be_typed_as_people_do(text: str) -> None:
    assert read_until(text, now=NOW, zone=UTC) == NOW + timedelta(days=3)


def test_a_date_means_the_whole_of_that_day_in_the_persons_zone() -> None:
    kiritimati = ZoneInfo("Pacific/Kiritimati")

    assert read_until("2026-11-21", now=NOW, zone=kiritimati) == datetime(
        2026, 11, 21, 10, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-13", "2026-11"),
        ("2026-1", "2026-11"),
        ("november", "2026-11"),
        ("2008-12", "2009"),
        ("2026-12", "not begun"),
    ],
)
def test_a_month_that_cannot_be_stated_is_said_so(text: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        read_month(text, now=NOW, zone=UTC)


def test_the_month_begins_earlier_where_the_sun_rises_earlier() -> None:
    now = datetime(2026, 11, 30, 11, tzinfo=UTC)

    assert read_month("2026-12", now=now, zone=ZoneInfo("Pacific/Kiritimati")) == Month(2026, 12)
    with pytest.raises(Unreadable):
        read_month("2026-12", now=now, zone=UTC)


def test_without_a_query_it_is_the_last_complete_month(desk: Account) -> None:
    wanted = read_wanted({}, accounts=[desk], now=NOW, zone=UTC)

    assert (wanted.account, wanted.month) == (desk, Month(2026, 10))
    assert (wanted.as_of, wanted.is_fixed) == (NOW - SETTLED, False)


def test_the_link_to_a_statement_reads_as_the_same_instant(desk: Account) -> None:
    query = {"month": "2026-10", "as_of": link_text(NOW)}

    wanted = read_wanted(query, accounts=[desk], now=NOW + HOUR, zone=ZoneInfo("Asia/Tokyo"))

    assert (wanted.as_of, wanted.is_fixed, dict(wanted.errors)) == (NOW, True, {})


@pytest.mark.parametrize(
    ("as_of", "sentence"),
    [("2026-11-21", "time to come"), ("2026-10-01", "not begun by then"), ("soon", "Write a date")],
)
def test_a_knowledge_that_cannot_be_is_refused(desk: Account, as_of: str, sentence: str) -> None:
    query = {"month": "2026-10", "as_of": as_of}

    assert sentence in read_wanted(query, accounts=[desk], now=NOW, zone=UTC).errors["as_of"]
