"""A started marginsite: `python3 run.py` with every real process, on free ports."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from launch.config import ROOT
from tests.start.processes import free_port, processes_with, wait_until


class Running:
    """A started marginsite with a data directory of its own, and settings that are not usual."""

    def __init__(self, data_dir: Path, log: Path, **settings: str) -> None:
        self.data_dir, self.log, self.settings = data_dir, log, settings
        self.port, self.paper_port = free_port(), free_port()
        self.start()

    def start(self) -> None:
        """Start it, again with the same data."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "run.py"],
                cwd=ROOT,
                env=environment(self.data_dir, self.port, self.paper_port) | self.settings,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> None:
        def settled() -> bool:
            assert self.process.poll() is None, self.output()
            return f"http://localhost:{self.port}" in self.output()

        wait_until(settled, patience=60)

    def kept(self) -> dict[str, tuple[int, bytes]]:
        """The mode and the content of all that is in the data directory, and of itself. The
        database's files beside it come and go meanwhile.
        """
        found = {}
        for path in (self.data_dir, *self.data_dir.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                content = path.read_bytes() if path.is_file() else b""
                found[str(path.relative_to(self.data_dir))] = path.stat().st_mode, content
        return found

    def processes(self) -> dict[int, str]:
        return processes_with("MARGINSITE_DATA_DIR", str(self.data_dir))

    def find(self, text: str) -> int:
        return min(p for p, command in self.processes().items() if text in command)

    def end_whatever_is_left(self) -> None:
        for process_id in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        self.process.wait()


def environment(data_dir: Path, port: int, paper_port: int) -> dict[str, str]:
    """What a start sees that has nothing to do with the one that runs the tests."""
    mine = {"MARGINSITE_VENV": sys.prefix, "MARGINSITE_DATA_DIR": str(data_dir)}
    mine |= {"MARGINSITE_PORT": str(port), "PAPER_PORT": str(paper_port)}
    empty = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "PAPER_BASE_URL")
    leave_out = ("DJANGO_SETTINGS_MODULE", *empty)
    kept = {name: value for name, value in os.environ.items() if name not in leave_out}
    return kept | mine
