"""What is owed by the records, and by the exchange beside it: exact, side by side, never merged."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from loans.models import Account, Kind, Market, Side, State
from loans.services import rollups
from loans.services.position import MOST_OPEN_LOANS, LikelyGap, Position
from loans.services.positions import positions
from tests import factories
from tests.factories import HOUR, NOW

RATE = "0.00055"


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


@pytest.fixture
def market(db: None) -> Market:
    market = factories.make_market(price="90000")
    factories.make_terms(market=market, daily_rate=RATE)
    return market


def only(account: Account) -> Position:
    (position,) = positions([account], now=NOW)
    return position


def say(account: Account, market: Market, principal: str, interest: str = "0") -> None:
    """Let the exchange say what is owed."""
    margin = factories.make_margin_account(account=account, market=market)
    factories.make_margin_side(
        margin_account=margin, borrow_unpaid=principal, interest_unpaid=interest
    )


def test_principal_is_borrowed_less_repaid_and_interest_told_less_repaid(desk: Account) -> None:
    factories.make_borrow(account=desk, principal="20", interest="0.00091666")
    factories.make_borrow(account=desk, principal="15", interest="0.00034374")
    factories.make_repay(account=desk, principal="30", interest="0.00045833")

    recorded = only(desk).recorded

    assert recorded.principal == Decimal(5)
    assert recorded.interest == Decimal("0.00080207")


def test_interest_alone_is_a_debt_where_the_exchange_gives_no_figure(
    desk: Account, market: Market
) -> None:
    factories.make_borrow(account=desk, principal="10", interest="0.5")
    factories.make_repay(account=desk, principal="10", interest="0.2")

    assert (only(desk).principal, only(desk).interest) == (0, Decimal("0.3"))

    say(desk, market, "0")
    assert positions([desk], now=NOW) == []


def test_what_was_read_after_the_watermarks_counts_at_once(desk: Account) -> None:
    for kind in Kind:
        factories.make_coverage(account=desk, kind=kind, complete_to=NOW - HOUR)
    factories.make_borrow(account=desk, principal="10", at=NOW - 2 * HOUR)
    factories.make_borrow(account=desk, principal="7", at=NOW - HOUR / 2)

    recorded = only(desk).recorded

    assert (recorded.principal, recorded.as_of) == (17, NOW - HOUR)


def test_sums_of_twenty_digits_are_exact(desk: Account) -> None:
    for _ in range(3):
        factories.make_borrow(account=desk, principal="99999999999999999999.99999999")
    factories.make_repay(account=desk, principal="0.00000001", interest="0")

    assert only(desk).recorded.principal == Decimal("299999999999999999999.99999996")


def test_a_pair_owes_each_of_its_currencies_apart(desk: Account) -> None:
    factories.make_borrow(account=desk, currency="USDT")
    factories.make_borrow(account=desk, currency="BTC", principal="0.5")

    assert [(one.currency, one.principal) for one in positions([desk], now=NOW)] == [
        ("BTC", Decimal("0.5")),
        ("USDT", Decimal(20)),
    ]


def test_what_is_repaid_is_not_a_position(desk: Account) -> None:
    factories.make_borrow(account=desk)
    factories.make_repay(account=desk)

    assert positions([desk], now=NOW) == []


def test_as_of_is_the_older_of_the_two_watermarks(desk: Account) -> None:
    factories.make_borrow(account=desk)
    factories.make_coverage(account=desk, complete_to=NOW)
    assert only(desk).recorded.as_of is None

    factories.make_coverage(account=desk, kind="repay", complete_to=NOW - timedelta(hours=1))

    assert only(desk).recorded.as_of == NOW - timedelta(hours=1)


def test_the_exchange_counts_and_the_records_stay_beside_it(desk: Account, market: Market) -> None:
    factories.make_borrow(account=desk, principal="20", interest="0.00045833")
    say(desk, market, "20", "0.00091666")

    position = only(desk)

    assert position.interest == Decimal("0.00091666")
    assert position.recorded.interest == Decimal("0.00045833")
    assert position.interest_drift == Decimal("0.00045833")
    assert position.agrees
    assert position.incomplete_because == ""


def test_a_debt_without_records_says_the_history_is_incomplete(
    desk: Account, market: Market
) -> None:
    say(desk, market, "20", "0.00045833")

    position = only(desk)

    assert position.principal_drift == Decimal(20)
    assert "not what the records add up to" in position.incomplete_because


def test_interest_further_off_than_a_day_explains_is_said(desk: Account, market: Market) -> None:
    factories.make_borrow(account=desk, principal="20", interest="0.00045833")
    say(desk, market, "20", "0.02")

    assert "interest is further" in only(desk).incomplete_because


def test_a_drift_right_after_an_instruction_is_catching_up(desk: Account, market: Market) -> None:
    say(desk, market, "20")
    factories.make_instruction(account=desk, state=State.CONFIRMED, created_at=NOW)

    assert only(desk).incomplete_because == ""
    (later,) = positions([desk], now=NOW + timedelta(hours=1))
    assert later.incomplete_because


def test_more_repaid_than_borrowed_names_the_likely_gap(desk: Account) -> None:
    factories.make_repay(account=desk, principal="20")
    coverage = factories.make_coverage(account=desk)
    factories.make_gap(coverage=coverage, starts_at=NOW - timedelta(hours=2), ends_at=NOW)

    position = only(desk)

    assert position.recorded.principal == Decimal(-20)
    assert "more was repaid" in position.incomplete_because
    assert position.gap == LikelyGap("borrow", NOW - timedelta(hours=2), NOW)


def test_without_figures_a_list_that_was_not_read_makes_the_position_incomplete(
    desk: Account, market: Market
) -> None:
    factories.make_borrow(account=desk)
    factories.make_coverage(account=desk)
    factories.make_coverage(account=desk, kind=Kind.REPAY, complete_to=None)

    assert only(desk).incomplete_because == "not every record of this pair was read"

    say(desk, market, "20", "0.00045833")
    assert only(desk).incomplete_because == ""


def test_a_loan_first_seen_empty_makes_the_position_incomplete(desk: Account) -> None:
    factories.make_borrow(account=desk)
    factories.make_borrow(account=desk, principal=None, interest=None)

    assert "never told the principal" in only(desk).incomplete_because


def test_open_loans_are_the_newest_that_make_up_the_principal(desk: Account) -> None:
    for hours, principal in ((50, "10"), (30, "10"), (10, "10")):
        factories.make_borrow(account=desk, principal=principal, at=NOW - timedelta(hours=hours))
    factories.make_repay(account=desk, principal="13")

    position = only(desk)

    assert [loan.left for loan in position.open_loans] == [Decimal(10), Decimal(7)]
    assert position.since == NOW - timedelta(hours=30)


def test_the_cost_of_a_day_follows_the_rate_of_now(desk: Account, market: Market) -> None:
    factories.make_borrow(account=desk, principal="15", daily_rate="0.001")

    position = only(desk)

    assert position.cost_per_day == Decimal("0.00034374") * 24
    assert position.rates_then == (Decimal("0.001"), Decimal("0.001"))


def test_without_terms_the_loans_own_rate_is_taken(desk: Account) -> None:
    factories.make_borrow(account=desk, principal="15")

    assert only(desk).rate_now == Decimal(RATE)


def test_the_same_records_give_the_same_digits(desk: Account) -> None:
    for n in range(30):
        factories.make_borrow(account=desk, principal=f"{n + 1}.12345678")
        factories.make_repay(account=desk, principal=f"{n}.87654321")

    assert only(desk).recorded == only(desk).recorded


def test_more_open_loans_than_are_looked_at_is_said(desk: Account) -> None:
    for _ in range(MOST_OPEN_LOANS + 1):
        factories.make_borrow(account=desk)

    assert only(desk).has_more_loans


def test_the_number_of_queries_is_fixed(
    desk: Account, owner: User, market: Market, django_assert_num_queries: Callable
) -> None:
    other = factories.make_market(symbol="ETH_USDT")
    factories.make_terms(market=other, side=Side.BASE)

    def fill(count: int) -> None:
        for n in range(count):
            factories.make_borrow(account=desk, symbol=("BTC_USDT", "ETH_USDT")[n % 2])
            factories.make_borrow(account=desk, symbol="ETH_USDT", currency="ETH")
        factories.make_coverage(account=desk, symbol=f"X{count}_USDT")

    fill(20)
    with django_assert_num_queries(9):
        positions([desk], now=NOW)
    fill(60)
    with django_assert_num_queries(9):
        positions([desk], now=NOW)


def test_more_debts_than_one_query_joins_are_all_told(desk: Account) -> None:
    pairs = [f"C{number}_USDT" for number in range(501)]
    of_one = factories.make_borrow(account=desk, symbol=pairs[0], principal="5")
    for pair in pairs[1:]:
        of_one.pk, of_one.uuid, of_one.record_id, of_one.symbol = None, uuid4(), pair, pair
        of_one.save(force_insert=True)
    rollups.rebuild(desk.pk, "borrow")

    found = positions([desk], now=NOW)

    assert {position.symbol for position in found} == set(pairs)
    assert all(len(position.open_loans) == 1 for position in found)
