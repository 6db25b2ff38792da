"""The gate: every code it answers, with its status, and in which order."""

import time
from typing import Any

import pytest

from tests.paper.calls import ISOLATED, Answer, get, post, send, signed_headers
from tests.paper_fixture import Paper, PaperKey

OPEN_ORDERS = "/spot/v4/query/open-orders"


@pytest.fixture
def key(shared_paper: Paper) -> PaperKey:
    return shared_paper.new_key()


@pytest.fixture
def paper(shared_paper: Paper) -> Paper:
    return shared_paper


def money_call(paper: Paper, key: PaperKey, **changed: str | None) -> Answer:
    """A borrow whose headers are changed, or taken out with None."""
    body = b'{"symbol":"BTC_USDT","currency":"USDT","amount":"1"}'
    headers: dict[str, Any] = signed_headers(key, body)
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    headers = {name: value for name, value in headers.items() if value is not None}
    return send(paper, "POST", f"{ISOLATED}/borrow", headers=headers, body=body)


def refused(answer: Answer, status: int, code: int) -> bool:
    assert set(answer.body) == {"message", "code", "trace", "data"}
    assert answer.data == {}
    return (answer.status, answer.code) == (status, code)


def test_an_unknown_path_is_not_found(paper: Paper) -> None:
    assert refused(send(paper, "GET", "/spot/v1/nothing"), 404, 30000)


def test_a_wrong_method_is_refused(paper: Paper, key: PaperKey) -> None:
    assert refused(get(paper, key, "borrow"), 405, 57001)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"X_BM_KEY": None}, 401, 30001),
        ({"X_BM_KEY": "nobody"}, 401, 30002),
        ({"X_BM_SIGN": None}, 401, 30004),
        ({"X_BM_SIGN": "0" * 64}, 401, 30005),
        ({"X_BM_SIGN": "é"}, 401, 30005),
        ({"X_BM_TIMESTAMP": None}, 401, 30006),
        ({"X_BM_TIMESTAMP": "1"}, 401, 30007),
        ({"X_BM_TIMESTAMP": "9" * 18}, 401, 30007),
        ({"X_BM_TIMESTAMP": "now"}, 401, 30008),
        ({"Content_Type": "text/plain"}, 415, 58001),
    ],
)
def test_each_bad_header_has_its_code(
    paper: Paper, key: PaperKey, changed: dict[str, str | None], status: int, code: int
) -> None:
    assert refused(money_call(paper, key, **changed), status, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a":NaN}', b"a=1"])
def test_a_body_that_is_no_json_object_is_refused(paper: Paper, key: PaperKey, body: bytes) -> None:
    answer = send(paper, "POST", f"{ISOLATED}/borrow", headers=signed_headers(key, body), body=body)

    expected = (400, 50000) if body == b"" else (503, 30018)
    assert refused(answer, *expected)


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        ({"frozen": True}, 401, 30003),
        ({"expired": True}, 403, 30011),
        ({"ips": ["10.1.2.3"]}, 403, 30010),
        ({"permissions": ["read"]}, 403, 30012),
        ({"permissions": []}, 403, 30012),
    ],
)
def test_the_terms_of_a_key_are_kept(
    paper: Paper, key: PaperKey, terms: dict[str, Any], status: int, code: int
) -> None:
    paper.change_key(key, **terms)

    assert refused(money_call(paper, key), status, code)


def test_a_read_only_key_reads_but_does_not_borrow(paper: Paper) -> None:
    key = paper.new_key(permissions=["read"])

    assert get(paper, key, "pairs").code == 1000
    assert money_call(paper, key).code == 30012


def test_the_access_key_alone_reads_whatever_the_signature(paper: Paper, key: PaperKey) -> None:
    headers = {"X-BM-KEY": key.access_key, "X-BM-SIGN": "junk", "X-BM-TIMESTAMP": "junk"}

    for name in (
        "pairs",
        "account",
        "borrow_record?symbol=BTC_USDT",
        "repay_record?symbol=BTC_USDT",
    ):
        assert send(paper, "GET", f"{ISOLATED}/{name}", headers=headers).code == 1000


