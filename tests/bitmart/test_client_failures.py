"""Each way in which a read can fail, and what it says to do next."""

import gzip
import time

import pytest

from loans.bitmart.errors import (
    Banned,
    Garbled,
    Maintenance,
    RateLimited,
    ReadError,
    Refused,
    Unreachable,
)
from tests.bitmart.asking import NO_LOANS, asking
from tests.bitmart.samples import envelope
from tests.bitmart.scripted import ScriptedServer, answering, http_answer
from tests.bitmart.sending import SHORT

FAILURES = [
    (401, envelope({}, code=30005), Refused),
    (401, envelope({}, code=30007), Refused),
    (403, envelope({}, code=30012), Refused),
    (400, envelope({}, code=50001), Refused),
    (503, envelope({}, code=30018), Refused),
    (200, envelope({}, code=30019), Refused),
    (200, envelope({}, code=30031), Refused),
    (200, envelope(None, code=70002), Refused),
    (404, envelope({}, code=30000), Refused),
    (400, envelope({}, code=99999), Refused),
    (200, envelope({}, code=30016), Maintenance),
    (503, envelope({}, code=30014), Maintenance),
    (200, envelope(None, code=70003), Maintenance),
    (500, envelope({}, code=59002), Maintenance),
    (429, envelope({}, code=30013), RateLimited),
    (200, envelope({}, code=30013), RateLimited),
    (429, b"slow down", RateLimited),
    (418, envelope({}, code=30017), Banned),
    (418, b"<html>", Banned),
    (403, b"<html>error code: 1010</html>", Garbled),
    (502, b"<html>", Garbled),
    (503, b"", Garbled),
    (200, b"<html>sign in</html>", Garbled),
    (200, b"", Garbled),
    (200, NO_LOANS[:-3], Garbled),
    (200, b"[]", Garbled),
    (200, b"null", Garbled),
    (200, envelope(None), Garbled),
    (200, envelope({"records": None}), Garbled),
    (200, envelope({"symbols": []}), Garbled),
    (500, NO_LOANS, Garbled),
    (200, b'{"code":1000,"code":1000,"data":{"records":[]}}', Garbled),
]


@pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
def test_each_failure_says_what_to_do_next(status, body, kind):
    with asking(answering(body, status=status)) as (client, server):
        with pytest.raises(ReadError) as caught:
            client.borrow_records("BTC_USDT")

        assert len(server.connections) == 1
    assert type(caught.value) is kind
    assert caught.value.http_status == status
    assert caught.value.detail


def test_a_refusal_carries_its_code():
    body = envelope({}, code=30005, message="Header X-BM-SIGN is wrong")
    with asking(answering(body, status=401)) as (client, _), pytest.raises(Refused) as caught:
        client.check_signature()

    assert (caught.value.code, caught.value.detail) == (30005, "Header X-BM-SIGN is wrong")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 0), ({"Retry-After": "7"}, 7), ({"X-BM-RateLimit-Reset": "2"}, 2),
     ({"Retry-After": "7", "X-BM-RateLimit-Reset": "2"}, 7), ({"Retry-After": "soon"}, 0),
     ({"Retry-After": "99999999999"}, 3600), ({"Retry-After": "-5"}, 0)],
)  # fmt: skip
def test_a_limit_says_how_long_to_wait_within_reason(headers, seconds):
    script = answering(envelope({}, code=30013), status=429, headers=headers)
    with asking(script) as (client, _), pytest.raises(RateLimited) as caught:
        client.pairs()

    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "script",
    [lambda c: c.reset(), lambda c: None, lambda c: (c.read_request(), c.reset()),
     lambda c: (c.read_request(), c.write(b"HTTP/1."))],
    ids=["reset", "closed", "reset after reading", "half a word"],
)  # fmt: skip
def test_no_answer_at_all_is_unreachable(script):
    with asking(script) as (client, _), pytest.raises(Unreachable) as caught:
        client.borrow_records("BTC_USDT")

    assert caught.value.detail.startswith("the ")


@pytest.mark.parametrize(
    "script",
    [answering(NO_LOANS, length=len(NO_LOANS) + 5),
     answering(b"\x00" * 100, headers={"Content-Encoding": "gzip"}),
     answering(b"x" * (8 * 2**20 + 1)),
     answering(gzip.compress(b" " * (64 * 2**20)), headers={"Content-Encoding": "gzip"})],
    ids=["cut off", "not gzip", "over 8 MiB", "gzip bomb"],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_to_its_end_is_garbled(script):
    with asking(script, total_seconds=5) as (client, _), pytest.raises(Garbled) as caught:
        client.borrow_records("BTC_USDT")

    assert caught.value.http_status == 200
    assert caught.value.detail.startswith("the answer ")


def test_a_compressed_answer_is_understood_although_it_was_not_asked_for():
    script = answering(gzip.compress(NO_LOANS), headers={"Content-Encoding": "gzip"})
    with asking(script) as (client, _):
        assert client.borrow_records("BTC_USDT").received == 0


@pytest.mark.parametrize("start", [0, 15, 130], ids=["status line", "headers", "body"])
def test_a_dripping_answer_ends_at_the_deadline(start):
    page = http_answer(NO_LOANS + b" " * 500)

    def script(connection) -> None:
        connection.read_request()
        connection.write(page[:start])
        connection.drip(page[start:])

    started = time.monotonic()
    asked = asking(script, total_seconds=SHORT)
    with asked as (client, _), pytest.raises(Unreachable, match="no answer in time"):
        client.borrow_records("BTC_USDT")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with ScriptedServer(answering(NO_LOANS)) as elsewhere:
        script = answering(b"", status=status, headers={"Location": elsewhere.url})
        with asking(script) as (client, _), pytest.raises(Garbled, match="redirect"):
            client.borrow_records("BTC_USDT")

        assert not elsewhere.connections
