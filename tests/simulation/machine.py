"""The machine that the simulation runs on: its clock, randomness, timers and sockets.

Only the standard library's edges are replaced; everything of ours and of the libraries between runs
as it is. Nothing in here waits: time passes where somebody lets it.
"""

import heapq
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_START_US = int(START.timestamp()) * 1_000_000
MICROSECOND = timedelta(microseconds=1)

Deed = Callable[[], None]


class Machine:
    """Time in whole microseconds since `START`, one stream of bytes for ids, and a calendar."""

    def __init__(self, seed: int) -> None:
        self._bytes = random.Random(f"bytes {seed}")
        self._calendar: list[tuple[int, int, Deed]] = []
        self._entries = 0
        self.elapsed_us = 0
        self.wrap: Callable[[Deed], Deed] = lambda deed: deed

    def time_ns(self) -> int:
        """As `time.time_ns`."""
        return (_START_US + self.elapsed_us) * 1000

    def monotonic_ns(self) -> int:
        """As `time.monotonic_ns`."""
        return (10**6 + self.elapsed_us) * 1000

    def now(self) -> datetime:
        """The time of the exchange, whose clock is right here by definition."""
        return START + self.elapsed_us * MICROSECOND

    def urandom(self, count: int) -> bytes:
        """As `os.urandom`."""
        return self._bytes.randbytes(count)

    def elapse(self, microseconds: int) -> None:
        """Let time pass inside a call; what falls due meanwhile happens at the next `settle`."""
        self.elapsed_us += microseconds

    def at(self, microseconds: int, deed: Deed) -> None:
        """Put something into the calendar, that long from now."""
        self._entries += 1
        heapq.heappush(
            self._calendar, (self.elapsed_us + microseconds, self._entries, self.wrap(deed))
        )

    def settle(self) -> None:
        """Do what is due by now."""
        while self._calendar and self._calendar[0][0] <= self.elapsed_us:
            _, _, deed = heapq.heappop(self._calendar)
            deed()

    def advance(self, microseconds: int) -> None:
        """Let time pass, stopping at everything that falls due on the way."""
        end = self.elapsed_us + microseconds
        while self._calendar and self._calendar[0][0] <= end:
            due, _, deed = heapq.heappop(self._calendar)
            self.elapsed_us = max(self.elapsed_us, due)
            deed()
        self.elapsed_us = max(self.elapsed_us, end)

    @property
    def is_anything_due(self) -> bool:
        """Whether something is still to happen by itself."""
        return bool(self._calendar)

    @contextmanager
    def running(self, sockets: type) -> Iterator[None]:
        """Be the machine that everything in this process runs on."""
        machine = self

        class Timer:
            """As `threading.Timer`."""

            daemon = True

            def __init__(
                self, interval: object, function: Callable[..., None], args: Sequence[object] = ()
            ) -> None:
                self._delay_us, self._deed = int(interval * 10**6), lambda: function(*args)

            def start(self) -> None:
                """Into the calendar."""
                machine.at(self._delay_us, self._deed)

            def cancel(self) -> None:
                """The calendar is thrown away with the machine."""

        with ExitStack() as edges:
            for place, name, ours in (
                (time, "time_ns", self.time_ns),
                (time, "monotonic_ns", self.monotonic_ns),
                (os, "urandom", self.urandom),
                (random, "_urandom", self.urandom),
                (threading, "Timer", Timer),
                (socket, "socket", sockets),
            ):
                edges.enter_context(patch.object(place, name, ours))
            yield
