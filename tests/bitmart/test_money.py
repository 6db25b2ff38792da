"""The two money calls over real sockets: what is sent, what is refused, what is confirmed."""

import hashlib
import json
import socket
import time
from contextlib import AbstractContextManager
from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from loans.bitmart.errors import NotSent, OutcomeUnknown, RateLimited, Rejected
from loans.bitmart.money import MoneyAnswer, sign_order
from loans.bitmart.protocol import sign
from tests.bitmart.samples import ACCESS_KEY, MEMO, SECRET, an_order, credentials, envelope
from tests.bitmart.scripted import ScriptedServer, answering
from tests.bitmart.sending import CONFIRMED, SHORT, outcome, outcome_of, then


def test_the_bytes_that_arrive_are_the_bytes_that_were_signed():
    order = an_order(amount="0.00000001")
    with ScriptedServer(answering(CONFIRMED)) as server:
        answer = outcome(server.url, order)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")

    assert answer == MoneyAnswer("113896", 200, "9c86bb5a.74.173")
    assert body == order.body
    assert hashlib.sha256(body).hexdigest() == order.body_sha256
    signature = sign(timestamp_ms=1795325747951, memo=MEMO, body=body, secret=SECRET)
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /spot/v1/margin/isolated/borrow HTTP/1.1"
    assert f"X-BM-KEY: {ACCESS_KEY}" in lines
    assert f"X-BM-SIGN: {signature}" in lines
    assert "X-BM-TIMESTAMP: 1795325747951" in lines
    assert "Accept-Encoding: identity" in lines
    assert any(line.startswith("User-Agent: marginsite/") for line in lines)


def test_a_repay_goes_to_its_own_address_and_reads_its_own_id():
    with ScriptedServer(answering(envelope({"repay_id": 123165}))) as server:
        answer = outcome(server.url, an_order(kind="repay"))

        assert server.requests[0].startswith(b"POST /spot/v1/margin/isolated/repay ")
    assert answer.answer_id == "123165"


@pytest.mark.parametrize(
    ("amount", "written"),
    [("20", "20.00000000"), ("1e-8", "0.00000001"), ("1E+3", "1000.00000000"),
     ("15.00034374", "15.00034374"), ("99999999999999999999.99999999",) * 2],
)  # fmt: skip
def test_an_amount_is_written_as_plain_digits(amount, written):
    assert json.loads(an_order(amount=amount).body)["amount"] == written


@pytest.mark.parametrize(
    "change",
    [{"amount": Decimal(0)}, {"amount": Decimal(-1)}, {"amount": Decimal("1e20")},
     {"amount": Decimal("Infinity")}, {"amount": Decimal("0.000000001")},
     {"amount": Decimal("NaN")},
     {"symbol": "BTCUSDT"}, {"symbol": ""}, {"currency": "US DT"}, {"kind": "transfer"}],
)  # fmt: skip
def test_what_must_never_be_sent_is_not_even_signed(change):
    fields = {
        "kind": "borrow",
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "amount": Decimal(1),
        "signed_at_ms": 1,
        "credentials": credentials(),
    }
    with pytest.raises(ValueError, match=r".+"):
        sign_order(**{**fields, **change})


def test_a_signed_order_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        an_order().amount = Decimal(1)
    with pytest.raises(TypeError):
        an_order().headers["X-BM-KEY"] = "other"


# ---- not sent: only what the connect step itself raised


def test_a_refused_connection_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    result = outcome(f"http://127.0.0.1:{port}")

    assert isinstance(result, NotSent)
    assert result.detail == "the connection was refused"


def test_a_name_that_does_not_exist_is_not_sent():
    assert isinstance(outcome("https://exchange.invalid"), NotSent)


def test_a_connection_that_is_never_accepted_is_not_sent_in_time():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        started = time.monotonic()

        result = outcome(f"http://127.0.0.1:{port}", seconds=SHORT)

        for filler in fillers:
            filler.close()
    assert isinstance(result, NotSent)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "script",
    [lambda c: c.write(b"this is not TLS\r\n" * 10), lambda c: c.reset(), lambda c: time.sleep(1)],
    ids=["not TLS", "reset", "silent"],
)
def test_a_failed_tls_handshake_is_not_sent(script):
    with ScriptedServer(script) as server:
        result = outcome(f"https://127.0.0.1:{server.port}")

        assert isinstance(result, NotSent)
        assert not any(b"X-BM" in received for received in server.requests)


