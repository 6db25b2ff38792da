"""Looks at real processes from outside, as the person does who finds one left behind."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 40.0


def wait_until(condition: Callable[[], object], *, patience: float = PATIENCE_SECONDS) -> None:
    """Wait for the condition; fails the test if it never holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def processes_with(variable: str, value: str) -> dict[int, str]:
    """The command of every living process whose environment carries this value."""
    wanted = f"{variable}={value}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(entry.name)] = command
        except OSError:
            continue
    return {process: command for process, command in found.items() if command}


def is_alive(process_id: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def free_port() -> int:
    """A port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
