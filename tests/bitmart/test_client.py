"""The reads over real sockets: what is asked, and what is understood."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loans.bitmart.client import Client
from loans.bitmart.errors import Refused
from loans.bitmart.protocol import sign
from tests.bitmart.asking import NO_LOANS, asked, asking
from tests.bitmart.samples import (
    ACCESS_KEY,
    CANARIES,
    MEMO,
    NOW,
    SECRET,
    a_borrow_row,
    a_repay_row,
    envelope,
    fixture,
)
from tests.bitmart.scripted import ScriptedServer, answering, http_answer

LIVE = fixture("observed_live.json")
DATE = {"Date": "Sun, 22 Nov 2026 08:00:00 GMT"}


def test_pairs_are_asked_by_key_alone_and_read():
    with asking(answering(envelope({"symbols": [LIVE["pairs"]]}), headers=DATE)) as (
        client,
        server,
    ):
        listing = client.pairs(["BTC_USDT", "ETH_USDT"])
        method, path, query, headers = asked(server)

    assert (method, path) == ("GET", "/spot/v1/margin/isolated/pairs")
    assert query == {"symbol": "BTC_USDT,ETH_USDT"}
    assert headers["x-bm-key"] == ACCESS_KEY
    assert headers["user-agent"].startswith("marginsite/")
    assert headers["accept-encoding"] == "identity"
    assert not {"x-bm-sign", "x-bm-timestamp", "cookie"} & set(headers)
    assert [pair.symbol for pair in listing.rows] == ["BTC_USDT"]
    assert listing.exchange_at == NOW


def test_all_pairs_are_asked_without_a_query():
    with asking(answering(envelope({"symbols": []}))) as (client, server):
        assert client.pairs().rows == ()
        assert asked(server)[2] == {}


def test_borrow_records_are_asked_in_milliseconds():
    with asking(answering(envelope({"records": [a_borrow_row()]}))) as (client, server):
        listing = client.borrow_records(
            "ETH_USDT", start=NOW, end=NOW + timedelta(seconds=1, microseconds=1999)
        )
        _, path, query, _ = asked(server)

    assert path == "/spot/v1/margin/isolated/borrow_record"
    assert query == {
        "symbol": "ETH_USDT",
        "N": "100",
        "start_time": "1795334400000",
        "end_time": "1795334401001",
    }
    assert listing.is_short
    assert listing.rows[0].principal == Decimal("10.2")


def test_one_repayment_can_be_asked_for_by_id_and_currency():
    with asking(answering(envelope({"records": [a_repay_row()]}))) as (client, server):
        client.repay_records("BTC_USDT", record_id="118723", currency="BTC", size=1)
        _, path, query, _ = asked(server)

    assert path == "/spot/v1/margin/isolated/repay_record"
    assert query == {"symbol": "BTC_USDT", "repay_id": "118723", "currency": "BTC", "N": "1"}


def test_margin_accounts_are_read():
    with asking(answering(envelope({"symbols": [LIVE["account"]]}))) as (client, server):
        (account,) = client.margin_accounts("BTC_USDT").rows
        assert asked(server)[1:3] == ("/spot/v1/margin/isolated/account", {"symbol": "BTC_USDT"})

    assert account.quote.total_asset == 20


@pytest.mark.parametrize(
    ("ask", "path", "data"),
    [(Client.tickers, "/spot/quotation/v3/tickers", [["BTC_USDT", *["1"] * 11, "1717056289846"]]),
     (Client.server_time, "/system/time", {"server_time": 1717056289846}),
     (Client.services, "/system/service", {"service": []})],
)  # fmt: skip
def test_public_endpoints_are_asked_without_the_key(ask, path, data):
    with asking(answering(envelope(data, message="success"))) as (client, server):
        ask(client)
        _, asked_path, _, headers = asked(server)

    assert asked_path == path
    assert not [name for name in headers if name.startswith("x-bm")]


def test_the_clock_is_read_with_its_offset():
    ahead = int((datetime.now(UTC) + timedelta(seconds=30)).timestamp() * 1000)
    with asking(answering(envelope({"server_time": ahead}))) as (client, _):
        clock = client.server_time()

    assert abs(clock.offset - timedelta(seconds=30)) < timedelta(seconds=5)
    assert timedelta() < clock.uncertainty < timedelta(seconds=5)


def test_the_harmless_check_signs_what_it_sends_in_the_exchanges_time():
    with asking(answering(envelope([]))) as (client, server):
        client.check_signature(clock_offset=timedelta(hours=1))
        method, path, _, headers = asked(server)
        body = server.requests[0].partition(b"\r\n\r\n")[2]

    assert (method, path) == ("POST", "/spot/v4/query/open-orders")
    timestamp_ms = int(headers["x-bm-timestamp"])
    signature = sign(timestamp_ms=timestamp_ms, memo=MEMO, body=body, secret=SECRET)
    assert headers["x-bm-sign"] == signature
    assert 0 < json.loads(body)["recvWindow"] < 60_000
    ahead = datetime.fromtimestamp(timestamp_ms / 1000, UTC) - datetime.now(UTC)
    assert abs(ahead - timedelta(hours=1)) < timedelta(seconds=10)


def test_a_keyed_call_without_credentials_asks_nothing():
    with ScriptedServer(answering(NO_LOANS)) as server:
        with pytest.raises(ValueError, match="credentials"):
            Client(server.url).pairs()

        assert not server.connections


def test_a_proxy_named_in_the_environment_is_not_asked(monkeypatch):
    with ScriptedServer(answering(NO_LOANS)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with asking(answering(NO_LOANS)) as (client, _):
            client.borrow_records("BTC_USDT")

        assert not proxy.connections


def test_one_connection_serves_several_calls_and_cookies_are_not_kept():
    def script(connection) -> None:
        while connection.read_request() is not None and connection.received:
            seen.append(connection.received)  # before the client can go on
            connection.received = b""
            connection.write(http_answer(NO_LOANS, headers={"Connection": "", "Set-Cookie": "a=b"}))

    seen = []
    with asking(script) as (client, server):
        for _ in range(3):
            client.borrow_records("BTC_USDT")

        assert len(server.connections) == 1
    assert len(seen) == 3
    assert not any(b"Cookie" in request for request in seen)


def test_a_limiter_hears_group_priority_status_and_headers():
    heard = []

    class Listening:
        @contextmanager
        def permit(self, group: str, priority: int):
            heard.append((group, priority))
            yield self

        def observe(self, http_status, headers) -> None:
            heard.append((http_status, headers["x-bm-ratelimit-remaining"]))

    script = answering(NO_LOANS, status=200, headers={"X-BM-RateLimit-Remaining": "3"})
    with asking(script, limiter=Listening(), priority=1) as (client, _):
        client.borrow_records("BTC_USDT")

    assert heard == [("records", 1), (200, "3")]


def test_no_error_shows_what_the_exchange_echoes_of_the_key():
    body = envelope({}, code=30002, message=" ".join(CANARIES))
    with asking(answering(body, status=401)) as (client, _), pytest.raises(Refused) as caught:
        client.pairs()

    told = f"{caught.value!r} {caught.value.detail} {vars(caught.value)} {client!r} {vars(client)}"
    assert not [canary for canary in CANARIES if canary in told]


@pytest.mark.parametrize("url", ["http://example.org", "https://u:p@example.org", "ftp://x"])
def test_a_client_is_not_made_for_an_address_that_is_not_allowed(url):
    with pytest.raises(ValueError, match=r"address|plain http"):
        Client(url)
