"""What a store of the shared count must do, whatever it is made of.

A permit of a scope is given only when fewer than `calls` permits were completed within the last
window or are still held. Counting from completion, not from sending, is what keeps the exchange
from ever seeing more than it allows, however long calls are under way. A holder that died counts as
completed when its hold ends. All times are microseconds of the store's own clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

SECOND_US = 1_000_000
LONGEST_WINDOW_US = 2 * SECOND_US
# So long a store that lost its memory gives no leave.
SETTLE_US = LONGEST_WINDOW_US
# After this long without a 429, a ban or a page the next one counts as the first again.
FORGET_US = 3600 * SECOND_US
# Failures in a row after which background calls pause.
BREAKER_FAILURES = 5
BREAKER_LONGEST_US = 60 * SECOND_US


class StoreDown(Exception):
    """The shared count cannot be reached."""


class Outcome(StrEnum):
    """How a call ended, as far as the limiter cares."""

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Demand:
    """One scope that a call counts in. `percent` is the share of it that its class may use."""

    scope: str
    calls: int
    window_us: int
    percent: int

    def allowed(self, calls: int) -> int:
        """How many of `calls` this class may use; never none, or it could not work at all."""
        return max(1, calls * self.percent // 100)


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave if `wait_us` is 0. `own_calls`: how many of ours the first scope counts with it."""

    wait_us: int
    own_calls: int = 0


class Store(Protocol):
    """Every method is one atomic step, and raises StoreDown if it cannot be taken."""

    def acquire(
        self, ticket: str, demands: Sequence[Demand], *, hold_us: int, is_background: bool
    ) -> Grant:
        """Take a permit in every scope, or in none and say how long to wait at least."""

    def complete(
        self, ticket: str, scopes: Sequence[str], *, outcome: Outcome, jitter_percent: int
    ) -> None:
        """The call has ended; the last scope (the address) also counts failures in a row."""

    def strike(self, scope: str) -> int:
        """Count a 429, a ban or a page; those that arrive while the scope is shut count as one."""

    def shut(self, scope: str, *, for_us: int, needs_canary: bool) -> None:
        """Give no leave for so long; after it one call alone, until it is answered."""

    def tighten(self, scope: str, *, calls: int, window_us: int) -> None:
        """Obey a stricter limit that the exchange told, besides our own table, for an hour."""
