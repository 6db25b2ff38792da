"""What can go wrong with a call, named by what to do next.

Money calls (borrow, repay) end in a `MoneyError` that carries its verdict, reads in a `ReadError`.
Every text in here is safe to store and to show: remote words are cut and cleaned, and neither
headers nor bodies of signed calls ever enter a message.
"""

import unicodedata
from collections.abc import Iterable
from typing import ClassVar

DETAIL_LENGTH = 300
_HIDDEN = "[hidden]"


def plain(text: str, *, hide: Iterable[str] = (), limit: int = DETAIL_LENGTH) -> str:
    """Remote text made safe: secrets blanked, no control or format characters, one line, cut."""
    # Long secrets first, so that one which contains another is blanked whole.
    for secret in sorted((word for word in hide if word), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    cleaned = "".join(
        " " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text[: limit * 4]
    )
    words = " ".join(cleaned.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


class BitmartError(Exception):
    """A call that did not end well; `code` and `http_status` are None unless they were sent."""

    def __init__(
        self, detail: str = "", *, code: int | None = None, http_status: int | None = None
    ) -> None:
        """Keep `detail` cleaned, whoever wrote it."""
        self.detail = plain(detail)
        self.code = code
        self.http_status = http_status
        super().__init__(self.detail)


class MoneyError(BitmartError):
    """A borrow or repay that was not confirmed; `verdict` says what is known of it."""

    verdict: ClassVar[str]


class NotSent(MoneyError):
    """The connection never stood: nothing left this machine. A person may ask again."""

    verdict = "NOT_SENT"


class Rejected(MoneyError):
    """The exchange refused, with a code and status that prove it did nothing; both are set."""

    verdict = "REJECTED"


class OutcomeUnknown(MoneyError):
    """It may have happened. Never send it again: look it up in the records."""

    verdict = "UNKNOWN"


class ReadError(BitmartError):
    """A read that gave nothing to use; nothing changed anywhere."""


class Unreachable(ReadError):
    """No complete answer: name, connection, TLS, time-out, cut off. Try later."""


class RateLimited(ReadError):
    """Too many calls, by the exchange's count or by our own limiter. Wait `retry_after_seconds`."""

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: int = 0,
        code: int | None = None,
        http_status: int | None = None,
    ) -> None:
        """`retry_after_seconds` is 0 if nobody said how long."""
        super().__init__(detail, code=code, http_status=http_status)
        self.retry_after_seconds = retry_after_seconds


class Banned(RateLimited):
    """Blocked after too many 429 (HTTP 418). Stop every call from this address for a while."""


class Maintenance(ReadError):
    """The exchange says that it, or the part asked for, is not working now. Try later."""


class Refused(ReadError):
    """The exchange said no (key, signature, clock, right, parameters): asking again is no use."""


class Garbled(ReadError):
    """An answer that is not the exchange's shape: a page, a redirect, cut JSON, missing fields."""
