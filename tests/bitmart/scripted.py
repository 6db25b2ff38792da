"""A small TCP server on a free loopback port that does exactly what a test tells it to.

It speaks bytes, not HTTP: most of what it has to do no HTTP server would. Every connection is
handed to the script in a thread of its own; what was received is kept.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

Script = Callable[["Connection"], None]


class Connection:
    """One accepted connection, with verbs for good and bad behaviour."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""

    def read_request(self) -> bytes:
        """Read one request, body included; return its body."""
        while b"\r\n\r\n" not in self.received:
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            self.received += piece
        head, _, body = self.received.partition(b"\r\n\r\n")
        while len(body) < _content_length(head):
            piece = self.sock.recv(65536)
            if not piece:
                return body
            self.received += piece
            body += piece
        return body

    def write(self, content: bytes) -> None:
        self.sock.sendall(content)

    def drip(self, content: bytes, *, pause_seconds: float = 0.05) -> None:
        """Write one byte at a time until the other side has had enough."""
        for byte in content:
            try:
                self.sock.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(pause_seconds)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class ScriptedServer:
    """Runs one script for every connection and keeps what each received."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[Connection] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[bytes]:
        """What every connection that said anything received, whole."""
        return [c.received for c in self.connections if c.received]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(sock)
            self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: Connection) -> None:
        try:
            self._script(connection)
        except OSError:
            pass
        finally:
            connection.sock.close()


def http_answer(
    body: bytes,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
) -> bytes:
    """An HTTP answer; `length` is what Content-Length says, the truth if None."""
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body) if length is None else length),
        "Connection": "close",
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {text}" for name, text in fields.items() if text)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(body: bytes, **how: object) -> Script:
    """A script that reads a request and gives this answer."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.write(http_answer(body, **how))

    return script


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, text = line.partition(b":")
        if name.lower() == b"content-length":
            return int(text)
    return 0
