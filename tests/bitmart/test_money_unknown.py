"""What proves nothing is unknown: every such row of the table, over real sockets."""

import time

import pytest

from loans.bitmart.errors import OutcomeUnknown
from loans.bitmart.money import MoneyAnswer
from tests.bitmart.samples import envelope
from tests.bitmart.scripted import ScriptedServer, answering, http_answer
from tests.bitmart.sending import CONFIRMED, SHORT, outcome, outcome_of, then

SLOW_PAGE = http_answer(CONFIRMED + b" " * 500)
UNKNOWN = {
    "read, then closed": then(lambda c: None),
    "read, then reset": then(lambda c: c.reset()),
    "half a head": then(lambda c: c.write(b"HTTP/1.1 200 OK\r\nContent-")),
    "not HTTP": then(lambda c: c.write(b"\x00\x01\x02\r\n\r\n")),
    "truncated JSON": answering(CONFIRMED[:-2]),
    "short of Content-Length": answering(CONFIRMED, length=len(CONFIRMED) + 1),
    "longer than Content-Length": answering(CONFIRMED, length=len(CONFIRMED) - 1),
    "two lengths": answering(CONFIRMED, headers={"content-length": "5"}),
    "length and chunked": answering(CONFIRMED, headers={"Transfer-Encoding": "chunked"}),
    "no length": answering(CONFIRMED, headers={"Content-Length": ""}),
    "chunks without an end": answering(
        b"5\r\n{\"cod\r\n", headers={"Content-Length": "", "Transfer-Encoding": "chunked"}
    ),
    "gzip": answering(b"\x1f\x8b garbage", headers={"Content-Encoding": "gzip"}),
    "said to be gzip": answering(CONFIRMED, headers={"Content-Encoding": "gzip"}),
    "HTML 502": answering(b"<html>Bad gateway</html>", status=502),
    "403 page": answering(b"<html>error code: 1010</html>", status=403),
    "418 page": answering(b"<html>I'm a teapot</html>", status=418),
    "429 page": answering(b"slow down", status=429, headers={"Retry-After": "1"}),
    "418 JSON 30017": answering(envelope({}, code=30017), status=418),
    "503 JSON 30014": answering(envelope({}, code=30014), status=503),
    "503 to be tried again": answering(b"", status=503, headers={"Retry-After": "0"}),
    "200 maintenance": answering(envelope({}, code=30016)),
    "unknown code": answering(envelope({}, code=99999), status=400),
    "500 with a pool error": answering(envelope({}, code=59010), status=500),
    "429 code with status 200": answering(envelope({}, code=30013)),
    "1000 without id": answering(envelope({})),
    "1000 with NaN for id": answering(b'{"code":1000,"data":{"borrow_id":NaN}}'),
    "a key twice": answering(b'{"code":1000,"code":1000,"data":{"borrow_id":"1"}}'),
    "1000 with status 201": answering(CONFIRMED, status=201),
    "8 MiB": answering(CONFIRMED + b" " * 2**23),
    "empty": answering(b""),
    "204": answering(b"", status=204),
}  # fmt: skip


@pytest.mark.parametrize("script", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_answer_that_proves_nothing_is_unknown(script):
    result = outcome_of(script)

    assert isinstance(result, OutcomeUnknown)
    assert result.detail


@pytest.mark.parametrize(
    "script",
    [then(lambda c: c.drip(SLOW_PAGE)), then(lambda c: time.sleep(1.5)),
     then(lambda c: (c.write(SLOW_PAGE[:120]), c.drip(SLOW_PAGE[120:]))),
     then(lambda c: c.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 9, pause_seconds=0.01))],
    ids=["dripping", "silent", "dripping body", "endless continue"],
)  # fmt: skip
def test_an_answer_that_never_ends_is_unknown_at_the_deadline(script):
    started = time.monotonic()

    result = outcome_of(script, seconds=SHORT)

    assert isinstance(result, OutcomeUnknown)
    assert result.detail == "no answer in time"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_elsewhere_is_unknown_and_nobody_else_hears_of_it(status):
    with ScriptedServer(answering(CONFIRMED)) as elsewhere:
        headers = {"Location": f"{elsewhere.url}/spot/v1/margin/isolated/borrow"}

        result = outcome_of(answering(b"", status=status, headers=headers))

        assert isinstance(result, OutcomeUnknown)
        assert not elsewhere.connections


def test_a_proxy_named_in_the_environment_hears_nothing(monkeypatch):
    with (
        ScriptedServer(answering(CONFIRMED)) as proxy,
        ScriptedServer(answering(CONFIRMED)) as server,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")

        assert isinstance(outcome(server.url), MoneyAnswer)
        assert not proxy.connections
