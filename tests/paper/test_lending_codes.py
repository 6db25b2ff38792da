"""Every code that means something to a loan can be provoked, and comes with its own status."""

from typing import Any

import pytest

from loans.bitmart.codes import CODES
from tests.paper.calls import Answer, borrow, get, post, records, repay
from tests.paper_fixture import Paper, PaperKey


@pytest.fixture
def fast(paper: Paper) -> Paper:
    """Without rate limits, and with the rates that were captured live."""
    paper.switch(limits="off", rates={"BTC_USDT": {"USDT": "0.00055", "BTC": "0.00055"}})
    return paper


@pytest.fixture
def key(fast: Paper) -> PaperKey:
    return fast.new_key()


def outcome(answer: Answer) -> tuple[int, int]:
    return answer.status, answer.code


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"symbol": None}, (400, 50000)),
        ({"currency": ""}, (400, 50000)),
        ({"amount": None}, (400, 50000)),
        ({"amount": "0"}, (400, 50021)),
        ({"amount": "-1"}, (400, 50021)),
        ({"amount": "0.000000001"}, (400, 50021)),
        ({"amount": "1e400"}, (400, 50021)),
        ({"amount": "1" * 40}, (400, 50021)),
        ({"amount": "much"}, (400, 50021)),
        ({"amount": "NaN"}, (400, 50021)),
        ({"amount": " 1"}, (400, 50021)),
        ({"amount": True}, (400, 50021)),
        ({"amount": ["1"]}, (400, 50021)),
        ({"symbol": 7}, (400, 50021)),
        ({"symbol": "NO_PAIR"}, (400, 50001)),
        ({"symbol": "btc_usdt"}, (400, 50001)),
        ({"symbol": "ENS_USDT"}, (400, 50040)),
        ({"currency": "ETH"}, (400, 51000)),
        ({"amount": "99999999"}, (400, 51004)),
        ({"symbol": "SHIB_USDT", "currency": "SHIB", "amount": "1"}, (400, 51005)),
    ],
)
def test_a_borrow_that_cannot_be_is_refused(
    fast: Paper, key: PaperKey, fields: dict[str, Any], expected: tuple[int, int]
) -> None:
    asked = {"symbol": "BTC_USDT", "currency": "USDT", "amount": "1", **fields}

    answer = post(fast, key, "borrow", **{k: v for k, v in asked.items() if v is not None})

    assert outcome(answer) == expected
    assert answer.data == {}
    assert fast.books(key)["executed"]["loans"] == []


@pytest.mark.parametrize("amount", ["1", "1.0", 1, 1.5, "1e-08", 1e-08, "20.00045833"])
def test_amounts_are_taken_as_text_and_as_numbers(fast: Paper, key: PaperKey, amount: Any) -> None:
    assert outcome(borrow(fast, key, amount)) == (200, 1000)


def test_the_words_of_captured_refusals(fast: Paper, key: PaperKey) -> None:
    assert borrow(fast, key, "99999999").body["message"] == (
        "Exceed the maximum number of borrows available."
    )
    assert repay(fast, key, "").body["message"] == "Bad Request [amount is empty]"
    assert borrow(fast, key, "x").body["message"] == "Invalid amount"


def test_repaying_without_debt_too_much_or_without_balance_is_refused(fast: Paper) -> None:
    key = fast.new_key(balances={"BTC_USDT": {"BTC": "1"}, "spot": {}})
    assert outcome(repay(fast, key, "1")) == (400, 51024)
    assert borrow(fast, key, "15").code == 1000
    assert outcome(repay(fast, key, "15.00034375")) == (400, 51006)

    assert outcome(repay(fast, key, "15.00034374")) == (400, 50020)


def test_a_repayment_to_the_last_digit_closes_the_debt(fast: Paper, key: PaperKey) -> None:
    borrow(fast, key, "15")

    assert repay(fast, key, "15.00034374").code == 1000

    [row] = get(fast, key, "account", symbol="BTC_USDT").data["symbols"]
    assert (row["quote"]["borrow_unpaid"], row["risk_rate"]) == ("0.00000000", "999.00")
    assert row["liquidate_price"] is None
    [repaid] = records(fast, key, "repay_record")
    assert (repaid["repaid_principal"], repaid["repaid_interest"]) == ("15.00000000", "0.00034374")


