"""Child processes that end, stop or go on exactly where a cell says.

A child is forked from a warm parent, runs one piece of work against the same database, and leaves
without tidying up: what it had open is closed by the system, as after a crash.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from django.db import connections

PATIENCE_SECONDS = 60
Step = Callable[[str], None]


class Stuck(AssertionError):
    """A child neither ended nor stopped in time."""


def steps(*, kill_at: str = "", stop_at: tuple[str, ...] = (), then: Step | None = None) -> Step:
    """What a child does at each named step: die at once, or stop until it is continued."""

    def step(name: str) -> None:
        if then is not None:
            then(name)
        if name in stop_at:
            connections.close_all()  # it is reconnected to whatever is there when it goes on
            os.kill(os.getpid(), signal.SIGSTOP)
        if name == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


class Child:
    """A forked process; what it raised comes back as text."""

    def __init__(self, work: Callable[[], None]) -> None:
        connections.close_all()  # a connection must not be used on both sides of a fork
        self._read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read_end)
            _live(work, write_end)
        os.close(write_end)
        self.has_ended = False
        self.was_killed = False
        self.error = ""

    def wait(self, patience_seconds: int = PATIENCE_SECONDS) -> "Child":
        """Until it has ended."""
        while not self.wait_for_stop(patience_seconds):
            self.go_on()
        return self

    def wait_for_stop(self, patience_seconds: int = PATIENCE_SECONDS) -> bool:
        """Until it stopped (False) or ended (True)."""
        until = time.monotonic() + patience_seconds
        while not self.has_ended:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return False
            if pid:
                self._ended(status)
            elif time.monotonic() > until:
                self.kill()
                raise Stuck("a process did not end")
            else:
                time.sleep(0.001)
        return True

    def go_on(self) -> None:
        """Continue it after a stop."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, from outside."""
        if not self.has_ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._ended(os.waitpid(self.pid, 0)[1])

    def _ended(self, status: int) -> None:
        self.has_ended = True
        self.was_killed = os.WIFSIGNALED(status)
        with os.fdopen(self._read_end, "rb") as pipe:
            self.error = pipe.read().decode()


def _live(work: Callable[[], None], write_end: int) -> None:
    try:
        work()
    except BaseException:
        os.write(write_end, traceback.format_exc()[-3000:].encode())
    finally:
        os._exit(0)
