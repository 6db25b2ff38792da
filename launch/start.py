"""`python3 run.py`: from an empty machine to a page that answers, in steps that show themselves."""

import errno
import fcntl
import functools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import TextIO

from launch import broker, services
from launch.config import Config, load
from launch.console import StartError, say, step
from launch.install import PYTHON, child_environment, ensure_installed
from launch.output import Output
from launch.parentage import die_with_parent
from launch.runtime import make_private
from launch.supervisor import Service, Supervisor
from launch.watcher import run_guarded

PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.1
FORMER_RUN_PATIENCE_SECONDS = 35.0
MOST_FAILURES = 3


def start() -> int:
    """Start everything and stay; answers the exit code once everything has ended."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.umask(0o077)
    try:
        config = load()
        broker.refuse_without_broker(config)
        make_private(config.data_dir)
        lock = _become_the_only_one(config)
        _refuse_taken_ports(config)
        say("marginsite is starting.")
        if os.getuid() == 0:
            say("  It runs as root; a user of its own would be safer.")
        ensure_installed(without=broker.PACKAGE if broker.missing_wheel() else None)
        _prepare(config)
        code = run_guarded(functools.partial(_supervise, config, began))
        lock.close()
        return code
    except (StartError, OSError) as exc:
        say(f"marginsite did not start: {exc}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130


def _become_the_only_one(config: Config) -> TextIO:
    """Lock the data directory, so that two runs never share a broker or its file.

    What an earlier, killed run is still ending gets a moment; a run that lives is a refusal.
    """
    make_private(config.data_dir / "run")
    lock = (config.data_dir / "run" / "lock").open("a+", encoding="ascii")
    deadline = time.monotonic() + FORMER_RUN_PATIENCE_SECONDS
    while not _locked(lock):
        lock.seek(0)
        owner = lock.read().strip()
        if owner.isdigit() and _is_alive(int(owner)):
            raise StartError(
                f"it already runs from {config.data_dir} (process {owner}). Stop that one first, "
                "or give this one another MARGINSITE_DATA_DIR, MARGINSITE_PORT and PAPER_PORT."
            )
        if time.monotonic() > deadline:
            raise StartError("an earlier run is still ending; try again in a moment.")
        time.sleep(0.2)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refuse_taken_ports(config: Config) -> None:
    wanted = [(config.bind_address, config.port, "MARGINSITE_PORT")]
    if config.serves_paper:
        wanted.append(("127.0.0.1", config.paper_port, "PAPER_PORT"))
    if config.serves_paper and config.port == config.paper_port:
        raise StartError(f"MARGINSITE_PORT and PAPER_PORT are both {config.port}.")
    for address, port, name in wanted:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as exc:
                raise StartError(_why_not_bound(exc, address, port, name)) from exc


def _why_not_bound(exc: OSError, address: str, port: int, name: str) -> str:
    if exc.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {address} is not free ({exc.strerror}). Stop what uses it, or set "
            f"{name} to another port."
        )
    if exc.errno == errno.EACCES:
        return f"port {port} needs rights that this user lacks. Set {name} to one above 1023."
    return f"MARGINSITE_BIND is {address!r}, which is no address of this machine."


def _prepare(config: Config) -> None:
    """Secrets, migrations, static files, administrator: one process, which shows its steps."""
    own_id = os.getpid()
    outcome = subprocess.run(  # noqa: S603
        [str(PYTHON), "manage.py", "first_start"],
        cwd=config.root,
        env=child_environment(services.environment(config)),
        process_group=0,  # Ctrl-C reaches us, and we end it
        preexec_fn=lambda: die_with_parent(own_id),
        check=False,
    )
    if outcome.returncode:
        raise StartError("the database could not be prepared; the lines above say why.")


def _supervise(
    config: Config, began: float, lifeline: int, register: Callable[[int, bool], None]
) -> int:
    """Run everything until asked to stop; answers the exit code."""
    os.chdir(config.root)
    output = Output(config.log_dir, file_only=("broker",))
    supervisor = Supervisor(output, register)
    supervisor.listen_to_signals()
    supervisor.stop_when_closed(lifeline)
    try:
        _start_everything(supervisor, config)
        if not supervisor.stop_requests:
            say(f"marginsite is ready after {time.monotonic() - began:.1f} s. Ctrl-C stops it.")
            say(f"http://localhost:{config.port}")
        supervisor.wait(lambda: False)
        return 0
    except StartError as exc:
        output.write("start", f"marginsite did not start: {exc}")
        return 1
    finally:
        with step("Stop"):
            supervisor.stop()


def _start_everything(supervisor: Supervisor, config: Config) -> None:
    if config.embeds_broker:
        with step("Start the broker"):
            _start_and_wait(supervisor, [services.broker_service(config)])
    with step("Start workers and web"):
        _start_and_wait(supervisor, services.application_services(config))


def _start_and_wait(supervisor: Supervisor, batch: list[Service]) -> None:
    """Serve until all are ready; one that keeps dying, or too long a wait, is a failed start."""
    for service in batch:
        supervisor.start(service)
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting = batch
    while waiting and not supervisor.stop_requests:
        failing = next((s for s in batch if s.failures >= MOST_FAILURES), None)
        if failing is not None or time.monotonic() > deadline:
            raise StartError(_why(supervisor, failing or waiting[0]))
        supervisor.wait(lambda: False, timeout=POLL_SECONDS)
        waiting = [s for s in waiting if not (s.is_ready() if s.is_ready else s.has_said_ready)]


def _why(supervisor: Supervisor, service: Service) -> str:
    fate = f"ended {service.failures} times" if service.failures else "did not get ready in time"
    last = "\n".join(supervisor.output.last_lines.get(service.name, ["(it said nothing)"]))
    return f"{service.name} {fate}. Its last lines:\n{last}"
