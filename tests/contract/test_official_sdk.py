"""BitMart's own Python SDK, unchanged but for the base URL, works with the paper exchange."""

from decimal import Decimal

import pytest
from bitmart.api_account import APIAccount
from bitmart.api_margin_loan import APIMarginLoan
from bitmart.api_spot import APISpot
from bitmart.api_system import APISystem
from bitmart.lib.cloud_exceptions import APIException

from tests.paper_fixture import Paper, PaperKey


@pytest.fixture
def key(shared_paper: Paper) -> PaperKey:
    return shared_paper.new_key(memo="мемо #1")


@pytest.fixture
def sdk(shared_paper: Paper, key: PaperKey) -> APIMarginLoan:
    return APIMarginLoan(key.access_key, key.secret, key.memo, url=shared_paper.base_url)


def test_it_borrows_repays_and_lists_both_kinds_of_records(sdk: APIMarginLoan) -> None:
    borrowed, used = sdk.margin_borrow_isolated("BTC_USDT", "USDT", "15")
    assert borrowed["code"] == 1000
    assert len(borrowed["data"]["borrow_id"]) == 32
    assert used == {"Remaining": "1", "Limit": "2", "Reset": "2", "Mode": "KEY"}

    repaid, _ = sdk.margin_repay_isolated("BTC_USDT", "USDT", "15.00034374")
    assert len(repaid["data"]["repay_id"]) == 32

    listed, used = sdk.borrow_record_isolated("BTC_USDT", n=100)
    [loan] = listed["data"]["records"]
    assert (loan["borrow_amount"], loan["interest_amount"]) == ("15.00000000", "0.00034374")
    assert used["Limit"] == "150"

    at = loan["create_time"]
    found, _ = sdk.borrow_record_isolated("BTC_USDT", loan["borrow_id"], at, at)
    assert found["data"]["records"] == [loan]

    listed, _ = sdk.repayment_record_isolated("BTC_USDT", currency="USDT", n=1)
    [repayment] = listed["data"]["records"]
    assert repayment["repaid_principal"] == "15.00000000"
    assert Decimal(repayment["repaid_amount"]) == Decimal("15.00034374")


def test_it_lists_pairs_one_some_and_all(sdk: APIMarginLoan) -> None:
    some, _ = sdk.trading_pair_borrowing_rate_and_amount("BTC_USDT, ETH_USDT")
    everything, _ = sdk.trading_pair_borrowing_rate_and_amount()

    assert [row["symbol"] for row in some["data"]["symbols"]] == ["BTC_USDT", "ETH_USDT"]
    assert len(everything["data"]["symbols"]) > 50


def test_a_float_amount_is_understood_as_the_sdk_writes_it(sdk: APIMarginLoan) -> None:
    sdk.margin_borrow_isolated("BTC_USDT", "USDT", 1e-08)

    [row] = sdk.borrow_record_isolated("BTC_USDT")[0]["data"]["records"]
    assert row["borrow_amount"] == "0.00000001"


def test_a_refusal_reaches_the_sdk_with_its_status(sdk: APIMarginLoan) -> None:
    with pytest.raises(APIException) as refused:
        sdk.margin_borrow_isolated("BTC_USDT", "USDT", "99999999")

    assert refused.value.status_code == 400
    assert "51004" in refused.value.response


def test_a_shared_headers_dict_that_keeps_an_old_signature_does_no_harm(
    shared_paper: Paper,
    key: PaperKey,
) -> None:
    credentials = (key.access_key, key.secret, key.memo)
    sdk = APIMarginLoan(*credentials, url=shared_paper.base_url, headers={"X-App": "test"})
    sdk.margin_borrow_isolated("BTC_USDT", "USDT", "1")

    listed, _ = sdk.borrow_record_isolated("BTC_USDT")

    assert len(listed["data"]["records"]) == 1


def test_the_rest_of_the_sdk_that_a_borrower_needs(
    shared_paper: Paper,
    key: PaperKey,
) -> None:
    credentials, url = (key.access_key, key.secret, key.memo), shared_paper.base_url
    spot, system = APISpot(*credentials, url=url), APISystem(url=url)
    account = APIAccount(*credentials, url=url)

    assert system.get_system_time()[0]["data"]["server_time"] > 1_700_000_000_000
    assert system.get_system_service()[0]["data"]["service"][0]["status"] == 2
    assert spot.get_v3_ticker("BTC_USDT")[0]["data"]["symbol"] == "BTC_USDT"
    assert len(spot.get_v3_tickers()[0]["data"][0]) == 13
    assert "BTC_USDT" in spot.get_symbols()[0]["data"]["symbols"]
    assert spot.get_symbol_detail()[0]["data"]["symbols"][0]["symbol"] == "BTC_USDT"
    assert spot.get_currencies()[0]["data"]["currencies"][0]["id"] == "BTC"
    assert spot.get_wallet()[0]["data"]["wallet"]
    assert spot.v4_query_open_orders()[0]["data"] == []
    assert account.get_wallet()[0]["data"]["wallet"]
    assert account.get_wallet("BTC", True)[0]["data"]["wallet"][0]["available_usd_valuation"]
    assert account.get_margin_account_details_isolated("BTC_USDT")[0]["data"]["symbols"]
    assert account.get_actual_trade_fee_rate("BTC_USDT")[0]["data"]["symbol"] == "BTC_USDT"
    assert account.get_basic_fee_rate()[0]["data"]["user_rate_type"] == 0
    moved, _ = account.margin_asset_transfer("BTC_USDT", "USDT", "1", "in")
    assert moved["data"]["transfer_id"]
