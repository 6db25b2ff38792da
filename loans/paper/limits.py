"""Rate limits: how often a key or an address has asked, when it is refused, when it is banned.

Counts real time, whatever the exchange's clock is made to show. It also keeps, for tests, how often
any sliding window held more requests than allowed, whether refused or not.
"""

import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass

from loans.paper.switches import Switches

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS

Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in so many seconds, counted by "KEY" or "IP"."""

    count: int
    seconds: int
    mode: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Where a caller stands: `code` is 30013 or 30017 where it is refused."""

    limit: Limit
    used: int
    code: int | None

    def headers(self, switches: Switches) -> dict[str, str]:
        """As documented: "Remaining" is what was used, "Reset" the length of the window."""
        remaining = self.used
        if switches["remaining"] == "left":
            remaining = max(0, self.limit.count - self.used)
        return {
            "X-BM-RateLimit-Remaining": str(remaining),
            "X-BM-RateLimit-Limit": str(self.limit.count),
            "X-BM-RateLimit-Reset": str(self.limit.seconds),
            "X-BM-RateLimit-Mode": self.limit.mode,
        }


class Limiter:
    """Thread-safe; in memory, as a restart of an exchange's gateway would have it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[Scope, tuple[int, int]] = {}
        self._arrivals: dict[Scope, deque[int]] = defaultdict(deque)
        self._refused: dict[str, deque[int]] = defaultdict(deque)
        self._banned_until: dict[str, int] = {}
        self._above: Counter[str] = Counter()

    def hit(
        self, path: str, limit: Limit, *, caller: str, client: str, switches: Switches
    ) -> Usage:
        """Count one request; `caller` is whom the limit counts, `client` the address."""
        now = time.monotonic_ns()
        culprit = client if switches["ban_scope"] == "ip" else caller
        with self._lock:
            used = self._count((path, caller), path, limit, now, switches)
            if switches["limits"] == "off":
                return Usage(limit, used, None)
            if self._banned_until.get(culprit, 0) > now:
                return Usage(limit, used, 30017)
            if used <= limit.count:
                return Usage(limit, used, None)
            return Usage(limit, used, self._refuse(culprit, now, switches))

    def above_limit(self) -> dict[str, int]:
        """Per path: how many requests arrived in a sliding window that was full already."""
        with self._lock:
            return dict(self._above)

    def forgive(self) -> None:
        """Forget fixed windows, refusals and bans; what arrived stays counted."""
        with self._lock:
            for memory in (self._windows, self._refused, self._banned_until):
                memory.clear()

    def _count(self, scope: Scope, path: str, limit: Limit, now: int, switches: Switches) -> int:
        length = limit.seconds * _SECOND_NS
        arrivals = _recent(self._arrivals[scope], now - length)
        arrivals.append(now)
        if len(arrivals) > limit.count:
            self._above[path] += 1
        if switches["limit_window"] == "sliding":
            return len(arrivals)
        start, used = self._windows.get(scope, (now, 0))
        if now - start >= length:
            start, used = now, 0
        self._windows[scope] = (start, used + 1)
        return used + 1

    def _refuse(self, culprit: str, now: int, switches: Switches) -> int:
        refused = _recent(self._refused[culprit], now - _MINUTE_NS)
        refused.append(now)
        if len(refused) <= switches["ban_after"]:
            return 30013
        refused.clear()
        self._banned_until[culprit] = now + switches["ban_seconds"] * _SECOND_NS
        return 30017


def _recent(times: deque[int], after: int) -> deque[int]:
    while times and times[0] <= after:
        times.popleft()
    return times
