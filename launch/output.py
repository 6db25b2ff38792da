"""What the processes print: to the console, and to a file that is bounded."""

import logging
import logging.handlers
import sys
from collections import deque
from pathlib import Path

from launch.runtime import make_private

FILE_BYTES = 5_000_000
FILES_KEPT = 3
LONGEST_LINE = 20_000
REMEMBERED_LINES = 15


class Output:
    """Collects lines by the name of who wrote them."""

    def __init__(self, log_dir: Path, *, file_only: tuple[str, ...] = ()) -> None:
        make_private(log_dir)
        self._file_only = file_only
        handler = logging.handlers.RotatingFileHandler(
            log_dir / "marginsite.log",
            maxBytes=FILE_BYTES,
            backupCount=FILES_KEPT,
            encoding="utf-8",
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._file = logging.getLogger("launch.output")
        self._file.handlers[:] = [handler]
        self._file.propagate = False
        self._file.setLevel(logging.INFO)
        self._rests: dict[str, bytes] = {}
        self.last_lines: dict[str, deque[str]] = {}

    def feed(self, name: str, data: bytes) -> list[str]:
        """Take bytes as they come; write, and give back, the lines that are complete."""
        *lines, rest = (self._rests.get(name, b"") + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._rests[name] = rest
        complete = [line.decode("utf-8", "replace").rstrip() for line in lines]
        for line in complete:
            self.write(name, line)
        return complete

    def write(self, name: str, line: str) -> None:
        """Write one line."""
        self.last_lines.setdefault(name, deque(maxlen=REMEMBERED_LINES)).append(line)
        text = f"{name:<8}| {line}"
        self._file.info("%s", text)
        if name in self._file_only:
            return
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except OSError:
            pass  # the terminal is gone; the file has it
