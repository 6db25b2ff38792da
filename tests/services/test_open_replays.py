"""The labels of the replay beside debts."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from loans.models import Account, BorrowRecord, Kind, Market
from loans.replay import Label
from loans.services import loan_story, open_replays
from loans.services.open_replays import Labels
from loans.services.positions import positions
from tests import factories
from tests.factories import HOUR, NOW

CHARGE = Decimal("0.00045833")


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


@pytest.fixture
def market(db: None) -> Market:
    market = factories.make_market()
    factories.make_terms(market=market)
    factories.make_rate_change(market=market, at=NOW - 900 * HOUR, daily_rate="0.00055")
    return market


def lend(desk: Account, hours: int, told: Decimal | str, principal: str = "20") -> BorrowRecord:
    """A loan whose interest was told half an hour after its latest charge."""
    at = NOW - hours * HOUR - timedelta(minutes=30)
    loan = factories.make_borrow(account=desk, at=at, principal=principal, interest=str(told))
    factories.tell(loan, str(told), at=NOW)
    return loan


def only(desk: Account) -> Labels | None:
    debts = positions([desk], now=NOW)
    return open_replays.label(debts, now=NOW).get(open_replays.slot_of(debts[0]))


def test_a_loan_that_agrees_is_labelled_so(desk: Account, market: Market) -> None:
    lend(desk, 5, 6 * CHARGE)

    assert only(desk) == Labels(agree=1)


def test_a_loan_that_differs_says_by_how_much(desk: Account, market: Market) -> None:
    lend(desk, 5, 6 * CHARGE + Decimal("0.00000007"))

    assert only(desk) == Labels(differ=1, difference=Decimal("0.00000007"))


def test_what_was_repaid_of_the_oldest_open_loan_is_found_from_the_end(
    desk: Account, market: Market
) -> None:
    lend(desk, 30, 2 * CHARGE)
    factories.make_repay(account=desk, principal="20", at=NOW - 28 * HOUR)
    lend(desk, 5, 2 * CHARGE + Decimal("0.00036666") + 3 * Decimal("0.00022916"))
    lend(desk, 1, 2 * CHARGE)
    factories.make_repay(account=desk, principal="4", at=NOW - timedelta(hours=4, minutes=20))
    factories.make_repay(account=desk, principal="6", at=NOW - timedelta(hours=3, minutes=10))

    assert only(desk) == Labels(agree=2)


def test_what_was_never_told_cannot_be_told(desk: Account, market: Market) -> None:
    factories.make_borrow(account=desk, interest=None)

    assert only(desk) == Labels(cannot=1)


def test_a_difference_is_not_blamed_where_the_rates_were_not_seen(desk: Account) -> None:
    lend(desk, 5, "0.5")

    assert only(desk) == Labels(cannot=1)


def test_a_difference_is_not_blamed_where_repayments_may_be_unread(
    desk: Account, market: Market
) -> None:
    loan = lend(desk, 5, 6 * CHARGE + Decimal("0.00000007"))
    factories.make_coverage(account=desk)
    factories.make_coverage(account=desk, symbol="ETH_USDT", complete_to=None)
    repayments = factories.make_coverage(account=desk, kind=Kind.REPAY, complete_to=None)

    assert only(desk) == Labels(cannot=1)
    assert loan_story.tell(loan, now=NOW).verdict.label is Label.CANNOT_TELL

    repayments.complete_to = NOW
    repayments.save()
    assert only(desk).differ == 1


def test_too_many_loans_are_left_to_their_own_pages(
    desk: Account, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_replays, "MOST_LOANS", 1)
    lend(desk, 5, CHARGE)
    lend(desk, 4, CHARGE)

    assert only(desk) is None


def test_nothing_owed_has_no_label(desk: Account) -> None:
    assert open_replays.label([], now=NOW) == {}
