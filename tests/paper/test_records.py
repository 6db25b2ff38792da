"""Listing records: filters, bounds, number and order, and the readings that a switch chooses."""

import time
from typing import Any

import pytest

from tests.paper.calls import borrow, get, records, repay
from tests.paper_fixture import Paper, PaperKey


@pytest.fixture
def fast(paper: Paper) -> Paper:
    paper.switch(limits="off", expiry_seconds=86_400)
    return paper


@pytest.fixture
def key(fast: Paper) -> PaperKey:
    """Three loans, a minute apart; the last is repaid."""
    key = fast.new_key()
    for amount in ("10", "20", "30"):
        assert borrow(fast, key, amount).code == 1000
        fast.clock(advance_seconds=60)
    return key


def amounts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["borrow_amount"].removesuffix(".00000000") for row in rows]


def test_the_newest_record_comes_first_with_milliseconds_and_eight_places(
    fast: Paper, key: PaperKey
) -> None:
    rows = records(fast, key, "borrow_record")

    assert amounts(rows) == ["30", "20", "10"]
    assert rows[0]["borrow_amount"] == "30.00000000"
    assert abs(rows[-1]["create_time"] - time.time_ns() // 1_000_000) < 60_000
    assert set(rows[0]) == {
        *("borrow_id", "symbol", "currency", "borrow_amount", "daily_interest"),
        *("hourly_interest", "interest_amount", "create_time"),
    }


def test_another_pair_and_another_account_list_nothing(fast: Paper, key: PaperKey) -> None:
    assert records(fast, key, "borrow_record", symbol="ETH_USDT") == []
    assert records(fast, fast.new_key(), "borrow_record") == []


def test_two_keys_of_one_account_list_the_same(fast: Paper, key: PaperKey) -> None:
    sibling = fast.new_key(same_account_as=key.access_key)

    assert records(fast, sibling, "borrow_record") == records(fast, key, "borrow_record")


def test_a_record_is_found_by_its_own_id_but_not_by_that_of_the_answer(
    fast: Paper, key: PaperKey
) -> None:
    answer_id = borrow(fast, key, "40").data["borrow_id"]
    record_id = records(fast, key, "borrow_record")[0]["borrow_id"]

    assert answer_id != record_id
    assert amounts(records(fast, key, "borrow_record", borrow_id=record_id)) == ["40"]
    assert records(fast, key, "borrow_record", borrow_id=answer_id) == []


def test_ids_may_be_the_same_instead(fast: Paper, key: PaperKey) -> None:
    fast.switch(ids="same")

    answer_id = borrow(fast, key, "40").data["borrow_id"]
    repay_id = repay(fast, key, "1").data["repay_id"]

    assert amounts(records(fast, key, "borrow_record", borrow_id=answer_id)) == ["40"]
    assert len(records(fast, key, "repay_record", repay_id=repay_id)) == 1


@pytest.mark.parametrize(("bounds", "expected"), [("inclusive", ["20"]), ("exclusive", [])])
def test_bounds_include_their_own_millisecond_unless_switched(
    fast: Paper, key: PaperKey, bounds: str, expected: list[str]
) -> None:
    fast.switch(bounds=bounds)
    at = records(fast, key, "borrow_record")[1]["create_time"]

    rows = records(fast, key, "borrow_record", start_time=at, end_time=at)

    assert amounts(rows) == expected
    assert amounts(records(fast, key, "borrow_record", start_time=at - 1, end_time=at + 1)) == [
        "20"
    ]


def test_bounds_in_seconds_find_nothing_where_milliseconds_are_meant(
    fast: Paper, key: PaperKey
) -> None:
    now_seconds = fast.clock() // 1000

    assert records(fast, key, "borrow_record", end_time=now_seconds) == []
    fast.switch(query_unit="seconds")
    assert len(records(fast, key, "borrow_record", end_time=now_seconds)) == 3


def test_windows_that_begin_before_what_is_served_are_refused(fast: Paper, key: PaperKey) -> None:
    fast.switch(served_seconds=100)
    now_ms = fast.clock()

    early = get(fast, key, "borrow_record", symbol="BTC_USDT", start_time=now_ms - 101_000)

    assert (early.status, early.code) == (400, 50041)
    assert amounts(records(fast, key, "borrow_record", start_time=now_ms - 90_000)) == ["30"]
    assert len(records(fast, key, "borrow_record", end_time=now_ms)) == 3


def test_the_number_of_rows_is_bounded(fast: Paper) -> None:
    key = fast.new_key(history=True)
    usual = records(fast, key, "borrow_record", symbol="ETH_USDT")
    most = records(fast, key, "borrow_record", symbol="ETH_USDT", N=100)

    assert (len(usual), len(most)) == (50, 100)
    assert most[:50] == usual
    for wrong in (0, 101, -1, "x"):
        answer = get(fast, key, "borrow_record", symbol="ETH_USDT", N=wrong)
        assert (answer.status, answer.code) == (400, 50021)
    fast.switch(out_of_range_n="clamp")
    assert len(records(fast, key, "borrow_record", symbol="ETH_USDT", N=1000)) == 100


def test_walking_back_by_end_time_reaches_every_record(fast: Paper) -> None:
    key = fast.new_key(history=True)
    found: dict[str, int] = {}
    end = fast.clock()
    while rows := records(fast, key, "borrow_record", symbol="ETH_USDT", N=40, end_time=end):
        found |= {row["borrow_id"]: row["create_time"] for row in rows}
        end = rows[-1]["create_time"] - 1

    loans = fast.books(key)["executed"]["loans"]
    assert set(found) == {row["record_id"] for row in loans if row["symbol"] == "ETH_USDT"}
    assert len(found) > 100


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (400, 50000)),
        ({"symbol": ""}, (400, 50000)),
        ({"symbol": "NO_PAIR"}, (400, 50001)),
        ({"symbol": "BTC_USDT", "start_time": "soon"}, (400, 50021)),
        ({"symbol": "BTC_USDT", "start_time": 2, "end_time": 1}, (400, 52004)),
    ],
)
def test_nonsense_is_refused(
    fast: Paper, key: PaperKey, fields: dict[str, Any], expected: tuple[int, int]
) -> None:
    answer = get(fast, key, "repay_record", **fields)

    assert (answer.status, answer.code) == expected


