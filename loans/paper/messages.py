"""A request and a reply as this exchange sees them, and the envelope around every answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

from loans.bitmart.codes import SUCCESS
from loans.paper import ids
from loans.paper.refusals import Refusal
from loans.paper.switches import Switches

JSON_TYPE = "application/json;charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What came in; header names are lower case, `body` is untouched bytes."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    client: str

    def header(self, name: str) -> str:
        """A header without surrounding blanks, "" where it is missing."""
        return self.headers.get(name.lower(), "").strip()

    def query_fields(self) -> dict[str, object]:
        """The query, decoded; of a name given twice the last counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes out. `wire` is how: "whole", "reset", "close" (nothing), "short" or "drip"."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    wire: str = "whole"
    drip_ms: int = 0

    @property
    def reason(self) -> str:
        """The words after the status."""
        return HTTPStatus(self.status).phrase if self.status in _STATUSES else "Status"


_STATUSES = frozenset(int(status) for status in HTTPStatus)


def success(
    content: object, *, message: str, now_ms: int, switches: Switches, headers: Mapping[str, str]
) -> Reply:
    """Code 1000 around some data."""
    return _envelope(200, SUCCESS, message, content, now_ms, switches, headers)


def refusal(
    found: Refusal, *, now_ms: int, switches: Switches, headers: Mapping[str, str]
) -> Reply:
    """A code with its documented status."""
    content: object = {} if switches["error_data"] == "object" else None
    status = switches["status_59001"] if found.code == 59001 else found.http_status
    return _envelope(status, found.code, found.message, content, now_ms, switches, headers)


def _envelope(
    status: int,
    code: int,
    message: str,
    content: object,
    now_ms: int,
    switches: Switches,
    headers: Mapping[str, str],
) -> Reply:
    envelope = {
        "message": message,
        "code": code,
        "trace": ids.trace(now_ms, switches["trace"]),
        "data": content,
    }
    return Reply(status, compact(envelope), headers=tuple(headers.items()))


def compact(value: object) -> bytes:
    """JSON without blanks, as the exchange sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def plain(status: int, value: object) -> Reply:
    """A JSON answer of the controls, which have no envelope."""
    return Reply(status, json.dumps(value, indent=1).encode() + b"\n")
