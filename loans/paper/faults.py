"""Misbehaviour on request: what to do to which requests, how often, and what the answer becomes.

A fault never touches the books by itself: it decides whether the operation is carried out, when,
and what the caller gets to see of it.
"""

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from loans.bitmart.codes import CODES, SUCCESS
from loans.paper.gate import Route
from loans.paper.messages import HTML_TYPE, Reply, Request, compact

# Name -> whether the operation is carried out, unless the order says otherwise.
FAULTS: Mapping[str, bool] = {
    "refuse": False,  # connection reset before anything is read
    "drop": False,  # read, not carried out, closed
    "execute_then_drop": True,
    "delay": True,  # held before any check, so that a signature may expire meanwhile
    "execute_then_delay": True,
    "late_execution": True,  # accepted and closed; carried out `seconds` later
    "late_record": True,  # carried out; its record shows `seconds` later
    "html_502": False,
    "cloudflare_403": False,
    "truncated": True,
    "wrong_length": True,
    "drip": True,  # a byte at a time
    "gzip_garbage": True,
    "huge": True,  # 8 MiB
    "unknown_code": False,
    "success_without_id": True,
    "id_nan": True,
    "id_number": True,
    "too_many": False,  # 429 with 30013
    "banned": False,  # 418 with 30017
    "too_many_html": False,
    "banned_html": False,
    "redirect": False,  # 307 to `location`
    "code": False,  # `code` with its documented status, or `status`
}
_EIGHT_MIB = 8 * 1024 * 1024
_UNKNOWN_CODE = 59999
_NOWHERE = "http://127.0.0.1:9/"
_MAX_SECONDS = 86_400


@dataclass(slots=True)
class Fault:
    """One order. None matches everything; `skip` lets that many matching requests pass first."""

    id: int
    fault: str
    path: str | None = None
    kind: str | None = None
    access_key: str | None = field(default=None, repr=False)
    count: int | None = 1
    skip: int = 0
    seconds: Decimal = Decimal(0)
    code: int | None = None
    status: int | None = None
    location: str = _NOWHERE
    execute: bool | None = None
    hits: int = 0

    @property
    def executes(self) -> bool:
        """Whether the operation is carried out."""
        return FAULTS[self.fault] if self.execute is None else self.execute

    def matches(self, route: Route, request: Request) -> bool:
        """Whether it is meant for this request."""
        return (
            self.path in (None, route.path)
            and self.kind in (None, route.kind)
            and self.access_key in (None, request.header("X-BM-KEY"))
        )

    def shown(self) -> dict[str, object]:
        """As JSON, without the key."""
        return {
            "id": self.id,
            "fault": self.fault,
            "path": self.path,
            "kind": self.kind,
            "count": self.count,
            "skip": self.skip,
            "seconds": str(self.seconds),
            "code": self.code,
            "status": self.status,
            "execute": self.executes,
            "hits": self.hits,
        }


