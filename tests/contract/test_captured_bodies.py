"""Bodies captured live and ours have the same keys and the same types of values.

What is compared with was published by third parties who used the live exchange.
"""

import re
from typing import Any

import pytest

from tests.paper.calls import borrow, get, post, records, repay, send
from tests.paper_fixture import Paper, PaperKey

PAIR_SIDE = {
    "currency": "BTC",
    "daily_interest": "0.00055000",
    "hourly_interest": "0.00002291",
    "max_borrow_amount": "2.00000000",
    "min_borrow_amount": "0.00000001",
    "borrowable_amount": "0.00669536",
}
PAIR = {
    "symbol": "BTC_USDT",
    "max_leverage": "5",
    "symbol_enabled": True,
    "base": PAIR_SIDE,
    "quote": PAIR_SIDE,
}
ACCOUNT_SIDE = {
    "currency": "USDT",
    "borrow_enabled": True,
    "borrowed": "0.00000000",
    "available": "20.00000000",
    "frozen": "0.00000000",
    "net_asset": "20.00000000",
    "net_assetBTC": "0.00118039",
    "total_asset": "20.00000000",
    "borrow_unpaid": "0.00000000",
    "interest_unpaid": "0.00000000",
}
ACCOUNT = {
    "symbol": "BTC_USDT",
    "risk_rate": "999.00",
    "risk_level": "1",
    "buy_enabled": False,
    "sell_enabled": False,
    "liquidate_price": None,
    "liquidate_rate": "1.15",
    "base": ACCOUNT_SIDE,
    "quote": ACCOUNT_SIDE,
}
BORROW_RECORD = {
    "borrow_id": "1659045283903rNvJnuRTJNL5J53n",
    "symbol": "BTC_USDT",
    "currency": "USDT",
    "borrow_amount": "100.00000000",
    "daily_interest": "0.00055000",
    "hourly_interest": "0.00002291",
    "interest_amount": "0.00229166",
    "create_time": 1659045284000,
}
REFUSAL = {
    "message": "Exceed the maximum number of borrows available.",
    "code": 51004,
    "trace": "4030b753-9beb-44e6-8352-1633c5edcd47",
    "data": {},
}
SYMBOL = {
    "symbol": "BTC_USDT",
    "symbol_id": 53,
    "base_currency": "BTC",
    "quote_currency": "USDT",
    "base_min_size": "0.000010000000000000000000000000",
    "base_max_size": "100000000.000000000000000000000000000000",
    "price_min_precision": -1,
    "price_max_precision": 2,
    "quote_increment": "0.00001",
    "expiration": "NA",
    "min_buy_amount": "5.000000000000000000000000000000",
    "min_sell_amount": "5.000000000000000000000000000000",
    "trade_status": "trading",
}


