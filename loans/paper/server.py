"""HTTP/1.1 over plain sockets for the paper exchange, and the class that starts and stops it.

A handler of its own rather than WSGI: faults reset connections, cut answers short and let them
drip, which only the owner of the socket can do. Rules and endpoints are elsewhere.
"""

import logging
import re
import selectors
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from loans.paper.exchange import Exchange
from loans.paper.messages import Reply, Request, plain

DEFAULT_SEED = 20260726
_BODY_LIMIT_BYTES = 1024 * 1024
_IDLE_SECONDS = 60
_FAREWELL_SECONDS = 3
_BREATH_MS = 50

logger = logging.getLogger(__name__)


class Handler(BaseHTTPRequestHandler):
    """One connection: requests in turn until either side closes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: "_Server"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _answer(self) -> None:
        request = self._request()
        if self.server.exchange.resets(request):
            self._send(Reply(200, b"", wire="reset"))
            return
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send(plain(413, {"error": "the body's length is missing, wrong or too large"}))
            return
        self._send(self.server.reply(replace(request, body=body)))

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        return Request(
            method=self.command,
            path=unquote(path),
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=b"",
            client=self.client_address[0],
        )

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _answer  # noqa: N815

    def _read_body(self) -> bytes | None:
        """The body, or None where its length is not known or too large."""
        if self.headers.get("Transfer-Encoding"):
            return None
        text = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > _BODY_LIMIT_BYTES:
            return None
        return self.rfile.read(int(text))

    def _send(self, reply: Reply) -> None:
        if reply.wire == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.server.forsake(self.connection)
        if reply.wire in ("reset", "close"):
            self.close_connection = True
            return
        body = b"" if self.command == "HEAD" else reply.body
        message = self._head(reply) + body
        if reply.wire == "drip":
            self._drip(message, reply.drip_ms)
        else:
            self.wfile.write(message)

    def _head(self, reply: Reply) -> bytes:
        length = len(reply.body)
        if reply.wire == "short":
            length += 64
            self.close_connection = True
        lines = [
            f"HTTP/1.1 {reply.status} {reply.reason}",
            f"Date: {formatdate(self.server.exchange.clock.now_ms() // 1000, usegmt=True)}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in reply.headers),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _drip(self, message: bytes, pause_ms: int) -> None:
        for place in range(len(message)):
            self.wfile.write(message[place : place + 1])
            self.server.pause(pause_ms)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: an access log would carry keys and drown the one line that matters."""


class _Server(ThreadingHTTPServer):
    """Listens, keeps track of its connections, and lets answers under way finish on stop."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], exchange: Exchange) -> None:
        self.exchange = exchange
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._forsaken: set[socket.socket] = set()
        self._stopping = threading.Event()
        self._bell, self._ringer = socket.socketpair()
        super().__init__(address, Handler)

    def begin(self) -> None:
        """Accept connections, in a thread."""
        self._acceptor = threading.Thread(target=self._accept, name="paper", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        """Until the bell rings; sleeps without waking up for nothing."""
        with self._bell, selectors.DefaultSelector() as selector:
            for waiting in (self.socket, self._bell):
                selector.register(waiting, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._bell in ready:
                    return
                try:
                    self.process_request(*self.get_request())
                except OSError:
                    # Too many open files, or a caller who is gone already: not in a hurry.
                    self.pause(_BREATH_MS)

    def reply(self, request: Request) -> Reply:
        """The exchange's answer; a defect of ours is an internal error of the exchange."""
        try:
            return self.exchange.answer(request)
        except Exception:
            logger.exception("the paper exchange failed to answer %s", request.path)
            return self.exchange.failed()

    def pause(self, pause_ms: int) -> None:
        """Wait, but not longer than until the stop."""
        self._stopping.wait(pause_ms / 1000)

    def forsake(self, connection: socket.socket) -> None:
        """Close this one without a farewell, so that the peer sees a reset."""
        with self._lock:
            self._forsaken.add(connection)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            abrupt = request in self._forsaken
            self._forsaken.discard(request)
        if abrupt:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("connection lost", exc_info=True)

    def finish(self) -> None:
        """Take no more requests, let answers under way go out, close everything."""
        self._stopping.set()
        self.exchange.hurry()
        self._ringer.close()
        self._acceptor.join()
        self.server_close()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        deadline = time.monotonic_ns() + _FAREWELL_SECONDS * 1_000_000_000
        for thread in open_now.values():
            thread.join(max(0, deadline - time.monotonic_ns()) / 1_000_000_000)
        self.exchange.close()


class PaperExchange:
    """A paper exchange with its own file and port; port 0 takes a free one.

    Use as a context manager, or `start` and `stop`; it can be started again on the same file.
    """

    def __init__(
        self,
        state: Path,
        *,
        port: int = 0,
        bind: str = "127.0.0.1",
        seed: int = DEFAULT_SEED,
        expiry_seconds: int | None = None,
    ) -> None:
        self._state = Path(state)
        self._address = (bind, port)
        self._seed = seed
        self._expiry_seconds = expiry_seconds
        self._server: _Server | None = None

    @property
    def base_url(self) -> str:
        """Where it listens. The port stays the same over a restart."""
        host, port = self._address
        name = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 (compared, not bound)
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    @property
    def exchange(self) -> Exchange:
        """What is behind the socket, while it runs."""
        assert self._server is not None
        return self._server.exchange

    def start(self) -> Self:
        """Open the file and the port, and serve in a thread. Raises: OSError, StateInUse."""
        exchange = Exchange(self._state, seed=self._seed, expiry_seconds=self._expiry_seconds)
        try:
            self._server = _Server(self._address, exchange)
        except BaseException:
            exchange.close()
            raise
        self._address = (self._address[0], self._server.server_address[1])
        self._server.begin()
        return self

    def stop(self) -> None:
        """Close the port, finish what is under way, close the file."""
        if self._server is not None:
            self._server.finish()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
