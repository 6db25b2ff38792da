"""Workers: threads of which one runs at a time, so that the seed decides who runs when.

A worker may be told to die or to pause at a step, at a call, or at a statement of the database.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connections


class Dead(BaseException):
    """The process is gone: nothing in it catches this, and what was not committed is lost."""


@dataclass(frozen=True)
class Plan:
    """What becomes of a worker. Steps are those that the code announces, and "ask" for a read."""

    die_at: str = ""
    pause_at: tuple[str, ...] = ()
    die_at_statement: int = 0
    fail_at_statement: int = 0

    def __str__(self) -> str:
        told = [f"dies at {self.die_at}"] if self.die_at else []
        told += [f"pauses at {', '.join(self.pause_at)}"] if self.pause_at else []
        told += [f"dies at statement {self.die_at_statement}"] if self.die_at_statement else []
        told += [f"database fails at {self.fail_at_statement}"] if self.fail_at_statement else []
        return "; ".join(told) or "runs through"


class Worker:
    """One process of the site at work on one thing."""

    def __init__(self, name: str, job: Callable[["Worker"], None], plan: Plan, about: str) -> None:
        self.name, self.plan, self.about = name, plan, about
        self.step = ""
        self.is_over = False
        self.failure: Exception | None = None
        self._job = job
        self._statements = 0
        self._must_die = False
        self._go, self._stop = threading.Semaphore(0), threading.Semaphore(0)
        self._shared = connections["default"]
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Let it run until it pauses or is over."""
        self._go.release()
        self._stop.acquire()

    def kill(self) -> None:
        """End it where it pauses."""
        if not self.is_over:
            self._must_die = True
            self.run()

    def reached(self, step: str) -> None:
        """Hear how far it is, from inside its thread; here it may die or pause."""
        if step != "ask":
            self.step = step
        if step == self.plan.die_at:
            raise Dead
        if step in self.plan.pause_at:
            self._stop.release()
            self._go.acquire()
            if self._must_die:
                raise Dead

    def statement(self, execute: Callable[..., Any], *args: Any) -> Any:
        """Around each statement of the database that it runs."""
        self._statements += 1
        if self._statements == self.plan.die_at_statement:
            raise Dead
        if self._statements == self.plan.fail_at_statement:
            raise OperationalError("database is locked")
        return execute(*args)

    def _live(self) -> None:
        connections["default"] = self._shared
        self._go.acquire()
        with suppress(Dead):
            try:
                if not self._must_die:
                    self._job(self)
            except Exception as exc:
                self.failure = exc
        self.is_over = True
        self._stop.release()