def shape(value: Any) -> Any:
    """Keys and types; digits of a number in text become 9, so that its places are compared too."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in value.items()}
    if isinstance(value, str) and re.fullmatch(r"[0-9]+\.[0-9]+", value):
        return "." + "9" * len(value.split(".")[1])
    return type(value).__name__


@pytest.fixture
def key(shared_paper: Paper) -> PaperKey:
    return shared_paper.new_key(balances={"BTC_USDT": {"USDT": "1000"}})


@pytest.fixture
def paper(shared_paper: Paper) -> Paper:
    return shared_paper


def test_pairs(paper: Paper, key: PaperKey) -> None:
    [row] = get(paper, key, "pairs", symbol="BTC_USDT").data["symbols"]

    assert shape(row) == shape(PAIR)
    terms = {name: value for name, value in PAIR_SIDE.items() if name != "borrowable_amount"}
    assert terms.items() <= row["base"].items()


def test_the_account_without_debt(paper: Paper, key: PaperKey) -> None:
    [row] = get(paper, key, "account", symbol="BTC_USDT").data["symbols"]

    assert shape(row) == shape(ACCOUNT)
    assert {name: row[name] for name in ("risk_rate", "risk_level", "liquidate_rate")} == {
        "risk_rate": "999.00",
        "risk_level": "1",
        "liquidate_rate": "1.15",
    }


def test_the_account_with_debt(paper: Paper, key: PaperKey) -> None:
    borrow(paper, key, "1000")

    [row] = get(paper, key, "account", symbol="BTC_USDT").data["symbols"]

    assert re.fullmatch(r"[0-9]+\.[0-9]{2}", row["risk_rate"])
    assert row["quote"]["borrow_unpaid"] == "1000.00000000"
    assert row["quote"]["interest_unpaid"] == "0.02291660"
    assert row["quote"]["net_asset"] == "1000.00000000"
    assert row["quote"]["total_asset"] == "2000.00000000"
    # All assets are in the quote, and so is the debt: the price plays no part.
    assert row["liquidate_price"] is None


def test_a_short_position_is_liquidated_at_a_price(paper: Paper, key: PaperKey) -> None:
    borrow(paper, key, "0.005", currency="BTC")

    [row] = get(paper, key, "account", symbol="BTC_USDT").data["symbols"]

    assert re.fullmatch(r"[0-9]+\.[0-9]{8}", row["liquidate_price"])


def test_the_borrow_record(paper: Paper, key: PaperKey) -> None:
    borrow(paper, key, "100")

    [row] = records(paper, key, "borrow_record")

    assert shape(row) == shape(BORROW_RECORD)
    assert row["interest_amount"] == BORROW_RECORD["interest_amount"]
    assert re.fullmatch(r"[0-9]{13}[A-Za-z0-9]{16}", row["borrow_id"])
    assert int(row["borrow_id"][:13]) == row["create_time"]


def test_the_ids_of_answers_and_of_repayments(paper: Paper, key: PaperKey) -> None:
    answer = borrow(paper, key, "100")
    repaid = repay(paper, key, "50")

    assert re.fullmatch(r"[0-9a-f]{32}", answer.data["borrow_id"])
    assert re.fullmatch(r"[0-9a-f]{32}", repaid.data["repay_id"])
    [row] = records(paper, key, "repay_record")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", row["repay_id"])
    assert set(row) == {
        *("repay_id", "repay_time", "symbol", "currency"),
        *("repaid_amount", "repaid_principal", "repaid_interest"),
    }


def test_a_refusal(paper: Paper, key: PaperKey) -> None:
    answer = borrow(paper, key, "99999999")

    assert shape(answer.body) == shape(REFUSAL)
    assert answer.status == 400
    assert answer.body["message"] == REFUSAL["message"]
    assert re.fullmatch(r"[0-9a-f]{32}\.[0-9]{2,3}\.[0-9]{17}", answer.body["trace"])


def test_the_words_of_success_differ_between_versions(paper: Paper, key: PaperKey) -> None:
    assert get(paper, key, "pairs").body["message"] == "OK"
    assert post(paper, key, "/spot/v4/query/open-orders").body["message"] == "success"
    ticker = send(paper, "GET", "/spot/quotation/v3/ticker?symbol=BTC_USDT")
    assert ticker.body["message"] == "success"
    assert list(ticker.data) == [
        *("symbol", "last", "v_24h", "qv_24h", "open_24h", "high_24h", "low_24h"),
        *("fluctuation", "bid_px", "bid_sz", "ask_px", "ask_sz", "ts"),
    ]
    assert {type(value) for value in ticker.data.values()} == {str}


def test_tickers_report_errors_with_status_200(paper: Paper) -> None:
    for path, code in (("ticker", 70001), ("ticker?symbol=NO_PAIR", 70002)):
        answer = send(paper, "GET", f"/spot/quotation/v3/{path}")
        assert (answer.status, answer.code) == (200, code)


def test_symbol_details(paper: Paper) -> None:
    rows = send(paper, "GET", "/spot/v1/symbols/details").data["symbols"]

    assert shape(rows[0]) == shape(SYMBOL)
    assert {row["trade_status"] for row in rows} == {"trading", "pre-trade"}
