"""The controls: for this machine only, for no web page, and picky about what they are told."""

import json
from typing import Any

import pytest

from loans.paper.catalogue import PAIRS
from loans.paper.controls import answer
from loans.paper.messages import Request
from loans.paper.switches import CHOICES, FIGURES, NUMBERS
from tests.paper.calls import borrow, get, records, send
from tests.paper_fixture import Paper


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8001"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1"},
        {"Host": "0.0.0.0"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8001"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=10.0.0.1"},
    ],
)
def test_a_web_page_or_a_proxy_is_refused(shared_paper: Paper, headers: dict[str, str]) -> None:
    for method, name in (("POST", "keys"), ("GET", "books"), ("POST", "clock")):
        refused = send(shared_paper, method, f"/paper/{name}", headers=headers, body=b"{}")
        assert refused.status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8001", "127.0.0.1:1", "[::1]:8001"])
def test_loopback_names_are_welcome(shared_paper: Paper, host: str) -> None:
    assert send(shared_paper, "GET", "/paper/clock", headers={"Host": host}).status == 200


@pytest.mark.parametrize("client", ["10.0.0.7", "192.168.1.2", "2001:db8::1", "nonsense"])
def test_another_machine_is_refused_whatever_host_it_names(
    shared_paper: Paper,
    client: str,
) -> None:
    request = Request("GET", "/paper/books", "", {"host": "localhost"}, b"", client)

    assert answer(shared_paper.server.exchange, request).status == 403


def test_an_unknown_control_is_not_found(shared_paper: Paper) -> None:
    assert send(shared_paper, "GET", "/paper/keys").status == 404
    assert send(shared_paper, "POST", "/paper/everything").status == 404


def test_a_new_key_is_funded_on_every_open_pair_and_has_no_past(shared_paper: Paper) -> None:
    raw = send(shared_paper, "POST", "/paper/keys")
    assert set(raw.body) == {"access_key", "secret", "memo"}
    key = shared_paper.new_key()

    rows = get(shared_paper, key, "pairs").data["symbols"]

    for row in rows:
        for side in ("base", "quote"):
            is_free = float(row[side]["borrowable_amount"]) > 0
            assert is_free == PAIRS[row["symbol"]].enabled
    assert records(shared_paper, key, "borrow_record") == []


def test_balances_can_be_given(shared_paper: Paper) -> None:
    key = shared_paper.new_key(balances={"BTC_USDT": {"USDT": "1000"}})

    rows = {row["symbol"]: row for row in get(shared_paper, key, "account").data["symbols"]}

    assert rows["BTC_USDT"]["quote"]["available"] == "1000.00000000"
    assert rows["ETH_USDT"]["quote"]["available"] == "0.00000000"


def test_history_has_loans_repayments_and_open_debt(shared_paper: Paper) -> None:
    key = shared_paper.new_key(history=True, seed=3)

    truth = shared_paper.books(key)["executed"]

    assert len(truth["loans"]) > 200
    assert len(truth["repayments"]) > 150
    rows = get(shared_paper, key, "account").data["symbols"]
    owing = [row for row in rows if row["risk_rate"] != "999.00"]
    assert len(owing) >= 3
    assert all(float(row["risk_rate"]) > float(row["liquidate_rate"]) for row in owing)


@pytest.mark.parametrize(
    "wrong",
    [
        b"[]",
        b"{",
        b'{"colour": "red"}',
        b'{"permissions": "margin"}',
        b'{"permissions": ["withdraw"]}',
        b'{"balances": {"NO_PAIR": {"USDT": "1"}}}',
        b'{"balances": {"BTC_USDT": {"ETH": "1"}}}',
        b'{"balances": {"BTC_USDT": {"USDT": "-1"}}}',
        b'{"balances": {"BTC_USDT": {"USDT": "0.000000001"}}}',
        b'{"balances": {"BTC_USDT": {"USDT": "1e40"}}}',
        b'{"balances": []}',
        b'{"history": 1}',
        b'{"memo": 7}',
        b'{"ips": ["everywhere"]}',
        b'{"refusals": {"BTC_USDT": 12}}',
        b'{"access_key": "nobody", "frozen": true}',
        b'{"same_account_as": "nobody"}',
    ],
)
def test_a_key_that_makes_no_sense_is_refused(shared_paper: Paper, wrong: bytes) -> None:
    refused = send(shared_paper, "POST", "/paper/keys", body=wrong)

    assert refused.status == 400
    assert refused.body["error"]


