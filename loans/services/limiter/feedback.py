"""What an answer says of how often we may call, and what follows from it.

The exchange's "Remaining" header counts up by its documentation and down by its name (C3): which,
is learned from two answers in one window. Headers may make our own table stricter, never wider.
"""

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import ClassVar

from loans.bitmart.limits import Limit
from loans.services.limiter.stores import SECOND_US, Demand, Outcome, Store, StoreDown

BAN_SECONDS = (120, 480, 1800, 7200)
PAGE_SECONDS = (60, 60, 60, 900)
TEAPOT = HTTPStatus.IM_A_TEAPOT
_LONGEST_TOO_MANY_SECONDS = 300
_LONGEST_RETRY_AFTER_SECONDS = 3600
_LONGEST_RESET_SECONDS = 300
_SURE_AFTER = 2


class Direction:
    """Whether a venue's "Remaining" goes up or down with each call; one a venue and process."""

    _known: ClassVar[dict[str, "Direction"]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        """Know nothing."""
        self._votes = 0
        self._last: dict[str, int] = {}

    @classmethod
    def of(cls, venue: str) -> "Direction":
        """The one that all limiters of this venue share."""
        with cls._lock:
            return cls._known.setdefault(venue, cls())

    def learn(self, scope: str, remaining: int, *, own_calls: int) -> None:
        """Compare with the answer before, if it fell into the same window."""
        with self._lock:
            before = self._last.get(scope)
            self._last = {**self._last, scope: remaining} if len(self._last) < 500 else {}
            if before is None or own_calls < 2 or before == remaining:
                return
            step = 1 if remaining > before else -1
            self._votes = max(-3, min(3, self._votes + step))

    @property
    def counts_down(self) -> bool:
        """Known to say how many calls are left."""
        return self._votes <= -_SURE_AFTER


class Feedback:
    """The permit of one call: told the answer's status and headers, it tells the store."""

    def __init__(
        self,
        store: Store,
        *,
        demands: Sequence[Demand],
        limit: Limit,
        own_calls: int,
        direction: Direction,
    ) -> None:
        """`demands` begin with the call's own group and end with the address."""
        self._store = store
        self._own = demands[0].scope
        self._address = demands[-1].scope
        self._limit = limit
        self._own_calls = own_calls
        self._direction = direction
        self.outcome = Outcome.FAILED

    def observe(self, http_status: int, headers: Mapping[str, str]) -> None:
        """Learn from the answer; header names are lower-case."""
        content_type = headers.get("content-type", "")
        page = "html" in content_type
        if http_status == TEAPOT:
            step = self._banned
        elif http_status == HTTPStatus.TOO_MANY_REQUESTS:
            step = self._too_many
        elif page and http_status in {HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE}:
            step = self._turned_away
        else:
            # An error of the exchange itself, in JSON, is an answer; a gate's words are not.
            is_answer = http_status < HTTPStatus.INTERNAL_SERVER_ERROR or "json" in content_type
            self.outcome = Outcome.ANSWERED if is_answer and not page else Outcome.FAILED
            self._try(lambda: self._read_counters(headers))
            return
        self.outcome = Outcome.REFUSED
        self._try(lambda: step(headers))

    def _banned(self, headers: Mapping[str, str]) -> None:
        strikes = self._store.strike(self._address)
        seconds = BAN_SECONDS[min(strikes, len(BAN_SECONDS)) - 1]
        self._shut(self._address, max(seconds, _retry_after(headers)), needs_canary=True)

    def _turned_away(self, headers: Mapping[str, str]) -> None:
        strikes = self._store.strike(self._address)
        seconds = PAGE_SECONDS[min(strikes, len(PAGE_SECONDS)) - 1]
        self._shut(self._address, max(seconds, _retry_after(headers)), needs_canary=True)

    def _too_many(self, headers: Mapping[str, str]) -> None:
        strikes = self._store.strike(self._own)
        longest = min(2 ** min(strikes, 10), _LONGEST_TOO_MANY_SECONDS)
        told = max(_reset_seconds(headers) or 0, _retry_after(headers), self._limit.window_seconds)
        self._shut(self._own, max(told, 1 + secrets.randbelow(longest)), needs_canary=False)

    def _read_counters(self, headers: Mapping[str, str]) -> None:
        calls, seconds = _number(headers, "x-bm-ratelimit-limit"), _reset_seconds(headers)
        if not calls or not seconds:
            return
        if calls * self._limit.window_seconds < self._limit.calls * seconds:
            self._store.tighten(self._own, calls=calls, window_us=seconds * SECOND_US)
        remaining = _number(headers, "x-bm-ratelimit-remaining")
        if remaining is None:
            return
        self._direction.learn(self._own, remaining, own_calls=self._own_calls)
        is_used_up = remaining >= calls or (remaining == 0 and self._direction.counts_down)
        # If our own calls explain it, our own count holds the next one back exactly long enough.
        if is_used_up and self._own_calls < calls:
            self._shut(self._own, seconds, needs_canary=False)

    def _shut(self, scope: str, seconds: int, *, needs_canary: bool) -> None:
        self._store.shut(scope, for_us=seconds * SECOND_US, needs_canary=needs_canary)

    def _try(self, step: Callable[[], None]) -> None:
        """What was learned is lost if the store is down; the answer itself must not be."""
        try:
            step()
        except StoreDown:
            return


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _reset_seconds(headers: Mapping[str, str]) -> int | None:
    """The length of the window; an instant (as one source has it) is not taken for one."""
    seconds = _number(headers, "x-bm-ratelimit-reset")
    return seconds if seconds is not None and seconds <= _LONGEST_RESET_SECONDS else None


def _retry_after(headers: Mapping[str, str]) -> int:
    """Seconds to wait, at most an hour; 0 if nothing was said."""
    seconds = _number(headers, "retry-after")
    if seconds is None:
        try:
            until = parsedate_to_datetime(headers.get("retry-after", ""))
        except ValueError:
            return 0
        if until.tzinfo is None:
            return 0
        seconds = max(0, int((until - datetime.now(UTC)).total_seconds()))
    return min(seconds, _LONGEST_RETRY_AFTER_SECONDS)
