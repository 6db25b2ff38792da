"""The limiter's rules over a plain dictionary: for the database store, and for one process alone.

The Redis store has the same rules as scripts; the tests run both against the same cases. No I/O.
"""

from collections.abc import Sequence
from typing import Any

from loans.services.limiter.stores import (
    BREAKER_FAILURES,
    BREAKER_LONGEST_US,
    FORGET_US,
    LONGEST_WINDOW_US,
    SECOND_US,
    SETTLE_US,
    Demand,
    Grant,
    Outcome,
)

State = dict[str, Any]
Scope = dict[str, Any]

_CANARY_POLL_US = SECOND_US // 5


def acquire(
    state: State,
    ticket: str,
    demands: Sequence[Demand],
    *,
    now_us: int,
    hold_us: int,
    is_background: bool,
) -> Grant:
    """Take a permit in every scope, or in none and say how long to wait at least."""
    born = state.setdefault("born", now_us)
    waits = [born + SETTLE_US - now_us]
    for demand in demands:
        scope = _scope(state, demand.scope)
        _forget(scope, now_us)
        waits += _gate_waits(scope, now_us, is_background=is_background)
        waits.append(_window_wait(scope, now_us, demand.allowed(demand.calls), demand.window_us))
        if told := scope.get("told"):
            waits.append(_window_wait(scope, now_us, demand.allowed(told[0]), told[1]))
    wait = max(waits)
    if wait > 0:
        return Grant(wait)
    for demand in demands:
        _scope(state, demand.scope)["log"][ticket] = now_us + hold_us
    first = demands[0]
    return Grant(0, _count(_scope(state, first.scope)["log"], now_us - first.window_us))


def complete(
    state: State,
    ticket: str,
    scopes: Sequence[str],
    *,
    outcome: Outcome,
    jitter_percent: int,
    now_us: int,
) -> None:
    """Stamp the permit as completed, open what was ajar, or count a failure."""
    for name in scopes:
        scope = _scope(state, name)
        if ticket in scope["log"]:
            scope["log"][ticket] = now_us
        if outcome is Outcome.ANSWERED:
            scope.pop("canary", None)
            scope.pop("failures", None)
    if outcome is Outcome.FAILED:
        address = _scope(state, scopes[-1])
        failures = address["failures"] = address.get("failures", 0) + 1
        if failures >= BREAKER_FAILURES:
            longest = min(BREAKER_LONGEST_US, SECOND_US << min(failures - BREAKER_FAILURES + 1, 10))
            address["breaker"] = now_us + SECOND_US + longest * jitter_percent // 100


def strike(state: State, name: str, *, now_us: int) -> int:
    """Count one more, unless the scope is shut already."""
    scope = _scope(state, name)
    if scope.get("closed", 0) > now_us:
        return scope.get("strikes", 1)
    recent = scope.get("struck", 0) > now_us - FORGET_US
    scope["strikes"] = scope.get("strikes", 0) + 1 if recent else 1
    scope["struck"] = now_us
    return scope["strikes"]


def shut(state: State, name: str, *, for_us: int, needs_canary: bool, now_us: int) -> None:
    """Close the scope, never for less than it is closed already."""
    scope = _scope(state, name)
    scope["closed"] = max(scope.get("closed", 0), now_us + for_us)
    if needs_canary:
        scope["canary"] = True


def tighten(state: State, name: str, *, calls: int, window_us: int, now_us: int) -> None:
    """Remember the stricter limit, with when it is to be forgotten."""
    _scope(state, name)["told"] = [calls, window_us, now_us + FORGET_US]


def _scope(state: State, name: str) -> Scope:
    scope = state.setdefault("scopes", {}).setdefault(name, {})
    scope.setdefault("log", {})
    return scope


def _forget(scope: Scope, now_us: int) -> None:
    if scope.get("told", (0, 0, now_us))[2] <= now_us:
        scope.pop("told", None)
    oldest = now_us - max(LONGEST_WINDOW_US, scope.get("told", (0, 0))[1])
    scope["log"] = {ticket: at for ticket, at in scope["log"].items() if at > oldest}


def _gate_waits(scope: Scope, now_us: int, *, is_background: bool) -> list[int]:
    waits = [scope.get("closed", 0) - now_us]
    if scope.get("canary") and _count(scope["log"], now_us):
        waits.append(_CANARY_POLL_US)
    if is_background:
        waits.append(scope.get("breaker", 0) - now_us)
    return waits


def _window_wait(scope: Scope, now_us: int, calls: int, window_us: int) -> int:
    """0 if a call fits, otherwise how long at least until one does."""
    within = sorted(at for at in scope["log"].values() if at > now_us - window_us)
    if len(within) < calls:
        return 0
    leaves_first = within[-calls]
    # A held permit counts until a whole window after it is given back, whenever that will be.
    return window_us if leaves_first > now_us else leaves_first + window_us - now_us


def _count(log: dict[str, int], after_us: int) -> int:
    return sum(1 for at in log.values() if at > after_us)
