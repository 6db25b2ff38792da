"""Errors name what to do next, and hold nothing that must not be shown."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans.bitmart.errors import (
    Banned,
    MoneyError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ReadError,
    Rejected,
    Unreachable,
    plain,
)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [(NotSent, "NOT_SENT"), (Rejected, "REJECTED"), (OutcomeUnknown, "UNKNOWN")],
)
def test_each_money_error_names_its_verdict(kind, verdict):
    error = kind("why", code=51004, http_status=400)

    assert error.verdict == verdict
    assert (error.detail, error.code, error.http_status) == ("why", 51004, 400)


def test_no_read_error_is_a_money_error():
    assert not issubclass(ReadError, MoneyError)
    assert not issubclass(MoneyError, ReadError)


def test_remote_text_becomes_one_short_clean_line():
    text = "line\r\none\x00\x1b[31m‮evil\u2028two" + "x" * 5000

    cleaned = plain(text)

    assert len(cleaned) == 300
    assert cleaned.isprintable()
    assert cleaned.startswith("line one [31m evil two")


def test_our_secrets_are_blanked_before_the_text_is_cut():
    text = "x" * 295 + "canary-key" + " and canary-key-longer"

    assert "canary" not in plain(text, hide=("canary-key", "canary-key-longer"))


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_any_text_becomes_printable_and_short(text, hide):
    cleaned = plain(text, hide=hide)

    assert len(cleaned) <= 300
    assert all(sign.isprintable() for sign in cleaned)
    cleaned.encode()


def test_errors_cross_a_process_boundary_whole():
    error = pickle.loads(
        pickle.dumps(Banned("stop", retry_after_seconds=120, code=30017, http_status=418))
    )

    assert isinstance(error, RateLimited)
    assert (error.detail, error.retry_after_seconds, error.code) == ("stop", 120, 30017)
    assert pickle.loads(pickle.dumps(Unreachable("gone"))).detail == "gone"