def test_unknown_and_miscased_parameters_are_ignored(fast: Paper, key: PaperKey) -> None:
    rows = records(fast, key, "borrow_record", n=1, currency="BTC", recvWindow=5000, Borrow_id="x")

    assert len(rows) == 3


def test_repayments_can_be_listed_by_currency(fast: Paper, key: PaperKey) -> None:
    repay(fast, key, "5")

    assert len(records(fast, key, "repay_record", currency="USDT")) == 1
    assert records(fast, key, "repay_record", currency="BTC") == []


def test_symbols_of_pairs_are_split_after_decoding_and_trimmed(fast: Paper, key: PaperKey) -> None:
    answer = get(fast, key, "pairs", symbol="BTC_USDT, ETH_USDT,")

    assert [row["symbol"] for row in answer.data["symbols"]] == ["BTC_USDT", "ETH_USDT"]
    assert get(fast, key, "pairs", symbol="BTC_USDT,NO_PAIR").code == 50001


def test_the_order_of_records_can_be_another(fast: Paper, key: PaperKey) -> None:
    fast.switch(record_order="oldest")
    assert amounts(records(fast, key, "borrow_record", N=2)) == ["10", "20"]

    fast.switch(record_order="shuffled")
    assert sorted(amounts(records(fast, key, "borrow_record"))) == ["10", "20", "30"]


def test_times_may_be_seconds_and_amounts_trimmed(fast: Paper, key: PaperKey) -> None:
    repay(fast, key, "5")
    fast.switch(record_time="seconds", amounts="trimmed")

    [row, *_] = records(fast, key, "borrow_record")
    [repaid] = records(fast, key, "repay_record")

    assert row["borrow_amount"] == "30"
    assert row["daily_interest"] == "0.00055"
    assert abs(row["create_time"] - time.time_ns() // 1_000_000_000) < 600
    assert abs(repaid["repay_time"] - time.time_ns() // 1_000_000_000) < 600


def test_repaid_loans_may_read_zero(fast: Paper) -> None:
    key = fast.new_key()
    borrow(fast, key, "15")
    repay(fast, key, "15.00034374")
    [kept] = records(fast, key, "borrow_record")

    fast.switch(repaid_records="zero")
    [emptied] = records(fast, key, "borrow_record")

    assert (kept["borrow_amount"], kept["interest_amount"]) == ("15.00000000", "0.00034374")
    assert (emptied["borrow_amount"], emptied["interest_amount"]) == ("0.00000000", "0.00000000")


def test_interest_may_be_null_until_it_is_booked(fast: Paper) -> None:
    fast.switch(interest_null_seconds=240)
    key = fast.new_key()
    borrow(fast, key, "15")
    [fresh] = records(fast, key, "borrow_record")

    fast.clock(advance_seconds=240)
    [booked] = records(fast, key, "borrow_record")

    assert fresh["interest_amount"] is None
    assert booked["interest_amount"] == "0.00034374"


def test_interest_may_stay_null(fast: Paper, key: PaperKey) -> None:
    fast.switch(interest_amount="null")

    assert {row["interest_amount"] for row in records(fast, key, "borrow_record")} == {None}


def test_interest_grows_by_the_hour(fast: Paper) -> None:
    key = fast.new_key()
    borrow(fast, key, "100")
    fast.clock(advance_seconds=3540)
    [before] = records(fast, key, "borrow_record")
    fast.clock(advance_seconds=60)
    [after] = records(fast, key, "borrow_record")

    assert before["interest_amount"] == "0.00229166"
    assert after["interest_amount"] == "0.00458332"


def test_the_hourly_rate_is_shown_cut_or_rounded(fast: Paper, key: PaperKey) -> None:
    shown = {}
    for way in ("floor", "up", "half_up"):
        fast.switch(hourly_display=way, rates={"BTC_USDT": {"USDT": "0.001", "BTC": "0.05"}})
        [row] = get(fast, key, "pairs", symbol="BTC_USDT").data["symbols"]
        shown[way] = (row["quote"]["hourly_interest"], row["base"]["hourly_interest"])

    assert shown == {
        "floor": ("0.00004166", "0.00208333"),
        "up": ("0.00004167", "0.00208334"),
        "half_up": ("0.00004167", "0.00208333"),
    }


def test_a_list_without_bounds_may_leave_out_what_is_older(fast: Paper, key: PaperKey) -> None:
    fast.switch(limits="off", default_span_days=2)
    fast.clock(advance_seconds=3 * 86_400)

    assert records(fast, key, "borrow_record") == []
    assert amounts(records(fast, key, "borrow_record", start_time=1)) == ["30", "20", "10"]


def test_a_repayment_settles_the_first_hour_before_it_is_booked(fast: Paper) -> None:
    fast.switch(interest_null_seconds=240)
    key = fast.new_key()
    borrow(fast, key, "15")
    repay(fast, key, "15")

    [repaid] = records(fast, key, "repay_record")

    assert (repaid["repaid_interest"], repaid["repaid_principal"]) == ("0.00034374", "14.99965626")