def test_the_signature_covers_the_bytes_as_sent(paper: Paper) -> None:
    for body in (
        b'{"symbol": "BTC_USDT", "currency": "USDT", "amount": "1"}',
        b' {"symbol": "BTC_USDT", "currency": "USDT", "amount": "1"}\r\n',
        b'{"recvWindow":5000,"amount":"1","currency":"USDT","symbol":"BTC_USDT","memo":"\xc3\xa9"}',
    ):
        key = paper.new_key()
        answer = send(
            paper, "POST", f"{ISOLATED}/borrow", headers=signed_headers(key, body), body=body
        )
        assert answer.code == 1000


def test_a_signature_is_wrong_if_one_digit_is(paper: Paper, key: PaperKey) -> None:
    body = b'{"symbol":"BTC_USDT","currency":"USDT","amount":"1"}'
    headers = signed_headers(key, body)
    right = headers["X-BM-SIGN"]
    other = "0" if right[-1] != "0" else "1"

    for wrong in (right[:-1] + other, right[:-1]):
        changed = {**headers, "X-BM-SIGN": wrong}
        answer = send(paper, "POST", f"{ISOLATED}/borrow", headers=changed, body=body)
        assert refused(answer, 401, 30005)


def test_a_signature_for_other_bytes_is_wrong(paper: Paper, key: PaperKey) -> None:
    headers = signed_headers(key, b'{"amount":"1"}')

    answer = send(paper, "POST", f"{ISOLATED}/borrow", headers=headers, body=b'{"amount": "1"}')

    assert refused(answer, 401, 30005)


@pytest.mark.parametrize("memo", ["", "мемо-备注-é", "a#b c"])
def test_any_memo_signs(paper: Paper, memo: str) -> None:
    key = paper.new_key(memo=memo)

    assert money_call(paper, key).code == 1000


@pytest.mark.parametrize(
    ("off_ms", "code"), [(-61_000, 30007), (-55_000, 1000), (55_000, 1000), (61_500, 30007)]
)
def test_a_timestamp_may_be_a_minute_off_either_way(
    paper: Paper, key: PaperKey, off_ms: int, code: int
) -> None:
    stamp = time.time_ns() // 1_000_000 + off_ms

    answer = post(
        paper, key, "borrow", timestamp_ms=stamp, symbol="BTC_USDT", currency="USDT", amount="1"
    )

    assert answer.code == code


@pytest.mark.parametrize(
    ("off_ms", "fields", "code"),
    [
        (0, {}, 1000),
        (-4_000, {}, 1000),
        (-6_000, {}, 30007),
        (3_000, {}, 30007),
        (-6_000, {"recvWindow": 60_000}, 1000),
        (0, {"recvWindow": 60_001}, 30007),
        (0, {"recvWindow": 0}, 30007),
        (0, {"recvWindow": "soon"}, 30007),
        (0, {"symbol": "BTC_USDT", "orderMode": "iso_margin"}, 1000),
        (0, {"symbol": "NO_PAIR"}, 50001),
        (0, {"orderMode": "cross"}, 50021),
        (0, {"startTime": 2, "endTime": 1}, 52004),
    ],
)
def test_the_harmless_signed_read_has_its_own_window(
    paper: Paper, key: PaperKey, off_ms: int, fields: dict[str, Any], code: int
) -> None:
    stamp = time.time_ns() // 1_000_000 + off_ms

    answer = post(paper, key, OPEN_ORDERS, timestamp_ms=stamp, **fields)

    assert answer.code == code
    if code == 1000:
        assert (answer.body["message"], answer.data) == ("success", [])


def test_a_v4_timestamp_must_be_a_number(paper: Paper, key: PaperKey) -> None:
    answer = post(paper, key, OPEN_ORDERS, timestamp_ms="soon")

    assert refused(answer, 401, 30006)
    assert "long" in answer.body["message"]
