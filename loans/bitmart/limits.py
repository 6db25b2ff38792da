"""How often the exchange may be called, and the contract of whoever sees to it.

The numbers are the exchange's; the counting lives elsewhere, because all processes share it.

Reference: https://developer-pro.bitmart.com/en/spot/#rate-limit
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

MONEY = "money"
PAIRS = "pairs"
RECORDS = "records"
ACCOUNT = "account"
ORDERS = "orders"
SYSTEM = "system"
QUOTATION = "quotation"

# Priorities, first served first.
SEND, UNKNOWN_OUTCOME, PERSON_WAITING, KEEPING_UP, BACK_FILL = range(5)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` in any `window_seconds`, counted per access key or per address of ours."""

    calls: int
    window_seconds: int
    keyed_by: Literal["key", "ip"]


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        MONEY: Limit(2, 2, "key"),
        PAIRS: Limit(2, 2, "key"),
        # Documented as 150, throttled by older clients at 60 (contradiction C2): the lower is safe.
        RECORDS: Limit(60, 2, "key"),
        ACCOUNT: Limit(12, 2, "key"),
        # Not documented for this one; it is only asked when a key is checked.
        ORDERS: Limit(1, 2, "key"),
        SYSTEM: Limit(10, 1, "ip"),
        QUOTATION: Limit(10, 2, "ip"),
    }
)


class Permit(Protocol):
    """Leave for one call, held until the call has completed."""

    def observe(self, http_status: int, headers: Mapping[str, str]) -> None:
        """Learn from the answer; header names are lower-case."""


class Limiter(Protocol):
    """Counts the calls of one account on one venue, with every other process that calls it."""

    def permit(self, group: str, priority: int) -> AbstractContextManager[Permit]:
        """Wait for leave to make one call of this group.

        Raises: RateLimited if it is not given in time; nothing was asked then.
        """


class NoLimiter:
    """Always gives leave. For tests, and for a venue of our own that counts nothing."""

    def permit(self, group: str, priority: int) -> AbstractContextManager[Permit]:
        """Give leave at once."""
        return nullcontext(_Heedless())


class _Heedless:
    def observe(self, http_status: int, headers: Mapping[str, str]) -> None:
        """Learn nothing."""
