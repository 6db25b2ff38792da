"""Sockets that obey one deadline, however slowly the other side drips.

`requests` bounds each single read; here every step of a call (look-up, connecting, TLS, writing,
each read) gets only the time that is left of the whole. The running call travels in a context
variable, because the libraries between us and the socket have no place for it.
"""

import io
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Real

from urllib3.connection import HTTPConnection, HTTPSConnection

_NANOSECONDS = 10**9


@dataclass(slots=True)
class Call:
    """One call under way: its deadlines on the monotonic clock, and how far it got."""

    connect_deadline_ns: int
    deadline_ns: int
    body: bytes = field(default=b"", repr=False)
    on_step: Callable[[str], None] | None = None
    is_single: bool = False
    connects: int = 0
    is_connected: bool = False
    is_late: bool = False
    connect_error: Exception | None = None

    def seconds_left(self, *, connecting: bool = False) -> Real:
        """What is left, as sockets want it.

        Raises: TimeoutError when nothing is.
        """
        end = min(self.connect_deadline_ns, self.deadline_ns) if connecting else self.deadline_ns
        left = end - time.monotonic_ns()
        if left <= 0:
            self.is_late = True
            raise TimeoutError("out of time")
        return left / _NANOSECONDS

    def step(self, name: str) -> None:
        """Tell how far it got; tests stop the process here."""
        if self.on_step is not None:
            self.on_step(name)


CALL: ContextVar[Call] = ContextVar("CALL")


class BoundSocket:
    """A connected socket whose reads and writes end with the call's deadline."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket."""
        self._sock = sock
        self._readers = 0
        self._is_closed = False

    def sendall(self, content: bytes) -> None:
        """Write everything within the time left."""
        self._sock.settimeout(CALL.get().seconds_left())
        self._sock.sendall(content)

    def recv_into(self, buffer: memoryview) -> int:
        """Read once within the time left; 0 is the end."""
        self._sock.settimeout(CALL.get().seconds_left())
        try:
            return self._sock.recv_into(buffer)
        except TimeoutError:
            CALL.get().is_late = True
            raise

    def makefile(self, mode: str) -> io.BufferedReader:
        """Open for reading, as http.client wants it."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: object) -> None:
        """Ignore: the deadline rules."""

    def fileno(self) -> int:
        """The descriptor, for asking whether an idle connection is still good."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """End the stream."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close once the last reader is done: http.client closes before the body is read."""
        self._is_closed = True
        if not self._readers:
            self._sock.close()

    def release(self) -> None:
        """Note that a reader is done."""
        self._readers -= 1
        if self._is_closed and not self._readers:
            self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, owner: BoundSocket) -> None:
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        return self._owner.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._owner.release()


def resolve(host: str, port: int, seconds: Real) -> list[tuple]:
    """Look a name up within `seconds`, which the system's own look-up does not promise."""
    try:
        numeric = socket.AI_NUMERICHOST
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)
    except socket.gaierror:
        pass
    answers: queue.SimpleQueue[list[tuple] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as exc:
            answers.put(exc)

    threading.Thread(target=ask, daemon=True, name="name-look-up").start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name look-up took too long") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def open_socket(host: str, port: int, call: Call) -> socket.socket:
    """Connect to the first address that answers, sharing the time left among them."""
    addresses = resolve(host, port, call.seconds_left(connecting=True))
    failure: OSError = OSError("the name has no address")
    for tried, address in enumerate(addresses):
        share = call.seconds_left(connecting=True) / (len(addresses) - tried)
        try:
            sock = _connected(address, share)
        except OSError as exc:
            failure = exc
            continue
        # TLS follows on this socket: its handshake is part of connecting.
        sock.settimeout(call.seconds_left(connecting=True))
        return sock
    raise failure


def _connected(address_info: tuple, seconds: Real) -> socket.socket:
    family, kind, protocol, _, address = address_info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(seconds)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _connect(connection: HTTPConnection, connect: Callable[[], None]) -> None:
    """Run a connection's own connect step, then put its socket under the deadline."""
    call = CALL.get()
    call.connects += 1
    if call.is_single and call.connects > 1:
        raise OSError("a second connection for one call was refused")
    try:
        connect()
        call.seconds_left(connecting=True)
    except Exception as exc:
        # urllib3 overlooks a reset here and stumbles over the missing socket later.
        call.connect_error = exc
        raise
    connection.sock = BoundSocket(connection.sock)
    call.is_connected = True
    call.step("connected")


def _send(connection: HTTPConnection, content: bytes, send: Callable[[bytes], None]) -> None:
    """Write; when somebody watches the steps, the body goes in two halves."""
    call = CALL.get()
    if connection.sock is None:
        connection.connect()
    # From here on something may have left us, whatever happens next.
    call.is_connected = True
    is_body = bool(call.body) and content == call.body
    if not is_body or call.on_step is None:
        send(content)
        return
    middle = len(content) // 2
    send(content[:middle])
    call.step("half_written")
    send(content[middle:])
    call.step("written")


class BoundHTTPConnection(HTTPConnection):
    """urllib3's connection over a socket that obeys the call's deadline."""

    def _new_conn(self) -> socket.socket:
        return open_socket(self.host, self.port, CALL.get())

    def connect(self) -> None:
        """Connect within the deadline."""
        _connect(self, super().connect)

    def send(self, data: bytes) -> None:
        """Write within the deadline."""
        _send(self, data, super().send)


class BoundHTTPSConnection(HTTPSConnection):
    """The same with TLS, whose handshake is part of connecting."""

    def _new_conn(self) -> socket.socket:
        return open_socket(self.host, self.port, CALL.get())

    def connect(self) -> None:
        """Connect and shake hands within the deadline."""
        _connect(self, super().connect)

    def send(self, data: bytes) -> None:
        """Write within the deadline."""
        _send(self, data, super().send)