@pytest.mark.parametrize("url", ["http://example.org", "https://user:word@host", "nonsense"])
def test_an_address_that_is_not_allowed_is_not_sent(url):
    assert isinstance(outcome(url), NotSent)


def test_a_limiter_that_gives_no_leave_means_not_sent():
    class Closed:
        def permit(self, group: str, priority: int) -> AbstractContextManager:
            raise RateLimited("closed", retry_after_seconds=2)

    with ScriptedServer(answering(CONFIRMED)) as server:
        result = outcome(server.url, limiter=Closed())

        assert isinstance(result, NotSent)
        assert not server.connections


def test_a_reset_on_accept_is_not_sent_only_if_connecting_itself_met_it():
    with ScriptedServer(lambda c: c.reset()) as server:
        results = [outcome(server.url) for _ in range(100)]

        assert len(server.connections) <= 100
    assert {type(result) for result in results} <= {NotSent, OutcomeUnknown}


# ---- rejected, confirmed


@pytest.mark.parametrize(
    ("code", "status"),
    [(51003, 400), (51004, 400), (51006, 400), (30005, 401), (30007, 401), (30012, 403),
     (30013, 429), (30018, 503), (53010, 403), (58001, 415)],
)  # fmt: skip
def test_a_refusal_with_its_own_status_is_rejected(code, status):
    body = envelope({}, code=code, message="no")
    result = outcome_of(answering(body, status=status, headers={"Retry-After": "0"}))

    assert isinstance(result, Rejected)
    assert (result.code, result.http_status, result.detail) == (code, status, "no")


def test_an_answer_in_chunks_confirms():
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONFIRMED), CONFIRMED)
    headers = {"Content-Length": "", "Transfer-Encoding": "chunked"}

    assert isinstance(outcome_of(answering(chunked, headers=headers)), MoneyAnswer)


def test_a_server_that_would_keep_the_connection_gets_a_new_one_each_time():
    with ScriptedServer(answering(CONFIRMED, headers={"Connection": "keep-alive"})) as server:
        outcome(server.url)
        outcome(server.url)

        assert len(server.connections) == 2


# ---- steps, limiter


def test_the_steps_are_told_in_order():
    steps = []

    outcome_of(answering(CONFIRMED), on_step=steps.append)

    assert steps == ["connected", "half_written", "written", "answered"]


@pytest.mark.parametrize("fatal", ["connected", "half_written", "written", "answered"])
def test_a_break_at_any_step_is_unknown_and_never_sends_again(fatal):
    def on_step(name: str) -> None:
        if name == fatal:
            raise RuntimeError("pulled the plug")

    result = outcome_of(answering(CONFIRMED), on_step=on_step)

    assert isinstance(result, OutcomeUnknown)


@pytest.mark.parametrize("fault", ["observe", "exit"])
@pytest.mark.parametrize(
    ("script", "kind"),
    [(answering(CONFIRMED), MoneyAnswer), (then(lambda c: None), OutcomeUnknown)],
)
def test_a_limiter_that_breaks_afterwards_changes_no_verdict(fault, script, kind):
    class Broken:
        def permit(self, group: str, priority: int) -> AbstractContextManager:
            assert group == "money"
            return self

        def __enter__(self) -> "Broken":
            return self

        def __exit__(self, *exc_info: object) -> None:
            if fault == "exit":
                raise ConnectionError("the store is gone")

        def observe(self, http_status: int, headers: object) -> None:
            if fault == "observe":
                raise ConnectionError("the store is gone")

    assert isinstance(outcome_of(script, limiter=Broken()), kind)


def test_a_fault_of_the_library_while_closing_is_unknown_and_not_unsent(monkeypatch):
    def close(adapter: object) -> None:
        raise RuntimeError("cannot close")

    monkeypatch.setattr("requests.adapters.HTTPAdapter.close", close)

    assert isinstance(outcome_of(answering(CONFIRMED)), OutcomeUnknown)
