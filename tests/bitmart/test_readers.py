"""Whole answers, above all those that the live exchange is known to have given."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loans.bitmart import readers
from loans.bitmart.protocol import Malformed, parse_envelope
from loans.bitmart.responses import Heard, ServerTime
from loans.bitmart.rows import BadRow
from tests.bitmart.samples import HEARD, NOW, a_borrow_row, a_repay_row, envelope, fixture

LIVE = fixture("observed_live.json")


def read_records(*rows, read=readers.read_borrow_record, limit=100):
    return readers.read_listing({"records": list(rows)}, "records", read, heard=HEARD, limit=limit)


def test_the_captured_pair_is_read():
    pair = readers.read_pair(LIVE["pairs"])

    assert (pair.symbol, pair.max_leverage, pair.enabled) == ("BTC_USDT", 5, True)
    assert pair.base.min_borrow == Decimal("0.00000001")
    assert pair.quote.borrowable == Decimal("135.12575038")
    assert pair.quote.daily_rate == Decimal("0.00055")


def test_the_captured_margin_account_is_read():
    account = readers.read_margin_account(LIVE["account"])

    assert (account.risk_rate, account.risk_level) == (Decimal(999), "1")
    assert account.liquidate_price is None
    assert account.base.borrow_enabled
    assert account.quote.available == 20


def test_what_nobody_needs_of_a_row_may_be_left_out():
    account = dict(LIVE["account"])
    for name in ("liquidate_price", "buy_enabled", "sell_enabled"):
        del account[name]
    loan = a_borrow_row()
    del loan["interest_amount"]

    assert readers.read_margin_account(account).liquidate_price is None
    assert readers.read_borrow_record(loan).interest is None


def test_a_loan_without_its_principal_is_refused():
    loan = a_borrow_row()
    del loan["borrow_amount"]

    with pytest.raises(BadRow, match="borrow_amount is missing"):
        readers.read_borrow_record(loan)


def test_a_liquidation_price_may_be_negative_as_documented():
    row = {**LIVE["account"], "liquidate_price": "-0.09400000"}

    assert readers.read_margin_account(row).liquidate_price == Decimal("-0.094")


@pytest.mark.parametrize("captured", fixture("ccxt_fixtures.json")["response"])
def test_the_captured_record_listing_is_read(captured):
    body = envelope(captured["httpResponse"]["data"], code=captured["httpResponse"]["code"])
    data = parse_envelope(body, strict=False).data

    listing = readers.read_listing(data, "records", readers.read_borrow_record, heard=HEARD)

    (record,) = listing.rows
    assert record.record_id == "17314813190079LvqkGNtHZ0QSBPT"
    assert record.principal == Decimal("10.2")
    assert record.interest is None
    assert record.created_at == datetime(2024, 11, 13, 7, 1, 59, 634000, tzinfo=UTC)
    assert record.raw["create_time"] == "1731481319634"


@pytest.mark.parametrize(
    "captured", [row for seen in LIVE["borrow_records"] for row in seen["rows"]], ids=repr
)
def test_every_captured_loan_is_read(captured):
    """C10: the same loans read 15 one day and 0 another."""
    row = a_borrow_row(
        borrow_amount=captured["borrow_amount"],
        interest_amount=captured["interest"],
        create_time=captured["create_ms"],
    )

    (record,) = read_records(row).rows

    assert record.principal == Decimal(captured["borrow_amount"])
    assert record.created_at.timestamp() * 1000 == captured["create_ms"]


@pytest.mark.parametrize("record_id", LIVE["record_borrow_ids"])
def test_every_captured_borrow_id_is_read(record_id):
    assert read_records(a_borrow_row(borrow_id=record_id)).rows[0].record_id == record_id


@pytest.mark.parametrize("record_id", LIVE["record_repay_ids"])
def test_every_captured_repay_id_is_read(record_id):
    listing = read_records(a_repay_row(repay_id=record_id), read=readers.read_repay_record)

    assert listing.rows[0].record_id == record_id


def test_the_documented_repayment_is_read():
    (record,) = read_records(a_repay_row(), read=readers.read_repay_record).rows

    assert (record.amount, record.principal, record.interest) == (
        Decimal("1.1"), Decimal(1), Decimal("0.1")
    )  # fmt: skip
    assert record.repaid_at == datetime(2022, 6, 16, 2, 16, 48, tzinfo=UTC)
    assert record.raw == a_repay_row()


def test_a_principal_of_null_reads_zero_and_the_raw_row_keeps_the_null():
    (record,) = read_records(a_borrow_row(borrow_amount=None)).rows

    assert record.principal == 0
    assert record.raw["borrow_amount"] is None


def test_unknown_fields_are_kept_and_do_no_harm():
    (record,) = read_records(a_borrow_row(novelty={"x": 1})).rows

    assert record.raw["novelty"] == {"x": 1}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(a_borrow_row(borrow_amount="NaN"), "borrow_amount"),
     (a_borrow_row(create_time="x"), "create_time"), (None, "not an object"),
     ([], "not an object"), ({}, "borrow_id is missing"),
     (a_borrow_row(currency="<script>"), "currency"),
     (a_borrow_row(interest_amount="-1"), "negative")],
)  # fmt: skip
def test_one_bad_row_is_refused_with_a_reason_and_the_others_survive(bad, reason):
    listing = read_records(a_borrow_row(borrow_id="1"), bad, a_borrow_row(borrow_id="2"))

    assert [record.record_id for record in listing.rows] == ["1", "2"]
    assert reason in listing.refused[0].reason
    assert listing.received == 3


def test_a_listing_is_short_by_what_was_received_not_by_what_was_usable():
    full = read_records(a_borrow_row(), None, limit=2)
    short = read_records(a_borrow_row(), limit=2)
    unbounded = read_records(a_borrow_row(), limit=None)

    assert (full.is_short, short.is_short, unbounded.is_short) == (False, True, False)


@pytest.mark.parametrize(
    ("received", "short"),
    [(0, True), (49, True), (50, False), (51, True), (99, True), (100, False)],
)
def test_a_page_of_the_usual_size_is_not_short_for_the_size_may_not_have_been_heard(
    received, short
):
    assert read_records(*[a_borrow_row()] * received).is_short is short


def test_a_listing_carries_the_clock_of_its_own_answer():
    assert read_records().exchange_at == NOW


@pytest.mark.parametrize("data", [None, {}, [], {"records": None}, {"records": {}}, "x", 5])
def test_an_answer_without_a_list_is_no_empty_listing(data):
    with pytest.raises(Malformed):
        readers.read_listing(data, "records", readers.read_borrow_record, heard=HEARD)


def test_a_ticker_is_an_array_in_the_documented_order():
    row = ["BTC_USDT", "30000.00", *["1"] * 10, "1717056289846"]

    ticker = readers.read_ticker(row)

    assert (ticker.symbol, ticker.last) == ("BTC_USDT", Decimal(30000))
    assert ticker.at == datetime(2024, 5, 30, 8, 4, 49, 846000, tzinfo=UTC)


@pytest.mark.parametrize("status", [2, "2"])
def test_a_maintenance_status_is_a_number_or_its_text(status):
    service = readers.read_service(
        {"title": "Spot\x00 upgrade", "service_type": "spot", "status": status,
         "start_time": 1527777538000, "end_time": 1527777538000}
    )  # fmt: skip

    assert service.is_over
    assert service.title == "Spot upgrade"


def test_the_clock_offset_is_known_to_half_the_round_trip():
    heard = Heard(
        asked_at=NOW,
        answered_at=NOW + timedelta(milliseconds=400),
        round_trip=timedelta(milliseconds=400),
        exchange_at=None,
    )

    clock = ServerTime(NOW + timedelta(seconds=3), heard)

    assert clock.offset == timedelta(seconds=3, milliseconds=-200)
    assert clock.uncertainty == timedelta(milliseconds=200)


def test_a_clock_that_cannot_be_read_is_malformed():
    with pytest.raises(Malformed):
        readers.read_server_time({"server_time": "soon"}, heard=HEARD)
