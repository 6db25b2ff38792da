"""`python3 run.py` as a person meets it, with every real process, on free ports."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch import broker
from launch.config import ROOT
from tests.start.processes import free_port, is_alive, wait_until
from tests.start.running import Running, environment

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or broker.missing_wheel() is not None,
    reason="looks at processes through /proc, and needs the embedded broker",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One start for several tests; each leaves it running."""
    # Deep enough that the broker's socket does not fit beside the data.
    scratch = tmp_path_factory.mktemp("run")
    data = scratch / ("deep" * 25)
    running = Running(data, scratch / "output", TRUSTED_PROXIES="127.0.0.1")
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.end_whatever_is_left()


def status(port: int, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_page_answers_when_its_address_is_shown(running: Running) -> None:
    assert status(running.port, "/accounts/login/") == 200


def test_a_caller_puts_nothing_in_front_of_the_addresses(running: Running) -> None:
    """Behind a proxy that passes on whatever headers it gets."""
    assert status(running.port, "/evil/accounts/login/", SCRIPT_NAME="/evil") == 404
    assert status(running.port, "/nowhere/", PATH_INFO="/accounts/login/") == 404


def test_everything_has_its_process(running: Running) -> None:
    commands = " ".join(running.processes().values())

    for part in ("valkey-server", "loans.paper", "gunicorn", "--queues money", "beat"):
        assert part in commands


def test_the_first_password_is_shown_once_and_kept_nowhere(running: Running) -> None:
    password = running.output().split("password  ")[1].split()[0]

    assert running.output().count(password) == 1
    kept = {name: content for name, (_, content) in running.kept().items()}
    assert kept["marginsite.sqlite3"]
    assert not [name for name, content in kept.items() if password.encode() in content]


def test_what_is_kept_is_closed_to_others(running: Running) -> None:
    kept = {
        name: mode
        for name, (mode, _) in running.kept().items()
        if Path(name).parts[:1] != ("static",)
    }

    assert {".", "logs", "secrets.env"} <= kept.keys()
    assert not [name for name, mode in kept.items() if mode & 0o077]


def test_no_secret_is_in_the_log_or_in_an_environment(running: Running) -> None:
    lines = (running.data_dir / "secrets.env").read_text().splitlines()
    secrets = [line.split("=", 1)[1] for line in lines if "=" in line]
    logs = "".join(f.read_text() for f in (running.data_dir / "logs").iterdir())

    assert len(secrets) == 3
    for secret in secrets:
        assert secret not in logs + running.output()
        for process_id in running.processes():
            assert secret.encode() not in Path(f"/proc/{process_id}/environ").read_bytes()


@pytest.mark.parametrize("part", ["--queues money", "beat", "valkey-server", "loans.paper"])
def test_what_dies_comes_back(running: Running, part: str) -> None:
    killed = running.find(part)

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: [p for p, c in running.processes().items() if part in c and p != killed])
    assert status(running.port, "/accounts/login/") == 200


def test_a_second_start_is_refused_in_one_sentence(running: Running) -> None:
    second = run_to_its_end(running.data_dir, free_port(), free_port())

    assert second.returncode == 1
    assert f"process {running.process.pid}" in second.stdout


def test_a_taken_port_is_refused_by_its_number_and_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_to_its_end(tmp_path / "data", port, free_port())

    assert refused.returncode == 1
    assert f"port {port} " in refused.stdout
    assert "MARGINSITE_PORT" in refused.stdout
    assert "Traceback" not in refused.stdout


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MARGINSITE_BIND": "no address"}, "MARGINSITE_BIND"),
        ({"MARGINSITE_BIND": "192.0.2.1"}, "MARGINSITE_BIND"),
        ({"MARGINSITE_DATA_DIR": "/dev/null/data"}, "/dev/null/data"),
        ({"MARGINSITE_VENV": "/nowhere"}, "MARGINSITE_VENV"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_sentence(
    settings: dict[str, str], words: str, tmp_path: Path
) -> None:
    refused = run_to_its_end(tmp_path / "data", free_port(), free_port(), **settings)

    assert refused.returncode == 1
    assert f"marginsite did not start: {words}" in refused.stdout
    assert "PORT" not in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr


def test_lock_files_are_not_written_without_uv(tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=True)
    refused = subprocess.run(
        [sys.executable, "run.py", "lock"],
        cwd=ROOT,
        env={**os.environ, "MARGINSITE_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert refused.returncode == 1
    assert "uv is not to be had here" in refused.stdout
    assert "Traceback" not in refused.stderr


def test_a_kill_leaves_nothing_and_the_next_start_goes_on_at_once(running: Running) -> None:
    before = running.processes()

    running.process.kill()
    running.process.wait()
    running.start()
    running.wait_until_ready()

    assert not [p for p in before if is_alive(p)]
    assert "administrator was made" not in running.output()


def test_sigterm_ends_everything(running: Running) -> None:
    running.process.terminate()

    assert running.process.wait(timeout=30) == 0
    assert running.processes() == {}


def run_to_its_end(
    data_dir: Path, port: int, paper_port: int, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py"],
        cwd=ROOT,
        env=environment(data_dir, port, paper_port) | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
