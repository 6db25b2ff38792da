"""The network between the site and the exchange: sockets without a wire, and what goes wrong there.

A connection hands the bytes that were written to the exchange's own HTTP handler, now, later or
never, and hands back what that one wrote, whole or not.
"""

import io
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from loans.paper.exchange import Exchange
from loans.paper.messages import Reply, Request
from loans.paper.server import Handler
from tests.simulation.machine import Machine

MONEY_PATHS = (b"POST /spot/v1/margin/isolated/borrow ", b"POST /spot/v1/margin/isolated/repay ")
SECOND_US = 1_000_000
NEVER_US = 10**12

# What the network does by itself. The rest are faults of the exchange (loans/paper/faults.py).
NOT_CONNECTED = ("refused", "connect_timeout")
LOST_ON_THE_WAY = ("reset_on_write", "lost", "cut", "stuck")
LOST_ON_THE_WAY_BACK = ("answer_late", "answer_reset")

# Name -> weight. "+" after a fault of the exchange: the operation is carried out all the same.
MONEY_FAULTS = {
    **dict.fromkeys((*NOT_CONNECTED, "reset_on_write", "lost", "cut"), 2),
    **{"stuck": 6, "answer_late": 6, "answer_reset": 5, "late_execution": 6, "late_record": 6},
    **dict.fromkeys(("drop", "execute_then_drop", "truncated", "wrong_length", "drip"), 3),
    **dict.fromkeys(("gzip_garbage", "success_without_id", "id_nan", "id_number"), 2),
    **dict.fromkeys(("html_502", "html_502+", "cloudflare_403", "cloudflare_403+"), 2),
    **dict.fromkeys(("unknown_code", "unknown_code+", "redirect", "redirect+"), 2),
    **dict.fromkeys(("too_many", "banned", "too_many_html", "too_many_html+", "banned_html"), 1),
    **{"code 51003": 2, "code 30005": 1, "code 50022+": 1, "code 59002+": 1, "huge": 1},
}
READ_FAULTS = {
    **dict.fromkeys((*NOT_CONNECTED, "lost", "answer_late", "answer_reset", "drop"), 2),
    **dict.fromkeys(("html_502", "truncated", "wrong_length", "too_many", "cloudflare_403"), 2),
    **{"unknown_code": 1, "slow": 3, "too_many_html": 1, "gzip_garbage": 1},
}


@dataclass
class Sent:
    """One money call as the wire saw it: by which worker's instruction, and which bytes."""

    sender: str
    bytes_written: int = 0
    body: bytes = b""


@dataclass
class Network:
    """Opens connections for whoever runs now, with the weather of the moment."""

    machine: Machine
    exchange: Exchange
    random: Random
    sender: Callable[[], str]  # whose call the running worker makes
    is_money: Callable[[], bool]
    on_connect: Callable[[str], None]
    money_faults: int = 40  # percent
    read_faults: int = 5
    money: list[Sent] = field(default_factory=list)
    log: Callable[[str], None] = print
    _doing_for: str = ""

    @property
    def doing_for(self) -> str:
        """Whose request the exchange is carrying out at this moment; empty if it is nobody's."""
        return self._doing_for

    def pick_fault(self) -> str:
        """What happens to the coming call; empty if nothing."""
        is_money = self.is_money()
        chance, faults = (
            (self.money_faults, MONEY_FAULTS) if is_money else (self.read_faults, READ_FAULTS)
        )
        if self.random.randrange(100) >= chance:
            return ""
        (fault,) = self.random.choices(list(faults), weights=list(faults.values()))
        self.log(f"  network: {fault}")
        return fault

    def carry(self, message: bytes, *, sender: str, fault: str) -> list[tuple[int, bytes]]:
        """Let the exchange answer; the pieces of its answer, each with the pause before it."""
        if fault:
            self.exchange.faults.add(_order(fault, self.random))
        site = _Site(self.exchange)
        connection = _Connection(message, site)
        previous, self._doing_for = self._doing_for, sender
        try:
            Handler(connection, ("127.0.0.1", 1), site)
        finally:
            self._doing_for = previous
            self.exchange.faults.clear()
        return connection.pieces

    def carry_later(self, message: bytes, *, sender: str, microseconds: int) -> None:
        """What is stuck on the way arrives after all, when nobody waits for the answer."""

        def arrive() -> None:
            self.carry(message, sender=sender, fault="")

        self.machine.at(microseconds, arrive)

    def keep_sender(self, deed: Callable[[], None]) -> Callable[[], None]:
        """The deed, which counts as done for who sends now, whenever it is done."""
        sender = self._doing_for

        def done() -> None:
            previous, self._doing_for = self._doing_for, sender
            try:
                deed()
            finally:
                self._doing_for = previous

        return done


