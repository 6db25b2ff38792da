"""Two processes guard each other, so that nothing is left behind whichever of them is killed.

The outer one (which the person started) only waits; the inner one supervises. If the outer dies,
the inner sees a pipe close and stops everything in order. If the inner dies, its children die by
the kernel's hand on Linux, and the outer ends the process groups it was told of everywhere.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from launch.console import say

LINE_BYTES = 4096


def run_guarded(supervise: Callable[[int, Callable[[int, bool], None]], int]) -> int:
    """Run `supervise(lifeline, register)` in a process of its own; answers its exit code."""
    lifeline_reader, lifeline_writer = os.pipe()
    group_reader, group_writer = os.pipe()
    inner = os.fork()
    if inner == 0:
        os.close(lifeline_writer)
        os.close(group_reader)
        os._exit(_inner(supervise, lifeline_reader, group_writer))
    os.close(lifeline_reader)
    os.close(group_writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: _pass_on(inner, received))
    return _watch(inner, group_reader)


def _inner(
    supervise: Callable[[int, Callable[[int, bool], None]], int], lifeline: int, groups: int
) -> int:
    """Out of the terminal's group, so that Ctrl-C comes once, from the outer process."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def register(group: int, begins: bool) -> None:
        with contextlib.suppress(BrokenPipeError):  # the outer process is dead; we are to stop
            os.write(groups, f"{'+' if begins else '-'}{group}\n".encode())

    try:
        return supervise(lifeline, register)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1


def _watch(inner: int, group_reader: int) -> int:
    """Wait for the inner process; if it was killed, end what it had started."""
    groups: set[int] = set()
    pending = b""
    while data := os.read(group_reader, LINE_BYTES):
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    _, status = os.waitpid(inner, 0)
    for group in groups:
        _kill_group(group)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    say(f"The supervisor was ended by {signal.Signals(-code).name}, and everything with it.")
    return 128 - code


def _kill_group(group: int) -> None:
    """SIGKILL until the group is empty; what cannot be reached any more is gone."""
    for _ in range(50):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.02)


def _pass_on(inner: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(inner, number)
