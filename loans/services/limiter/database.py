"""Keeps the count in the database, under the lock of one row a venue; and one process's own count.

For sites without a cache server. Never use it inside an open transaction: the lock would be held
for as long as that lasts.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import DatabaseError, connection, transaction

from loans.models.limits import CallCount
from loans.services.limiter import rules
from loans.services.limiter.stores import Demand, Grant, Outcome, StoreDown

T = TypeVar("T")
Step = Callable[[rules.State, int], T]


class _RulesStore:
    """Runs the rules in one atomic step each; `_locked` says how."""

    def _locked(self, step: Step[T]) -> T:
        raise NotImplementedError

    def acquire(
        self, ticket: str, demands: Sequence[Demand], *, hold_us: int, is_background: bool
    ) -> Grant:
        """Take a permit in every scope, or in none."""
        return self._locked(
            lambda state, now_us: rules.acquire(
                state,
                ticket,
                demands,
                now_us=now_us,
                hold_us=hold_us,
                is_background=is_background,
            )
        )

    def complete(
        self, ticket: str, scopes: Sequence[str], *, outcome: Outcome, jitter_percent: int
    ) -> None:
        """Stamp the permit as completed."""
        self._locked(
            lambda state, now_us: rules.complete(
                state,
                ticket,
                scopes,
                outcome=outcome,
                jitter_percent=jitter_percent,
                now_us=now_us,
            )
        )

    def strike(self, scope: str) -> int:
        """Count a 429, a ban or a page."""
        return self._locked(lambda state, now_us: rules.strike(state, scope, now_us=now_us))

    def shut(self, scope: str, *, for_us: int, needs_canary: bool) -> None:
        """Give no leave for so long."""
        self._locked(
            lambda state, now_us: rules.shut(
                state, scope, for_us=for_us, needs_canary=needs_canary, now_us=now_us
            )
        )

    def tighten(self, scope: str, *, calls: int, window_us: int) -> None:
        """Obey a stricter limit."""
        self._locked(
            lambda state, now_us: rules.tighten(
                state, scope, calls=calls, window_us=window_us, now_us=now_us
            )
        )


class DatabaseStore(_RulesStore):
    """The count of one venue, shared by every process that shares the database."""

    def __init__(self, venue: str) -> None:
        """`venue` names the row."""
        self._venue = venue

    def _locked(self, step: Step[T]) -> T:
        try:
            with transaction.atomic(durable=True):
                rows = CallCount.objects.select_for_update()
                row, _ = rows.get_or_create(venue=self._venue)
                result = step(row.body, _clock_us())
                row.save(update_fields=["body"])
        except DatabaseError as exc:
            raise StoreDown("the database cannot count calls now") from exc
        return result


class ProcessStore(_RulesStore):
    """The count of one process, while the shared one cannot be reached."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._lock = threading.Lock()
        self._state: rules.State = {}

    def _locked(self, step: Step[T]) -> T:
        with self._lock:
            return step(self._state, time.monotonic_ns() // 1000)


def _clock_us() -> int:
    """The clock that all processes share: the server's, or this machine's for a local file."""
    if connection.vendor != "postgresql":
        return time.time_ns() // 1000
    with connection.cursor() as cursor:
        cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return cursor.fetchone()[0]
