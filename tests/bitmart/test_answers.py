"""Any answer to a read is an envelope or a ReadError, and every listing survives any row."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans.bitmart import readers
from loans.bitmart.answers import read_answer
from loans.bitmart.codes import CODES
from loans.bitmart.errors import Banned, Garbled, RateLimited, ReadError
from loans.bitmart.limits import LIMITS
from loans.bitmart.protocol import Envelope, Malformed, parse_envelope
from loans.bitmart.responses import Listing
from loans.bitmart.transport import Answer
from tests.bitmart.samples import HEARD, a_borrow_row, a_repay_row, envelope, fixture

READERS = [readers.read_pair, readers.read_borrow_record, readers.read_repay_record,
           readers.read_margin_account, readers.read_ticker, readers.read_service]  # fmt: skip
LIVE = fixture("observed_live.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
ROWS = [a_borrow_row(), a_repay_row(), LIVE["pairs"], LIVE["account"]]
# A good row in which one field is something else.
BENT = st.builds(
    lambda row, name, value: {**row, name: value},
    st.sampled_from(ROWS),
    st.sampled_from(sorted({name for row in ROWS for name in row})),
    JSON,
)


def judge(body: bytes, status: int, headers: dict[str, str]) -> Envelope | ReadError:
    try:
        return read_answer(Answer(status, headers, body, True, HEARD))
    except ReadError as exc:
        return exc


@given(st.binary() | JSON.map(lambda v: json.dumps(v).encode()), st.integers(100, 999))
def test_any_bytes_are_an_envelope_or_a_read_error(body, status):
    answer = judge(body, status, {})

    assert isinstance(answer, ReadError) or (status, answer.code) == (200, 1000)


@pytest.mark.parametrize("row", CODES.values(), ids=lambda row: row.code)
def test_every_code_of_the_table_is_a_read_error_that_carries_it(row):
    answer = judge(envelope({}, code=row.code, message=row.message), row.http_status, {})

    assert isinstance(answer, ReadError)
    assert not isinstance(answer, Garbled)
    assert (answer.code, answer.http_status) == (row.code, row.http_status)
    assert answer.detail == row.message
    assert isinstance(answer, RateLimited) == (row.code in (30013, 30017))
    assert isinstance(answer, Banned) == (row.code == 30017)


@pytest.mark.parametrize("captured", LIVE["error_bodies"], ids=lambda c: c["body"]["code"])
def test_every_captured_error_body_is_a_read_error(captured):
    answer = judge(json.dumps(captured["body"]).encode(), captured.get("http", 400), {})

    assert answer.code == captured["body"]["code"]
    assert answer.detail == captured["body"]["message"]


@given(st.lists(BENT | JSON, max_size=4))
def test_any_rows_are_read_or_refused_and_none_is_lost(items):
    body = envelope({"rows": items})
    with suppress(Malformed):
        data = parse_envelope(body, strict=False).data
        for read in READERS:
            listing = readers.read_listing(data, "rows", read, heard=HEARD)

            assert isinstance(listing, Listing)
            assert listing.received == len(items) == len(listing.rows) + len(listing.refused)
            assert all(refused.reason for refused in listing.refused)


def test_the_limits_are_the_documented_ones():
    told = {
        group: (limit.calls, limit.window_seconds, limit.keyed_by)
        for group, limit in LIMITS.items()
    }

    assert told == {
        "money": (2, 2, "key"),
        "pairs": (2, 2, "key"),
        "records": (60, 2, "key"),
        "account": (12, 2, "key"),
        "orders": (1, 2, "key"),
        "system": (10, 1, "ip"),
        "quotation": (10, 2, "ip"),
    }
