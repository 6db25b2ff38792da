"""The exchange without its sockets: a request in, a reply out.

It finds the endpoint, lets a fault have its way, passes the gate, and runs the endpoint.
"""

import hashlib
import threading
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

from loans.paper import controls, faults, ids, messages
from loans.paper.books import Books
from loans.paper.clock import Clock
from loans.paper.faults import Fault, FaultList
from loans.paper.gate import Call, Passage, Route, check
from loans.paper.limits import Limiter
from loans.paper.messages import Reply, Request
from loans.paper.refusals import Refusal
from loans.paper.routes import ROUTES
from loans.paper.store import Store

_MONEY_KINDS = ("borrow", "repay", "transfer")
_REMEMBERED = 10_000


class Traffic:
    """What came in, for tests: requests by path, and every money call with the answer's code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: Counter[str] = Counter()
        self._money: deque[dict[str, object]] = deque(maxlen=_REMEMBERED)

    def count(self, request: Request, route: Route, now_ms: int) -> dict[str, object]:
        """Count a request; the entry of a money call can be completed later."""
        entry: dict[str, object] = {
            "path": route.path,
            "at_ms": now_ms,
            "timestamp": request.header("X-BM-TIMESTAMP"),
            "body_sha256": hashlib.sha256(request.body).hexdigest(),
            "account": None,
            "executed": False,
            "code": None,
        }
        with self._lock:
            self._paths[route.path] += 1
            if route.kind in _MONEY_KINDS:
                self._money.append(entry)
        return entry

    def shown(self) -> dict[str, object]:
        """As JSON."""
        with self._lock:
            return {"requests": dict(self._paths), "money": [dict(entry) for entry in self._money]}


class Exchange:
    """Everything behind the socket; thread-safe."""

    def __init__(self, state: Path, *, seed: int, expiry_seconds: int | None = None) -> None:
        self.store = Store(state)
        self.seed = seed
        self.clock = Clock(self.store)
        self.books = Books(self.store, seed=seed, expiry_seconds=expiry_seconds)
        self.books.settle(self.clock.now_ms())
        self.limiter = Limiter()
        self.faults = FaultList()
        self.traffic = Traffic()
        self._stopping = threading.Event()
        self._later: list[threading.Timer] = []

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path.startswith(controls.PREFIX):
            return controls.answer(self, request)
        route = ROUTES.get(request.path)
        if route is None:
            return self._refuse(Refusal(30000), Passage())
        entry = self.traffic.count(request, route, self.clock.now_ms())
        fault = self.faults.take(route, request)
        if fault is None:
            return self._serve(route, request, entry)
        return self._misbehave(fault, route, request, entry)

    def resets(self, request: Request) -> bool:
        """Whether a fault wants this connection reset, seen before the body is read."""
        route = ROUTES.get(request.path)
        return route is not None and self.faults.take(route, request, refusing=True) is not None

    def failed(self) -> Reply:
        """What is answered where answering failed."""
        return self._refuse(Refusal(59002), Passage())

    def hurry(self) -> None:
        """Let nothing wait any longer; what was to happen later does not."""
        self._stopping.set()
        for timer in self._later:
            timer.cancel()

    def close(self) -> None:
        """Close the file; no request may be under way."""
        self.hurry()
        self.store.close()

    def _serve(
        self, route: Route, request: Request, entry: dict[str, object], late_ms: int = 0
    ) -> Reply:
        passage = Passage()
        try:
            call = self._admit(route, request, passage, late_ms)
            content = route.handler(call)
        except Refusal as found:
            entry |= {"code": found.code, "account": _account(passage)}
            return self._refuse(found, passage)
        entry |= {"code": 1000, "account": _account(passage), "executed": True}
        return messages.success(
            content,
            message=route.message,
            now_ms=call.now_ms,
            switches=call.switches,
            headers=self._headers(passage),
        )

    def _admit(self, route: Route, request: Request, passage: Passage, late_ms: int) -> Call:
        now_ms = self.clock.now_ms()
        call = check(route, request, passage, books=self.books, limiter=self.limiter, now_ms=now_ms)
        return replace(call, late_ms=late_ms)

    def _refuse(self, found: Refusal, passage: Passage) -> Reply:
        return messages.refusal(
            found,
            now_ms=self.clock.now_ms(),
            switches=self.books.rules.switches,
            headers=self._headers(passage),
        )

    def _headers(self, passage: Passage) -> dict[str, str]:
        if passage.usage is None:
            return {}
        return passage.usage.headers(self.books.rules.switches)

    def _misbehave(
        self, fault: Fault, route: Route, request: Request, entry: dict[str, object]
    ) -> Reply:
        late_ms = int(fault.seconds * 1000)
        honest = None
        if fault.fault == "delay":
            self._pause(late_ms)
        if fault.fault == "late_execution":
            self._execute_later(late_ms, route, request, entry)
        elif fault.executes:
            late = late_ms if fault.fault == "late_record" else 0
            honest = self._serve(route, request, entry, late)
        if fault.fault == "execute_then_delay":
            self._pause(late_ms)
        return faults.disguise(fault, honest, route, ids.trace(self.clock.now_ms()))

    def _execute_later(
        self, late_ms: int, route: Route, request: Request, entry: dict[str, object]
    ) -> None:
        """Pass the gate now, while the signature is valid; carry it out later."""
        passage = Passage()
        try:
            call = self._admit(route, request, passage, 0)
        except Refusal as found:
            entry |= {"code": found.code, "account": _account(passage)}
            return
        entry["account"] = _account(passage)
        timer = threading.Timer(late_ms / 1000, self._run_late, (route, call, entry))
        timer.daemon = True
        self._later.append(timer)
        timer.start()

    def _run_late(self, route: Route, call: Call, entry: dict[str, object]) -> None:
        try:
            route.handler(replace(call, now_ms=self.clock.now_ms()))
        except Refusal as found:
            entry["code"] = found.code
        else:
            entry |= {"code": 1000, "executed": True}

    def _pause(self, pause_ms: int) -> None:
        self._stopping.wait(pause_ms / 1000)


def _account(passage: Passage) -> int | None:
    return passage.key.account if passage.key is not None else None
