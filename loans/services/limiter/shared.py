"""What a client holds: asks the shared count for leave, waits in turn, and learns from answers."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from loans.bitmart import limits
from loans.bitmart.errors import RateLimited
from loans.bitmart.limits import LIMITS, Limiter
from loans.services.limiter.database import ProcessStore
from loans.services.limiter.feedback import Direction, Feedback
from loans.services.limiter.stores import SECOND_US, Demand, Grant, Outcome, Store, StoreDown

T = TypeVar("T")

# The share of a scope that each class of calls may use; the rest is kept for those before it.
SHARES = {
    limits.SEND: 100,
    limits.UNKNOWN_OUTCOME: 100,
    limits.PERSON_WAITING: 80,
    limits.KEEPING_UP: 60,
    limits.BACK_FILL: 40,
}
# How long each class waits for leave before it gives up; the next tick asks again.
PATIENCE_SECONDS = {
    limits.SEND: 10,
    limits.UNKNOWN_OUTCOME: 10,
    limits.PERSON_WAITING: 8,
    limits.KEEPING_UP: 6,
    limits.BACK_FILL: 15,
}
# All calls from this address, and the share of one key in them. The exchange names no such limit;
# what stands in front of it has one.
ADDRESS_CALLS, ADDRESS_WINDOW_SECONDS, KEY_PERCENT = 200, 2, 25
# Longer than any call may be under way.
HOLD_SECONDS = 45
# Without the shared count: as if so many processes called at once, each with an eighth of its part.
_LONELY_FACTOR = 8 * 4
_LONELY = ProcessStore()


class SharedLimiter:
    """Counts the calls of one key on one venue, together with every other process.

    `key` is the fingerprint, or empty for calls without a key. Money fails closed: if the shared
    count cannot be reached, no leave is given, and nothing has been sent.
    """

    def __init__(
        self, store: Store, *, venue: str, key: str = "", hold_seconds: int = HOLD_SECONDS
    ) -> None:
        """`hold_seconds` must be longer than any call may take."""
        self._store = store
        self._key = key
        self._hold_us = hold_seconds * SECOND_US
        self._direction = Direction.of(venue)

    @contextmanager
    def permit(self, group: str, priority: int) -> Iterator[Feedback]:
        """Wait for leave to make one call of this group, and count it until it has completed.

        Raises: RateLimited if leave is not given in time; nothing was asked then.
        """
        ticket = secrets.token_hex(8)
        demands = self._demands(group, priority)
        store, grant = self._wait(ticket, demands, group=group, priority=priority)
        feedback = Feedback(
            store,
            demands=demands,
            limit=LIMITS[group],
            own_calls=grant.own_calls,
            direction=self._direction,
        )
        try:
            yield feedback
        finally:
            scopes = [demand.scope for demand in demands]
            _forgive(lambda: self._complete(store, ticket, scopes, feedback.outcome))

    def _wait(
        self, ticket: str, demands: Sequence[Demand], *, group: str, priority: int
    ) -> tuple[Store, Grant]:
        give_up_us = _clock_us() + PATIENCE_SECONDS[priority] * SECOND_US
        store = self._store
        while True:
            try:
                grant = store.acquire(
                    ticket,
                    demands,
                    hold_us=self._hold_us,
                    is_background=priority >= limits.KEEPING_UP,
                )
            except StoreDown as exc:
                if group == limits.MONEY:
                    raise RateLimited("the count of calls cannot be reached") from exc
                store, demands = _LONELY, [_lonely(demand) for demand in demands]
                continue
            if not grant.wait_us:
                return store, grant
            if _clock_us() + grant.wait_us > give_up_us:
                seconds = -(-grant.wait_us // SECOND_US)
                why = "a pause after a refusal" if seconds > 5 else "too many calls are waiting"
                raise RateLimited(why, retry_after_seconds=seconds)
            time.sleep(grant.wait_us / SECOND_US)

    def _demands(self, group: str, priority: int) -> list[Demand]:
        limit, percent = LIMITS[group], SHARES[priority]
        is_keyed = limit.keyed_by == "key"
        own = f"key:{self._key}:{group}" if is_keyed else f"ip:{group}"
        demands = [Demand(own, limit.calls, limit.window_seconds * SECOND_US, percent)]
        window_us = ADDRESS_WINDOW_SECONDS * SECOND_US
        if is_keyed:
            share = ADDRESS_CALLS * KEY_PERCENT // 100
            demands.append(Demand(f"key:{self._key}", share, window_us, percent))
        # The address comes last: its gate is the one that bans and failures shut.
        return [*demands, Demand("ip", ADDRESS_CALLS, window_us, percent)]

    def _complete(self, store: Store, ticket: str, scopes: list[str], outcome: Outcome) -> None:
        store.complete(ticket, scopes, outcome=outcome, jitter_percent=secrets.randbelow(100))


class GiveWay:
    """A limiter for background calls: waits while `is_busy`; money has the key to itself."""

    def __init__(self, limiter: Limiter, *, is_busy: Callable[[], bool], seconds: int = 30) -> None:
        """After `seconds` of waiting it gives up; the next tick asks again."""
        self._limiter = limiter
        self._is_busy = is_busy
        self._seconds = seconds

    @contextmanager
    def permit(self, group: str, priority: int) -> Iterator[limits.Permit]:
        """Wait until money is through, then for leave."""
        if priority >= limits.KEEPING_UP:
            self._wait()
        with self._limiter.permit(group, priority) as permit:
            yield permit

    def _wait(self) -> None:
        give_up_us = _clock_us() + self._seconds * SECOND_US
        while self._is_busy():
            if _clock_us() > give_up_us:
                raise RateLimited("an instruction is being sent with this key")
            time.sleep(1)


def _lonely(demand: Demand) -> Demand:
    """So little that all processes together stay within the limit without knowing of each other."""
    return Demand(demand.scope, 1, demand.window_us * _LONELY_FACTOR // demand.calls, 100)


def _forgive(step: Callable[[], T]) -> T | None:
    """A permit that cannot be given back ends by itself when its hold does."""
    try:
        return step()
    except StoreDown:
        return None


def _clock_us() -> int:
    return time.monotonic_ns() // 1000