def test_a_partial_repayment_pays_interest_first_and_the_oldest_loan_first(
    fast: Paper, key: PaperKey
) -> None:
    borrow(fast, key, "10")
    borrow(fast, key, "20")

    assert repay(fast, key, "11").code == 1000

    [repaid] = records(fast, key, "repay_record")
    assert repaid["repaid_interest"] == "0.00068749"
    first, second = fast.books(key)["executed"]["loans"]
    assert first["outstanding"] in ("0", "0.00000000")
    assert second["outstanding"] == "19.00068749"


def test_the_platforms_pool_can_run_dry(fast: Paper, key: PaperKey) -> None:
    fast.switch(pools={"USDT": "100"})
    assert borrow(fast, key, "60").code == 1000

    assert outcome(borrow(fast, key, "40.00000001")) == (500, 59010)

    [row] = get(fast, key, "pairs", symbol="BTC_USDT").data["symbols"]
    assert row["quote"]["borrowable_amount"] == "40.00000000"
    assert borrow(fast, key, "40").code == 1000


def test_a_disabled_pair_can_still_be_read(fast: Paper, key: PaperKey) -> None:
    [row] = get(fast, key, "pairs", symbol="ENS_USDT").data["symbols"]

    assert row["symbol_enabled"] is False
    assert row["base"]["borrowable_amount"] == "0.00000000"


ACCOUNT_CODES = [
    *(51001, 51002, 51003, 51008, 50022, 50028, 59001, 59002, 59003, 59004, 59005, 59006, 59007),
    *range(53000, 53012),
]


@pytest.mark.parametrize("code", ACCOUNT_CODES)
def test_an_account_can_be_refused_by_its_standing(
    shared_paper: Paper,
    code: int,
) -> None:
    key = shared_paper.new_key()
    shared_paper.change_key(key, refusals={"BTC_USDT": code})

    answer = borrow(shared_paper, key, "1")

    assert outcome(answer) == (CODES[code].http_status, code)
    assert answer.body["message"] == CODES[code].message
    elsewhere = {"symbol": "ETH_USDT", "currency": "USDT", "amount": "1"}
    assert post(shared_paper, key, "borrow", **elsewhere).code == 1000


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_known_code_arrives_with_its_status_on_request(
    shared_paper: Paper,
    code: int,
) -> None:
    key = shared_paper.new_key()
    shared_paper.fault("code", kind="repay", code=code, access_key=key.access_key)

    answer = repay(shared_paper, key, "1")

    assert outcome(answer) == (CODES[code].http_status, code)
    assert shared_paper.books(key)["executed"]["repayments"] == []


def test_maintenance_answers_with_status_200(fast: Paper, key: PaperKey) -> None:
    fast.switch(maintenance=True)

    assert outcome(borrow(fast, key, "1")) == (200, 30016)
    assert outcome(get(fast, key, "pairs")) == (200, 30016)
    services = get(fast, key, "/system/service").data["service"]
    assert {service["status"] for service in services} == {1}


def test_transfers_move_between_spot_and_the_pair(fast: Paper) -> None:
    key = fast.new_key(balances={"spot": {"USDT": "100"}})
    move = {"symbol": "BTC_USDT", "currency": "USDT"}

    assert outcome(post(fast, key, "transfer", **move, amount="101", side="in")) == (400, 50020)
    assert outcome(post(fast, key, "transfer", **move, amount="1", side="up")) == (400, 50021)
    done = post(fast, key, "transfer", **move, amount="60", side="in")

    assert len(done.data["transfer_id"]) == 32
    [coin] = get(fast, key, "/spot/v1/wallet").data["wallet"]
    assert coin["available"] == "40.00000000"
    [row] = get(fast, key, "account", symbol="BTC_USDT").data["symbols"]
    assert row["quote"]["available"] == "60.00000000"


def test_collateral_of_a_debt_cannot_be_moved_away(fast: Paper) -> None:
    key = fast.new_key(balances={"BTC_USDT": {"USDT": "100"}})
    move = {"symbol": "BTC_USDT", "currency": "USDT", "side": "out"}
    assert borrow(fast, key, "300").code == 1000

    assert outcome(post(fast, key, "transfer", **move, amount="30")) == (400, 50020)
    assert post(fast, key, "transfer", **move, amount="20").code == 1000


def test_the_captured_borrowable_amounts_follow_from_equity_and_leverage(fast: Paper) -> None:
    key = fast.new_key(balances={"BTC_USDT": {"USDT": "33.78143759"}})
    fast.switch(prices={"BTC": "20182"})

    [row] = get(fast, key, "pairs", symbol="BTC_USDT").data["symbols"]

    assert row["quote"]["borrowable_amount"] == "135.12575036"
    assert row["base"]["borrowable_amount"] == "0.00669535"
