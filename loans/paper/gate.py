"""The gate before every endpoint: key, address, permission, rate, timestamp, signature, body.

The checks and their order are those of the fact sheet. Endpoints that want a key only do not look
at signature and timestamp, as the real ones do not.
"""

import hmac
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from loans.bitmart.protocol import Malformed, decode_json, sign
from loans.paper.accounts import Key
from loans.paper.books import Books
from loans.paper.limits import Limit, Limiter, Usage
from loans.paper.messages import Request
from loans.paper.refusals import Refusal
from loans.paper.switches import Switches

_MAX_WINDOW_MS = 60_000
_DEFAULT_WINDOW_MS = 5_000
_V4_SKEW_MS = 1_000


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted request, for its endpoint."""

    books: Books
    now_ms: int
    fields: dict[str, object] = field(repr=False)
    key: Key | None = None
    late_ms: int = 0

    @property
    def switches(self) -> Switches:
        """The switches in force."""
        return self.books.rules.switches

    @property
    def account(self) -> int:
        """Whose account it is; only behind a key."""
        assert self.key is not None
        return self.key.account


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. `auth` is NONE, KEYED or SIGNED; `permission` what a key needs for it."""

    method: str
    path: str
    auth: str
    limit: Limit
    handler: Callable[[Call], object]
    permission: str = "read"
    message: str = "OK"

    @property
    def kind(self) -> str:
        """The last word of the path, by which faults may name it."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_v4(self) -> bool:
        """Whether recvWindow counts."""
        return self.path.startswith("/spot/v4/")


@dataclass(slots=True)
class Passage:
    """How far a request came: known even where it is refused, for headers and counts."""

    key: Key | None = None
    usage: Usage | None = None


def check(
    route: Route, request: Request, passage: Passage, *, books: Books, limiter: Limiter, now_ms: int
) -> Call:
    """Pass the gate. Raises: Refusal; `passage` says how far it came."""
    switches = books.rules.switches
    if request.method != route.method:
        raise Refusal(57001)
    if switches["maintenance"] and route.auth != "NONE":
        raise Refusal(30016)
    if route.auth != "NONE":
        passage.key = _key(request, books, now_ms)
        _check_origin(passage.key, request)
        if route.permission not in passage.key.terms.permissions:
            raise Refusal(switches["missing_permission"])
    passage.usage = _count(route, request, passage.key, limiter, switches)
    if passage.usage.code is not None:
        raise Refusal(passage.usage.code)
    if passage.key is not None:
        _check_signature(route, request, passage.key, now_ms, switches)
    fields = _fields(request)
    return Call(books=books, now_ms=now_ms, fields=fields, key=passage.key)


def _key(request: Request, books: Books, now_ms: int) -> Key:
    access_key = request.header("X-BM-KEY")
    if not access_key:
        raise Refusal(30001)
    key = books.find_key(access_key)
    if key is None:
        raise Refusal(30002)
    if key.terms.frozen:
        raise Refusal(30003)
    if key.terms.expires_ms is not None and key.terms.expires_ms <= now_ms:
        raise Refusal(30011)
    return key


def _check_origin(key: Key, request: Request) -> None:
    if not key.terms.ips:
        return
    client = ipaddress.ip_address(request.client)
    if all(client != ipaddress.ip_address(allowed) for allowed in key.terms.ips):
        raise Refusal(30010)


def _count(
    route: Route, request: Request, key: Key | None, limiter: Limiter, switches: Switches
) -> Usage:
    limit = route.limit
    if route.kind.endswith("_record"):
        limit = replace(limit, count=switches["record_limit"])
    caller = key.access_key if key is not None and limit.mode == "KEY" else request.client
    return limiter.hit(route.path, limit, caller=caller, client=request.client, switches=switches)


def _check_signature(
    route: Route, request: Request, key: Key, now_ms: int, switches: Switches
) -> None:
    if route.auth == "SIGNED":
        timestamp_ms = _timestamp(route, request, now_ms, switches)
        _compare(request, key, timestamp_ms, request.body)
        return
    reading = switches["keyed_signature"]
    if reading != "ignored" and request.header("X-BM-SIGN"):
        timestamp_ms = _timestamp(route, request, now_ms, switches)
        _compare(request, key, timestamp_ms, request.query.encode() if reading == "query" else b"")


def _compare(request: Request, key: Key, timestamp_ms: int, signed: bytes) -> None:
    given = request.header("X-BM-SIGN")
    if not given:
        raise Refusal(30004)
    right = sign(timestamp_ms=timestamp_ms, memo=key.memo, body=signed, secret=key.secret)
    if not hmac.compare_digest(given.encode(), right.encode()):
        raise Refusal(30005)


def _timestamp(route: Route, request: Request, now_ms: int, switches: Switches) -> int:
    text = request.header("X-BM-TIMESTAMP")
    if not text:
        raise Refusal(30006)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        if route.is_v4:
            raise Refusal(30006, "Header X-BM-TIMESTAMP must be long type")
        raise Refusal(30008)
    timestamp_ms = int(text)
    if route.is_v4:
        _check_window(request, timestamp_ms, now_ms)
    elif abs(now_ms - timestamp_ms) > switches["expiry_seconds"] * 1000:
        raise Refusal(30007)
    return timestamp_ms


def _check_window(request: Request, timestamp_ms: int, now_ms: int) -> None:
    window = _DEFAULT_WINDOW_MS
    try:
        given = _fields(request).get("recvWindow")
    except Refusal:
        given = None  # the body is complained about in its own turn
    if given is not None:
        window = _window(given)
    if not (timestamp_ms < now_ms + _V4_SKEW_MS and now_ms - timestamp_ms <= window):
        raise Refusal(30007, "Header X-BM-TIMESTAMP range. Outside of the recvWindow")


def _window(given: object) -> int:
    text = str(given)
    if isinstance(given, bool) or not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Refusal(30007, "The recvWindow must be long type")
    if not 0 < int(text) <= _MAX_WINDOW_MS:
        raise Refusal(30007, "The recvWindow must be less than 60000 and greater than 0")
    return int(text)


def _fields(request: Request) -> dict[str, object]:
    if request.method != "POST":
        return request.query_fields()
    if not request.header("Content-Type").lower().startswith("application/json"):
        raise Refusal(58001)
    try:
        found = decode_json(request.body or b"{}")
    except Malformed as exc:
        raise Refusal(30018) from exc
    if not isinstance(found, dict):
        raise Refusal(30018)
    return found
