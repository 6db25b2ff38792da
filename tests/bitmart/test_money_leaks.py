"""Nothing secret leaves through an error, a traceback with its variables, or a log."""

import logging
import traceback

import pytest

from tests.bitmart.samples import ACCESS_KEY, CANARIES, MEMO, SECRET, an_order, envelope
from tests.bitmart.scripted import answering
from tests.bitmart.sending import CONFIRMED, outcome_of, then

ECHO = envelope({}, code=30002, message=f"{ACCESS_KEY} {SECRET} {MEMO} unknown")


@pytest.mark.parametrize(
    "script",
    [answering(ECHO, status=401), answering(ECHO, status=500), then(lambda c: c.write(c.received)),
     then(lambda c: None), lambda c: c.reset()],
    ids=["echoing refusal", "echoing failure", "echoing bytes", "closed", "reset"],
)  # fmt: skip
def test_no_error_shows_the_key_or_the_signature(script):
    order = an_order()
    error = outcome_of(script, order=order)
    told = "".join(
        [str(error), repr(error), repr(vars(error)), repr(order), error.detail,
         *traceback.TracebackException.from_exception(error, capture_locals=True).format()]
    )  # fmt: skip

    assert not [word for word in (*CANARIES, order.headers["X-BM-SIGN"]) if word in told]


def test_no_log_at_any_level_shows_the_key_the_signature_or_the_body(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    # The settings keep these quiet; they must hold nothing even where they speak.
    caplog.set_level(logging.DEBUG, logger="urllib3")
    order = an_order(amount="123.45678901")

    outcome_of(answering(CONFIRMED), order=order)
    outcome_of(answering(ECHO, status=401), order=order)

    told = caplog.text + "".join(capfd.readouterr())
    assert "urllib3" in told
    secret = (*CANARIES, order.headers["X-BM-SIGN"], "123.45678901")
    assert not [word for word in secret if word in told]
