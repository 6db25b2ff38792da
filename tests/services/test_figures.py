"""Figures and prices: written as the exchange says them, and only what changed."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from loans.models import Account, MarginAccount, MarginSide, Market, RefusedRow
from loans.services.figures import refresh_figures
from loans.services.prices import refresh_prices
from tests.factories import NOW, make_account, make_market
from tests.services.canned import ACCOUNT, TICKERS, Canned, canned_venue, margin_account

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def venue() -> Iterator[Canned]:
    with canned_venue() as canned:
        yield canned


@pytest.fixture
def account(owner: User) -> Account:
    make_market()
    return make_account(owner=owner)


def refresh(venue: Canned, account: Account, *rows: dict, now=NOW) -> int:
    venue.say(ACCOUNT, {"symbols": list(rows)})
    with venue.client() as client:
        return refresh_figures(client=client, account=account, now=now)


def test_figures_are_kept_as_the_exchange_says_them(venue: Canned, account: Account) -> None:
    debt = {"borrow_unpaid": "20.00000000", "interest_unpaid": "0.00045833", "net_asset": "-3.5"}

    refresh(
        venue,
        account,
        margin_account(risk_rate="1.62", risk_level="2", liquidate_price="-0.094", quote=debt),
    )

    figures = MarginAccount.objects.get()
    owed = figures.sides.get(side="quote")
    assert (figures.risk_rate, figures.risk_level) == (Decimal("1.62"), "2")
    assert figures.liquidate_price == Decimal("-0.094")
    assert (owed.borrow_unpaid, owed.interest_unpaid) == (20, Decimal("0.00045833"))
    assert owed.net_asset == Decimal("-3.5")
    assert figures.has_debt


def test_unchanged_figures_only_move_their_age(venue: Canned, account: Account) -> None:
    refresh(venue, account, margin_account())

    assert refresh(venue, account, margin_account(), now=NOW + MINUTE) == 0
    assert MarginAccount.objects.get().as_of == NOW + MINUTE
    assert {side.as_of for side in MarginSide.objects.all()} == {NOW + MINUTE}


def test_only_the_side_that_changed_is_written(venue: Canned, account: Account) -> None:
    refresh(venue, account, margin_account())

    written = refresh(venue, account, margin_account(quote={"available": "11"}))

    assert written == 1
    assert MarginSide.objects.get(side="quote").available == 11


def test_a_debt_on_a_pair_that_is_not_listed_is_kept_all_the_same(
    venue: Canned, account: Account
) -> None:
    refresh(venue, account, margin_account("OLD_USDT"))

    market = Market.objects.get(symbol="OLD_USDT")
    assert (market.base, market.quote, market.enabled) == ("OLD", "USDT", False)


def test_a_bad_row_does_not_stop_the_others(venue: Canned, account: Account) -> None:
    refresh(venue, account, margin_account("A_USDT", risk_rate="many"), margin_account())

    assert MarginAccount.objects.get().market.symbol == "BTC_USDT"
    assert RefusedRow.objects.get().account == account


def ticker(symbol: str, last: str) -> list[str]:
    return [symbol, last, *["1"] * 10, "1763600000000"]


def test_prices_follow_the_tickers_and_are_written_when_they_move(venue: Canned) -> None:
    make_market(symbol="BTC_USDT")
    make_market(symbol="ETH_USDT", price="7")
    counts = []
    for last in ("20182.5", "20182.50", "20183"):
        venue.say(TICKERS, [ticker("BTC_USDT", last), ticker("XYZ_USDT", "1")])
        with venue.client() as client:
            counts.append(refresh_prices(client=client, venue="paper", now=NOW))

    assert counts == [1, 0, 1]
    btc, eth = Market.objects.order_by("symbol")
    assert (btc.last_price, btc.price_as_of) == (20183, NOW)
    assert eth.last_price == 7


def test_a_bad_ticker_does_not_stop_the_others(venue: Canned) -> None:
    make_market(symbol="BTC_USDT")
    venue.say(TICKERS, [["BTC"], ticker("BTC_USDT", "5")])

    with venue.client() as client:
        assert refresh_prices(client=client, venue="paper", now=NOW) == 1
    assert RefusedRow.objects.get().source == "quotation/tickers"
