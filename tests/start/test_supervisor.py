"""The supervisor and its watcher, with real processes that are really killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.config import ROOT
from tests.start.processes import is_alive, processes_with, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

# A service that starts a child of its own, which does not ask to die with it.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""
# A service that finishes its work after SIGTERM, and says so.
CAREFUL = """
import pathlib, signal, sys, time
def finish(*_):
    time.sleep(0.5)
    pathlib.Path(sys.argv[1]).write_text("finished")
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print("ready", flush=True)
time.sleep(600)
"""
DRIVER = """
import os, pathlib, sys
from launch.output import Output
from launch.supervisor import Service, Supervisor
from launch.watcher import run_guarded

scratch = pathlib.Path(sys.argv[1])

def supervise(lifeline, register):
    supervisor = Supervisor(Output(scratch / "logs"), register)
    supervisor.listen_to_signals()
    supervisor.stop_when_closed(lifeline)
    variables = {**os.environ}
    parent = [sys.executable, "-c", sys.argv[2]]
    careful = [sys.executable, "-c", sys.argv[3], str(scratch / "finished")]
    supervisor.start(Service("parent", parent, variables))
    supervisor.start(Service("careful", careful, variables))
    supervisor.wait(lambda: False)
    supervisor.stop()
    return 0

sys.exit(run_guarded(supervise))
"""


class Driven:
    """A supervisor that runs apart, and what belongs to it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.outer = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(scratch), PARENT, CAREFUL],
            cwd=ROOT,
            env={**os.environ, "SUPERVISOR_TEST": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def processes(self) -> dict[int, str]:
        return processes_with("SUPERVISOR_TEST", str(self.scratch))

    def log(self) -> str:
        path = self.scratch / "logs" / "marginsite.log"
        return path.read_text() if path.exists() else ""

    def find(self, text: str) -> int | None:
        """A process that is supervised, by what it runs."""
        living = self.processes().items()
        return next((p for p, c in living if text in c and "run_guarded" not in c), None)

    def inner(self) -> int:
        mine = [p for p, command in self.processes().items() if "run_guarded" in command]
        return next(p for p in mine if p != self.outer.pid)


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Driven]:
    """A supervisor with two services that are ready."""
    driven = Driven(tmp_path)
    wait_until(lambda: driven.log().count("| ready") == 2)
    yield driven
    for process_id in driven.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    driven.outer.wait()
    driven.outer.stdout.close()


def test_a_killed_service_comes_back_and_its_children_go(driven: Driven) -> None:
    parent = driven.find("subprocess.Popen")
    child = driven.find("-c import time; time.sleep(600)")
    assert parent
    assert child

    os.kill(parent, signal.SIGKILL)

    wait_until(lambda: driven.log().count("parent  | ready") == 2)
    assert not is_alive(child)
    assert driven.find("subprocess.Popen") != parent
    assert "parent was ended by SIGKILL; it is started again." in driven.log()


def test_sigterm_lets_a_service_finish_and_leaves_nothing(driven: Driven) -> None:
    driven.outer.terminate()

    assert driven.outer.wait(timeout=20) == 0
    assert (driven.scratch / "finished").read_text() == "finished"
    assert driven.processes() == {}


def test_a_killed_start_still_stops_in_order_and_leaves_nothing(driven: Driven) -> None:
    driven.outer.kill()

    wait_until(lambda: not driven.processes())
    assert (driven.scratch / "finished").read_text() == "finished"


def test_a_killed_supervisor_leaves_nothing(driven: Driven) -> None:
    os.kill(driven.inner(), signal.SIGKILL)

    assert driven.outer.wait(timeout=20) == 128 + signal.SIGKILL
    wait_until(lambda: not driven.processes())


def test_both_killed_at_once_leave_none_of_their_own_children(driven: Driven) -> None:
    services = [driven.find("subprocess.Popen"), driven.find("signal.SIGTERM, finish")]

    os.kill(driven.outer.pid, signal.SIGSTOP)  # so that it cannot clean up
    os.kill(driven.inner(), signal.SIGKILL)
    os.kill(driven.outer.pid, signal.SIGKILL)

    wait_until(lambda: not any(is_alive(service) for service in services))