def test_every_switch_is_listed_and_takes_each_of_its_values(paper: Paper) -> None:
    assert set(paper.control("GET", "switches")) == {*CHOICES, *NUMBERS, *FIGURES}
    for name, allowed in CHOICES.items():
        for value in allowed:
            assert paper.switch(**{name: value})[name] == value
    assert paper.switch(ids=None)["ids"] == "different"
    restored = paper.control("DELETE", "switches")
    assert {name: restored[name] for name in CHOICES} == {
        name: allowed[0] for name, allowed in CHOICES.items()
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"ids": "sometimes"},
        {"maintenance": 1},
        {"ban_after": 0},
        {"expiry_seconds": "60"},
        {"pools": {"NOCOIN": "1"}},
        {"prices": {"BTC": "0"}},
        {"prices": {"BTC": "NaN"}},
        {"rates": {"BTC_USDT": "0.1"}},
        {"rates": {"NO_PAIR": {}}},
    ],
)
def test_a_switch_that_makes_no_sense_changes_nothing(paper: Paper, wrong: dict[str, Any]) -> None:
    before = paper.control("GET", "switches")

    with pytest.raises(ValueError, match="error"):
        paper.switch(**wrong)

    assert paper.control("GET", "switches") == before


def test_the_remaining_switches_show_on_the_wire(paper: Paper) -> None:
    paper.switch(limits="off", service_status="string", error_data="null", trace="na")
    key = paper.new_key()
    read_only = paper.new_key(permissions=["read"])

    refused = borrow(paper, key, "99999999")
    assert (refused.data, refused.body["trace"]) == (None, "N/A")
    assert get(paper, key, "/system/service").data["service"][0]["status"] == "2"
    paper.switch(trace="uuid", missing_permission=30011, status_59001=500)
    assert borrow(paper, key, "99999999").body["trace"].count("-") == 4
    assert borrow(paper, read_only, "1").code == 30011
    paper.change_key(key, refusals={"*": 59001})
    assert borrow(paper, key, "1").status == 500


def test_a_keyed_signature_can_be_made_to_count(paper: Paper) -> None:
    key = paper.new_key()
    headers = {"X-BM-KEY": key.access_key, "X-BM-SIGN": "0" * 64, "X-BM-TIMESTAMP": "1"}
    path = "/spot/v1/margin/isolated/account"
    assert send(paper, "GET", path, headers=headers).code == 1000

    for reading in ("empty", "query"):
        paper.switch(keyed_signature=reading)
        assert send(paper, "GET", path, headers=headers).code == 30007
        assert get(paper, key, "account").code == 1000


def test_the_clock_can_be_shifted_stopped_and_pushed_on(paper: Paper) -> None:
    start = paper.clock()
    assert paper.clock(advance_seconds=3600) - start >= 3_600_000
    assert abs(paper.clock(offset_seconds=0) - start) < 60_000

    stopped = paper.clock(freeze=True)
    assert paper.clock() == stopped
    assert paper.clock(advance_seconds=0.5) == stopped + 500
    assert paper.clock(freeze=1_700_000_000_000) == 1_700_000_000_000
    assert send(paper, "GET", "/system/time").data == {"server_time": 1_700_000_000_000}
    assert paper.clock(freeze=False) >= start


@pytest.mark.parametrize("wrong", [{"hour": 1}, {"advance_seconds": "1"}, {"freeze": "yes"}])
def test_a_clock_order_that_makes_no_sense_is_refused(paper: Paper, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="error"):
        paper.clock(**wrong)


def test_no_secret_is_shown_again(paper: Paper) -> None:
    key = paper.new_key()
    paper.fault("drop", access_key=key.access_key)
    borrow(paper, paper.new_key(), "1")

    shown = json.dumps([paper.books(), paper.control("GET", "faults")])

    assert key.secret not in shown
    assert key.access_key not in shown
