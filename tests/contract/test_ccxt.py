"""ccxt, unchanged but for the base URL, works with the paper exchange."""

import time
from decimal import Decimal

import ccxt
import pytest

from tests.paper_fixture import Paper, PaperKey


@pytest.fixture
def key(shared_paper: Paper) -> PaperKey:
    return shared_paper.new_key(memo="desk")


@pytest.fixture
def exchange(shared_paper: Paper, key: PaperKey) -> ccxt.bitmart:
    made = ccxt.bitmart({"apiKey": key.access_key, "secret": key.secret, "uid": key.memo})
    made.urls["api"] = dict.fromkeys(made.urls["api"], shared_paper.base_url)
    return made


def test_it_loads_markets_and_currencies(exchange: ccxt.bitmart) -> None:
    markets = exchange.load_markets()

    assert {"BTC/USDT", "1000SATS/USDT", "ETH/BTC"} <= set(markets)
    assert markets["BTC/USDT"]["active"] is True
    assert markets["ENS/USDT"]["active"] is False
    assert {"BTC", "USDT"} <= set(exchange.currencies)


def test_it_borrows_repays_and_shows_what_was_borrowed(
    exchange: ccxt.bitmart,
    shared_paper: Paper,
    key: PaperKey,
) -> None:
    since = exchange.fetch_time()
    loan = exchange.borrow_isolated_margin("BTC/USDT", "USDT", 15)
    [interest] = exchange.fetch_borrow_interest("USDT", "BTC/USDT", since)
    repaid = exchange.repay_isolated_margin("BTC/USDT", "USDT", "15.00034374")
    [repayment] = exchange.private_get_spot_v1_margin_isolated_repay_record({"symbol": "BTC_USDT"})[
        "data"
    ]["records"]

    assert (len(loan["id"]), len(repaid["id"])) == (32, 32)
    assert (interest["amountBorrowed"], interest["interest"]) == (15.0, 0.00034374)
    assert abs(interest["timestamp"] - time.time() * 1000) < 60_000
    assert repayment["repaid_amount"] == "15.00034374"
    [truth] = shared_paper.books(key)["executed"]["loans"]
    assert (truth["answer_id"], Decimal(truth["outstanding"])) == (loan["id"], 0)


def test_it_reads_rates(exchange: ccxt.bitmart) -> None:
    one = exchange.fetch_isolated_borrow_rate("BTC/USDT")
    everything = exchange.fetch_isolated_borrow_rates()

    assert (one["baseRate"], one["quoteRate"], one["period"]) == (0.00002291, 0.00002291, 3_600_000)
    assert len(everything) > 50


def test_it_reads_status_tickers_and_balances(exchange: ccxt.bitmart) -> None:
    assert exchange.fetch_status()["status"] == "ok"
    assert exchange.fetch_ticker("BTC/USDT")["last"] > 0
    assert len(exchange.fetch_tickers()) > 50
    assert exchange.fetch_balance()["USDT"]["free"] == 10_000
    assert exchange.fetch_balance({"type": "margin"})["BTC/USDT"]["USDT"]["total"] == 2_500
    assert exchange.fetch_trading_fee("BTC/USDT")["symbol"] == "BTC/USDT"
    assert exchange.fetch_open_orders("BTC/USDT") == []


def test_it_moves_collateral(exchange: ccxt.bitmart) -> None:
    moved = exchange.transfer("USDT", 5, "spot", "margin", {"symbol": "BTC_USDT"})

    assert moved["id"]
    assert exchange.fetch_balance()["USDT"]["free"] == 9_995


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (51004, ccxt.InsufficientFunds),
        (50020, ccxt.InsufficientFunds),
        (59010, ccxt.InsufficientFunds),
        (51005, ccxt.InvalidOrder),
        (51006, ccxt.InvalidOrder),
        (51001, ccxt.ExchangeError),
        (51003, ccxt.ExchangeError),
        (51024, ccxt.ExchangeError),
        (53010, ccxt.PermissionDenied),
        (30012, ccxt.AuthenticationError),
        (30007, ccxt.AuthenticationError),
        (30013, ccxt.RateLimitExceeded),
        (30017, ccxt.RateLimitExceeded),
        (30016, ccxt.OnMaintenance),
    ],
)
def test_refusals_become_the_errors_that_ccxt_users_know(
    exchange: ccxt.bitmart,
    shared_paper: Paper,
    key: PaperKey,
    code: int,
    error: type[Exception],
) -> None:
    shared_paper.fault("code", code=code, kind="borrow", access_key=key.access_key)

    with pytest.raises(error) as refused:
        exchange.private_post_spot_v1_margin_isolated_borrow(
            {"symbol": "BTC_USDT", "currency": "USDT", "amount": "1"}
        )

    assert str(code) in str(refused.value)


def test_a_wrong_memo_is_an_authentication_error_but_reading_works(
    exchange: ccxt.bitmart,
) -> None:
    exchange.uid = "1234567"

    assert exchange.fetch_balance({"type": "margin"})
    with pytest.raises(ccxt.AuthenticationError):
        exchange.borrow_isolated_margin("BTC/USDT", "USDT", 1)
