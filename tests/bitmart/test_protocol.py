"""Signature, strict JSON, envelope, date and address: bytes in, values or Malformed out."""

import contextlib
import hashlib
import hmac
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans.bitmart.protocol import (
    Malformed,
    decode_json,
    http_date,
    parse_envelope,
    sign,
    validate_base_url,
)
from tests.bitmart.samples import envelope, fixture

SIGNED = [vector for vector in fixture("signing_vectors.json") if vector["sign"]]


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: f"{v['endpoint']} {v['note']}")
def test_every_recorded_signature_is_reproduced(vector):
    body = vector["body"].encode() if "body" in vector["signed_payload"] else b""

    signature = sign(
        timestamp_ms=int(vector["timestamp"]),
        memo=vector["memo"],
        body=body,
        secret=vector["secret"],
    )

    assert signature == vector["sign"]


def test_the_worked_example_of_the_documentation_is_reproduced():
    signature = sign(
        timestamp_ms=1589793796145,
        memo="test001",
        body=b'{"symbol":"BTC_USDT","price":"8600","count":"100"}',
        secret="6c6c98544461bbe71db2bca4c6d7fd0021e0ba9efc215f9c6ad41852df9d9df9",
    )

    assert signature == "c31dc326bf87f38bfb49a3f8494961abfa291bd549d0d98d9578e87516cee46d"


@pytest.mark.parametrize("third", [b"", b"symbol=BTC_USDT", b"?recvWindow=5000&symbol=BTC_USDT"])
def test_what_a_signed_get_covers_is_the_callers_choice_of_bytes(third):
    """Contradiction C1: libraries sign nothing, the query, or the query with its question mark."""
    expected = hmac.new(b"s", b"1#m#" + third, hashlib.sha256).hexdigest()

    assert sign(timestamp_ms=1, memo="m", body=third, secret="s") == expected


def test_numbers_keep_every_digit():
    value = decode_json(b'{"a": 0.1000000000000000000000000001, "b": 12345678901234567890}')

    assert value == {"a": Decimal("0.1000000000000000000000000001"), "b": 12345678901234567890}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"<html>", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a":1,"a":2}',
     b'{"a":{"b":1,"b":1}}',
     b"[NaN]", b"[Infinity]", b"[-Infinity]", b"[" * 100_000, b"{} {}", b"[1,]", b"{'a':1}"],
)  # fmt: skip
def test_anything_but_strict_json_is_malformed(body):
    with pytest.raises(Malformed):
        decode_json(body)


def test_a_lenient_reader_turns_nan_into_a_value_no_row_accepts():
    nan, infinite = decode_json(b"[NaN, Infinity]", strict=False)

    assert nan.is_nan()
    assert infinite.is_nan()


def test_a_number_of_a_million_digits_is_decoded_quickly():
    number = decode_json(b"[" + b"9" * 1_000_000 + b"]")[0]

    assert isinstance(number, Decimal)


def test_a_body_over_the_cap_is_malformed():
    with pytest.raises(Malformed, match="longer than 4 bytes"):
        decode_json(b"[1,2]", limit_bytes=4)


@given(st.binary())
def test_any_bytes_are_decoded_or_malformed(body):
    with contextlib.suppress(Malformed):
        decode_json(body)


def test_a_malformed_body_is_not_quoted_in_the_error():
    with pytest.raises(Malformed) as caught:
        decode_json(b'{"canary-access-key": ')

    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_code_written_as_text_is_read_but_confirms_no_money():
    body = envelope({}, code="1000")

    assert parse_envelope(body, strict=False).code == 1000
    with pytest.raises(Malformed):
        parse_envelope(body)


@pytest.mark.parametrize("code", [True, None, -1, 1000.0, "one", "1e3", [], 10**12])
def test_a_code_of_another_type_is_malformed(code):
    with pytest.raises(Malformed):
        parse_envelope(envelope({}, code=code), strict=False)


def test_an_envelope_without_message_and_trace_is_read():
    read = parse_envelope(b'{"code":1000,"data":{}}')

    assert (read.code, read.message, read.trace, read.data) == (1000, "", "", {})


def test_a_date_header_becomes_an_aware_instant():
    assert http_date("Sun, 22 Nov 2026 08:00:00 GMT") == datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "Sun, 99 Nov 2026 08:00:00 GMT", "0", "\x00"])
def test_a_date_header_that_is_none_is_none(text):
    assert http_date(text) is None


@pytest.mark.parametrize(
    ("url", "clean"),
    [("https://api-cloud.bitmart.com/", "https://api-cloud.bitmart.com"),
     (" https://api-cloud.bitmart.com ", "https://api-cloud.bitmart.com"),
     ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
     ("http://localhost:8001/", "http://localhost:8001"),
     ("http://[::1]:8001", "http://[::1]:8001")],
)  # fmt: skip
def test_https_anywhere_and_http_on_this_machine_are_addresses(url, clean):
    assert validate_base_url(url) == clean


@pytest.mark.parametrize(
    "url",
    ["", "api-cloud.bitmart.com", "ftp://x", "http://api-cloud.bitmart.com", "http://127.0.0.1.evil.com",
     "http://10.0.0.1", "https://u:p@host", "https://@host", "https://host/path", "https://host?q",
     "https://host#f", "https://host?", "https://", "https://host:0", "https://host:99999",
     "https://host:x", "http://localhost.evil.com", "https://ho st", "https://host\\@evil"],
)  # fmt: skip
def test_any_other_address_is_refused(url):
    with pytest.raises(ValueError, match=r".+"):
        validate_base_url(url)
