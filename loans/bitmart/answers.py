"""Judges the answer to a read: its envelope, or the error that says what to do next. No I/O."""

from collections.abc import Iterable, Mapping

from loans.bitmart.codes import SUCCESS
from loans.bitmart.errors import (
    Banned,
    Garbled,
    Maintenance,
    RateLimited,
    ReadError,
    Refused,
    Unreachable,
    plain,
)
from loans.bitmart.protocol import Envelope, Malformed, parse_envelope
from loans.bitmart.transport import Answer, Failure

_TOO_MANY, _BLOCKED = 30013, 30017
_MAINTENANCE = frozenset({30014, 30016, 50022, 51008, 70003})
_OK, _TOO_MANY_STATUS, _BLOCKED_STATUS, _SERVER_ERROR = 200, 429, 418, 500
_LONGEST_WAIT_SECONDS = 3600


def read_answer(answer: Answer, *, hide: Iterable[str] = ()) -> Envelope:
    """Return the envelope of a success. The code decides; some errors come with HTTP 200.

    Raises: ReadError.
    """
    status = answer.http_status
    try:
        envelope = parse_envelope(answer.body, strict=False)
    except Malformed as exc:
        raise _without_envelope(answer, str(exc)) from None
    if envelope.code == SUCCESS:
        if status != _OK:
            raise Garbled("a success with the status of a failure", http_status=status)
        return envelope
    detail = plain(envelope.message, hide=hide) or f"code {envelope.code}"
    raise _refusal(answer, envelope.code, detail)


def failed(failure: Failure) -> ReadError:
    """Make the error of a call that brought no complete answer."""
    if failure.http_status is not None and not failure.was_late:
        # It began to answer, and what came was cut, too long or not what its headers say.
        return Garbled(failure.reason, http_status=failure.http_status)
    return Unreachable(failure.reason, http_status=failure.http_status)


def retry_after_seconds(headers: Mapping[str, str]) -> int:
    """How long the answer asks us to wait: `Retry-After`, else the limit's window; 0 if neither."""
    for name in ("retry-after", "x-bm-ratelimit-reset"):
        text = headers.get(name, "").strip()
        if text.isascii() and text.isdigit():
            return min(int(text[:9]), _LONGEST_WAIT_SECONDS)
    return 0


def _refusal(answer: Answer, code: int, detail: str) -> ReadError:
    status = answer.http_status
    wait = retry_after_seconds(answer.headers)
    if code == _BLOCKED or status == _BLOCKED_STATUS:
        return Banned(detail, retry_after_seconds=wait, code=code, http_status=status)
    if code == _TOO_MANY or status == _TOO_MANY_STATUS:
        return RateLimited(detail, retry_after_seconds=wait, code=code, http_status=status)
    # 30018 comes with 503 although it is about our request.
    if code in _MAINTENANCE or (status >= _SERVER_ERROR and code != 30018):
        return Maintenance(detail, code=code, http_status=status)
    return Refused(detail, code=code, http_status=status)


def _without_envelope(answer: Answer, why: str) -> ReadError:
    status = answer.http_status
    wait = retry_after_seconds(answer.headers)
    if status == _BLOCKED_STATUS:
        return Banned(
            "blocked, with a page for a reason", retry_after_seconds=wait, http_status=status
        )
    if status == _TOO_MANY_STATUS:
        return RateLimited("too many calls", retry_after_seconds=wait, http_status=status)
    if "location" in answer.headers:
        return Garbled("a redirect, which is never followed", http_status=status)
    kind = plain(answer.headers.get("content-type", ""), limit=40)
    return Garbled(f"not the exchange's answer: {why} ({kind or 'no type'})", http_status=status)