class FaultList:
    """The orders in force, oldest first; the first that matches acts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, order: Mapping[str, object]) -> Fault:
        """Take an order. Raises: ValueError."""
        checked = _checked(order)
        with self._lock:
            self._last_id += 1
            fault = Fault(id=self._last_id, **checked)
            self._faults.append(fault)
        return fault

    def take(self, route: Route, request: Request, *, refusing: bool = False) -> Fault | None:
        """The fault that acts on this request, counted down; `refusing` asks for resets only."""
        with self._lock:
            for fault in self._faults:
                if (fault.fault == "refuse") != refusing:
                    continue
                if fault.count == 0 or not fault.matches(route, request):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                if fault.count is not None:
                    fault.count -= 1
                return fault
        return None

    def listed(self) -> list[dict[str, object]]:
        """All orders, used up ones too."""
        with self._lock:
            return [fault.shown() for fault in self._faults]

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()


def _checked(order: Mapping[str, object]) -> dict[str, object]:
    name = order.get("fault")
    if name not in FAULTS:
        raise ValueError(f"fault is one of {', '.join(FAULTS)}")
    checked: dict[str, object] = {"fault": name}
    for key, value in order.items():
        if key == "fault":
            continue
        if key not in _SHAPES:
            raise ValueError(f"a fault has no {key}")
        if not _SHAPES[key](value):
            raise ValueError(f"{key}: {value!r} makes no sense")
        checked[key] = Decimal(value) if key == "seconds" else value  # type: ignore[arg-type]
    if name == "code" and "code" not in checked:
        raise ValueError("which code?")
    return checked


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


_SHAPES: Mapping[str, Callable[[object], bool]] = {
    "path": _is_text,
    "kind": _is_text,
    "access_key": _is_text,
    "location": _is_text,
    "count": lambda value: value is None or _is_count(value),
    "skip": _is_count,
    "seconds": lambda value: (
        isinstance(value, int | Decimal)
        and not isinstance(value, bool)
        and 0 <= value <= _MAX_SECONDS
    ),
    "code": _is_count,
    "status": lambda value: isinstance(value, int) and 200 <= value <= 599,
    "execute": lambda value: isinstance(value, bool),
}


def disguise(fault: Fault, honest: Reply | None, route: Route, trace: str) -> Reply:
    """What the caller sees; `honest` is the true answer where the operation was carried out."""
    if fault.fault in _WORDS:
        return _page(fault)
    if fault.fault in ("unknown_code", "code", "too_many", "banned"):
        return _coded(fault, trace)
    if fault.fault == "redirect":
        return Reply(307, b"", headers=(("Location", fault.location.rstrip("/") + route.path),))
    reply = honest if honest is not None else _pretended(route, trace)
    return _DISGUISES[fault.fault](reply, fault)


_WORDS = {
    "html_502": (502, "502 Bad Gateway"),
    "cloudflare_403": (403, "error code: 1010"),
    "too_many_html": (429, "429 Too Many Requests"),
    "banned_html": (418, "418 blocked"),
}


def _page(fault: Fault) -> Reply:
    status, words = _WORDS[fault.fault]
    page = f"<html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"
    return Reply(status, page.encode(), content_type=HTML_TYPE)


def _coded(fault: Fault, trace: str) -> Reply:
    usual = {"unknown_code": _UNKNOWN_CODE, "too_many": 30013, "banned": 30017}
    code = fault.code if fault.code is not None else usual[fault.fault]
    known = CODES.get(code)
    message = known.message if known else "Something nobody has documented"
    status = fault.status or (known.http_status if known else 400)
    envelope = {"message": message, "code": code, "trace": trace, "data": {}}
    return Reply(status, compact(envelope))


def _pretended(route: Route, trace: str) -> Reply:
    """A success that never happened."""
    made_up = {f"{route.kind}_id": secrets.token_hex(16)}
    return Reply(200, compact({"message": "OK", "code": 1000, "trace": trace, "data": made_up}))


def _with_id(reply: Reply, value: object) -> Reply:
    """The same success with another id in its data, None takes it out; a refusal stays as it is."""
    envelope = json.loads(reply.body)
    if envelope["code"] != SUCCESS:
        return reply
    found = {} if value is None else dict.fromkeys(envelope["data"], value)
    return replace(reply, body=compact({**envelope, "data": found}))


def _nan_id(reply: Reply, fault: Fault) -> Reply:
    marked = _with_id(reply, "\x00")
    return replace(marked, body=marked.body.replace(b'"\\u0000"', b"NaN"))


def _padded(reply: Reply, fault: Fault) -> Reply:
    envelope = json.loads(reply.body)
    return replace(reply, body=compact({**envelope, "padding": "0" * _EIGHT_MIB}))


def _dripped(reply: Reply, fault: Fault) -> Reply:
    return replace(reply, wire="drip", drip_ms=int(fault.seconds * 1000) or 200)


_DISGUISES: Mapping[str, Callable[[Reply, Fault], Reply]] = {
    "delay": lambda reply, fault: reply,
    "execute_then_delay": lambda reply, fault: reply,
    "late_record": lambda reply, fault: reply,
    "drop": lambda reply, fault: replace(reply, wire="close"),
    "execute_then_drop": lambda reply, fault: replace(reply, wire="close"),
    "late_execution": lambda reply, fault: replace(reply, wire="close"),
    "truncated": lambda reply, fault: replace(reply, body=reply.body[: len(reply.body) // 2]),
    "wrong_length": lambda reply, fault: replace(reply, wire="short"),
    "drip": _dripped,
    "gzip_garbage": lambda reply, fault: replace(
        reply, body=secrets.token_bytes(256), headers=(("Content-Encoding", "gzip"),)
    ),
    "huge": _padded,
    "success_without_id": lambda reply, fault: _with_id(reply, None),
    "id_nan": _nan_id,
    "id_number": lambda reply, fault: _with_id(reply, 1_000_000 + secrets.randbelow(10**12)),
}
