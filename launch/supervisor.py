"""Keeps the processes running: starts them, collects what they print, restarts what dies, ends all.

One thread and no timers of its own: it sleeps until a process speaks or ends, a restart is due, or
somebody asks to stop. It knows nothing of what the processes do.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from launch.output import Output
from launch.parentage import die_with_parent
from launch.runtime import READY_LINE

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
CALM_SECONDS = 60.0  # after running this long a process starts over with the shortest delay
READ_BYTES = 65536


@dataclass
class Service:
    """A process that ought to run."""

    name: str
    command: list[str]
    environment: dict[str, str]
    grace_seconds: float = 5.0
    stop_last: bool = False  # others need it to finish their work
    is_ready: Callable[[], bool] | None = None  # None: it says so itself, with READY_LINE
    has_said_ready: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    failures: int = 0
    started_at: float = 0.0
    due_at: float | None = None


class Supervisor:
    """Runs the services until asked to stop.

    `register` is told of every process group that begins (True) or is gone (False).
    """

    def __init__(self, output: Output, register: Callable[[int, bool], None]) -> None:
        self.output = output
        self.services: list[Service] = []
        self.stop_requests = 0
        self._register = register
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)

    def listen_to_signals(self) -> None:
        """Wake up when a child ends; stop on SIGTERM, SIGINT and SIGHUP."""
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._request_stop)

    def stop_when_closed(self, descriptor: int) -> None:
        """Stop once the other end of this pipe is closed: whoever held it is dead."""
        self._selector.register(descriptor, selectors.EVENT_READ, self._request_stop)

    def start(self, service: Service) -> None:
        """Start a process in a group of its own, so that Ctrl-C reaches us alone."""
        if service not in self.services:
            self.services.append(service)
        own_id = os.getpid()
        try:
            process = subprocess.Popen(  # noqa: S603
                service.command,
                env=service.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=lambda: die_with_parent(own_id),
            )
        except OSError as exc:
            self.output.write("start", f"{service.name} could not be started: {exc}")
            self._schedule_restart(service)
            return
        service.process, service.started_at, service.due_at = process, time.monotonic(), None
        service.has_said_ready = False
        self._register(process.pid, True)
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, service)

    def wait(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Serve until the condition holds (True), or time is up or a stop is asked (False)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.stop_requests:
            if until():
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._serve(deadline)
            self._restart_what_is_due()
        return False

    def stop(self) -> None:
        """End everything in order: first who works, then what the workers need.

        A second request to stop cuts the grace short; so does nothing else.
        """
        asked = self.stop_requests
        for last in (False, True):
            batch = [s for s in self.services if s.stop_last is last and s.process]
            self._end(batch, hurried=lambda: self.stop_requests > max(asked, 1))

    def _end(self, batch: list[Service], hurried: Callable[[], bool]) -> None:
        for service in batch:
            _signal_group(service.process.pid, signal.SIGTERM, only_leader=True)
        began = time.monotonic()
        while waiting := [s for s in batch if s.process is not None]:
            for service in waiting:
                if hurried() or time.monotonic() - began > service.grace_seconds:
                    _signal_group(service.process.pid, signal.SIGKILL)
            self._serve(time.monotonic() + 0.1, restart=False)

    def _serve(self, deadline: float | None, *, restart: bool = True) -> None:
        """Sleep until something happens, then collect output and the dead."""
        dues = [s.due_at for s in self.services if s.due_at is not None]
        moments = dues + ([deadline] if deadline is not None else [])
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, Service):
                self._collect(key.data)
            elif key.data is not None:
                self._selector.unregister(key.fileobj)
                key.data()
            else:
                _drain(self._wake_reader)
        for service in self.services:
            if service.process is not None and service.process.poll() is not None:
                self._bury(service, restart=restart)

    def _collect(self, service: Service) -> None:
        stream = service.process.stdout if service.process else None
        if stream is None:
            return
        try:
            data = os.read(stream.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        if data:
            lines = self.output.feed(service.name, data)
            service.has_said_ready = service.has_said_ready or READY_LINE in lines
        else:
            self._stop_listening(stream)

    def _bury(self, service: Service, *, restart: bool) -> None:
        """Take note of a process that ended, and end what it left of its group."""
        process = service.process
        self._collect(service)
        _signal_group(process.pid, signal.SIGKILL)
        self._stop_listening(process.stdout)
        process.stdout.close()
        self._register(process.pid, False)
        service.process = None
        if restart and not self.stop_requests:
            if time.monotonic() - service.started_at > CALM_SECONDS:
                service.failures = 0
            self.output.write("start", f"{service.name} {_ending(process.returncode)}")
            self._schedule_restart(service)

    def _stop_listening(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(KeyError):  # its end was seen before
            self._selector.unregister(stream)

    def _schedule_restart(self, service: Service) -> None:
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**service.failures)
        service.failures += 1
        service.due_at = time.monotonic() + delay

    def _restart_what_is_due(self) -> None:
        for service in self.services:
            if service.due_at is not None and time.monotonic() >= service.due_at:
                self.start(service)

    def _request_stop(self, *_: object) -> None:
        self.stop_requests += 1


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, READ_BYTES):
            pass
    except BlockingIOError:
        pass


def _signal_group(group: int, number: int, *, only_leader: bool = False) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(group, number) if only_leader else os.killpg(group, number)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}; it is started again."
    return f"ended with code {code}; it is started again."
