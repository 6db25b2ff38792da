"""One request out, one answer back: `requests`, held by an adapter of ours.

No redirect, no retry, no proxy from the environment, no cookie, one deadline over the whole call, a
cap on the body. It must not judge an answer, and no text it makes holds a header or a body.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from loans.bitmart.protocol import http_date
from loans.bitmart.responses import Heard
from loans.bitmart.sockets import CALL, BoundHTTPConnection, BoundHTTPSConnection, Call

Seconds = int | Decimal

_CHUNK_BYTES = 64 * 1024
_NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. Header names are lower-case; `is_framed`: it said where it ends."""

    http_status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_framed: bool
    heard: Heard


@dataclass(frozen=True, slots=True)
class Failure:
    """No complete answer. `was_connected` False proves that not one byte was written."""

    reason: str
    was_connected: bool
    was_late: bool = False
    http_status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class _Pool(HTTPConnectionPool):
    ConnectionCls = BoundHTTPConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = BoundHTTPSConnection


class _Adapter(HTTPAdapter):
    """requests' adapter over our connections; its retries are off, as they are by default."""

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        """Make the pools hand out connections that obey the deadline."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class Transport:
    """Makes calls with the same bounds; keeps idle connections until closed."""

    def __init__(self, *, connect_seconds: Seconds, total_seconds: Seconds) -> None:
        """`total_seconds` bounds everything, `connect_seconds` look-up, connecting and TLS."""
        self._connect_ns = int(connect_seconds * _NANOSECONDS)
        self._total_ns = int(total_seconds * _NANOSECONDS)
        self._adapter = _Adapter(max_retries=0)

    def exchange(
        self,
        request: requests.PreparedRequest,
        *,
        limit_bytes: int,
        decode: bool,
        is_single: bool = False,
        on_step: Callable[[str], None] | None = None,
    ) -> Answer | Failure:
        """Send the request at most once and read the whole answer.

        The adapter is asked directly: a requests.Session would read a redirect's body to its end
        although it follows none, mix in cookies, and look into the environment.
        """
        start_ns = time.monotonic_ns()
        call = Call(
            connect_deadline_ns=start_ns + self._connect_ns,
            deadline_ns=start_ns + self._total_ns,
            body=request.body or b"",
            on_step=on_step,
            is_single=is_single,
        )
        # Failures are returned, not raised from where they happened: those frames hold the key's
        # headers in their variables, and a debug page would show them.
        token = CALL.set(call)
        try:
            return self._answer(request, call, start_ns, limit_bytes=limit_bytes, decode=decode)
        except Exception as exc:
            return Failure(_reason(exc, call), call.is_connected, call.is_late)
        finally:
            CALL.reset(token)

    def close(self) -> None:
        """Close idle connections."""
        self._adapter.close()

    def _answer(
        self,
        request: requests.PreparedRequest,
        call: Call,
        start_ns: int,
        *,
        limit_bytes: int,
        decode: bool,
    ) -> Answer | Failure:
        asked_at = datetime.now(UTC)
        response = self._adapter.send(request, stream=True, timeout=None, verify=True)
        answered_ns = time.monotonic_ns()
        headers = MappingProxyType({name.lower(): text for name, text in response.headers.items()})
        round_trip = timedelta(microseconds=(answered_ns - start_ns) // 1000)
        heard = Heard(
            asked_at=asked_at,
            answered_at=asked_at + round_trip,
            round_trip=round_trip,
            exchange_at=http_date(headers.get("date", "")),
        )
        try:
            body = b"".join(_capped(response.raw, limit_bytes, decode=decode))
        except Exception as exc:
            # The status is still worth knowing.
            response.close()
            return Failure(_reason(exc, call), True, call.is_late, response.status_code, headers)
        # Given back to the pool once read to its end, dropped otherwise.
        response.raw.release_conn()
        call.step("answered")
        return Answer(response.status_code, headers, body, _is_framed(headers), heard)


class TooLongError(Exception):
    """The body is longer than was allowed."""


def _capped(raw: urllib3.HTTPResponse, limit_bytes: int, *, decode: bool) -> Iterator[bytes]:
    """Yield the body in pieces, counting decoded bytes."""
    total = 0
    while piece := raw.read(_CHUNK_BYTES, decode_content=decode):
        total += len(piece)
        if total > limit_bytes:
            raise TooLongError
        yield piece


def _is_framed(headers: Mapping[str, str]) -> bool:
    """Whether the answer said, in one way, where it ends; the reader checked that it got there."""
    is_chunked = headers.get("transfer-encoding", "").strip().lower() == "chunked"
    return is_chunked != ("content-length" in headers)


# From the specific to the general; the words are ours, so nothing of the request can be in them.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (TooLongError, "the answer was too long"),
    (socket.gaierror, "the name could not be found"),
    (ssl.SSLCertVerificationError, "the certificate is not valid"),
    (ssl.SSLError, "the TLS connection failed"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionResetError, "the connection was reset"),
    (BrokenPipeError, "the connection was closed while writing"),
    (http.client.RemoteDisconnected, "the connection was closed without an answer"),
    (http.client.IncompleteRead, "the answer was cut off"),
    (urllib3.exceptions.IncompleteRead, "the answer was cut off"),
    (urllib3.exceptions.DecodeError, "the answer could not be decompressed"),
    (http.client.HTTPException, "the answer was not HTTP"),
    (OSError, "the connection failed"),
)


def _reason(exc: BaseException, call: Call) -> str:
    """Say in our own words what went wrong, looking beneath the wrappings of two libraries."""
    beneath = list(_beneath(call.connect_error or exc))
    if call.is_late or any(isinstance(e, TimeoutError) for e in beneath):
        return "no answer in time" if call.is_connected else "no connection in time"
    for kind, words in _REASONS:
        # requests' own errors are OSErrors: only what lies beneath them may match.
        if any(
            isinstance(e, kind) and not isinstance(e, requests.RequestException) for e in beneath
        ):
            return words
    return f"the call failed ({type(exc).__name__})"


def _beneath(exc: BaseException) -> Iterator[BaseException]:
    """Yield the error and everything it wraps or followed from."""
    waiting, seen = [exc], set()
    while waiting:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        wrapped = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
        waiting += [item for item in wrapped if isinstance(item, BaseException)]