def _order(fault: str, random: Random) -> dict[str, object]:
    name, _, code = fault.removesuffix("+").partition(" ")
    order: dict[str, object] = {"fault": name}
    if code:
        order["code"] = int(code)
    if fault.endswith("+"):
        order["execute"] = True
    if name == "late_execution":
        order["seconds"] = random.choice((1, 20, 55, 240, 540))
    if name == "late_record":
        order["seconds"] = random.choice((3, 30, 90, 115))
    return order


class _Site:
    """What a handler takes for its server."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.pause_us = 0
        self.is_reset = False

    def reply(self, request: Request) -> Reply:
        """The exchange's answer; a defect of it ends the simulation."""
        return self.exchange.answer(request)

    def pause(self, pause_ms: int) -> None:
        """Before the next piece."""
        self.pause_us += pause_ms * 1000

    def forsake(self, connection: object) -> None:
        """The caller sees a reset."""
        self.is_reset = True


class _Connection:
    """The exchange's end: gives the request, keeps the answer."""

    def __init__(self, message: bytes, site: _Site) -> None:
        self._message, self._site = message, site
        self.pieces: list[tuple[int, bytes]] = []

    def makefile(self, mode: str, size: int = -1) -> io.BytesIO:
        return io.BytesIO(self._message)

    def sendall(self, content: bytes) -> None:
        self.pieces.append((self._site.pause_us, bytes(content)))
        self._site.pause_us = 0

    def settimeout(self, seconds: object) -> None: ...

    def setsockopt(self, *option: object) -> None: ...


_READABLE = os.open(os.devnull, os.O_RDONLY)  # looks closed to a pool, so nothing is used twice


def sockets_of(network: Network) -> type:
    """The class that stands for `socket.socket` while a simulation runs."""

    class SimulatedSocket:
        """Our end of a connection."""

        def __init__(self, *kind: object) -> None:
            self._timeout_us = NEVER_US
            self._fault = ""
            self._written = bytearray()
            self._pieces: deque[tuple[int, bytes]] | None = None
            self._sent: Sent | None = None

        def setsockopt(self, *option: object) -> None: ...

        def settimeout(self, seconds: object) -> None:
            self._timeout_us = int(seconds * SECOND_US)

        def fileno(self) -> int:
            return _READABLE

        def close(self) -> None: ...

        def shutdown(self, how: int) -> None: ...

        def connect(self, address: tuple) -> None:
            network.on_connect("money" if network.is_money() else "read")
            self._fault = network.pick_fault()
            if self._fault == "refused":
                raise ConnectionRefusedError
            if self._fault == "connect_timeout":
                self._time_out()
            self._sender = network.sender()
            self._pass(network.random.randrange(200, 60_000))
            if network.is_money():
                self._sent = Sent(self._sender)
                network.money.append(self._sent)

        def sendall(self, content: bytes) -> None:
            if self._fault == "reset_on_write":
                raise ConnectionResetError
            self._written += content
            if self._sent is not None:
                self._sent.bytes_written += len(content)
            if _is_whole(self._written):
                self._arrive(bytes(self._written))

        def _arrive(self, message: bytes) -> None:
            if self._sent is not None:
                self._sent.body = message.partition(b"\r\n\r\n")[2]
            self._pieces = deque()
            if self._fault in ("lost", "cut"):
                return
            if self._fault == "stuck":
                seconds = network.random.choice((1, 30, 58, 62, 90, 400, 3600))
                network.carry_later(message, sender=self._sender, microseconds=seconds * SECOND_US)
                return
            ours = (*LOST_ON_THE_WAY_BACK, "slow")
            fault = "" if self._fault in ours else self._fault
            self._pieces.extend(network.carry(message, sender=self._sender, fault=fault))

        def recv_into(self, buffer: memoryview) -> int:
            if self._fault in ("answer_late", "lost", "stuck"):
                self._time_out()
            if self._fault in ("answer_reset", "cut"):
                raise ConnectionResetError
            if not self._pieces:
                return 0
            pause_us, piece = self._pieces.popleft()
            self._pass(pause_us or network.random.randrange(*self._pauses()))
            buffer[: len(piece)] = piece[: len(buffer)]
            if len(piece) > len(buffer):
                self._pieces.appendleft((1, piece[len(buffer) :]))
            return min(len(piece), len(buffer))

        def _pauses(self) -> tuple[int, int]:
            return (4_000_000, 14_000_000) if self._fault == "slow" else (200, 90_000)

        def _pass(self, microseconds: int) -> None:
            if microseconds > self._timeout_us:
                self._time_out()
            network.machine.elapse(microseconds)

        def _time_out(self) -> None:
            network.machine.elapse(self._timeout_us)
            raise TimeoutError

    return SimulatedSocket


def _is_whole(message: bytes | bytearray) -> bool:
    head, end, body = bytes(message).partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return True
