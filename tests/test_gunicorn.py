"""The web server with real sockets: whoever sends half a request keeps nobody out."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.config import ROOT
from tests.start.processes import free_port, wait_until

HEAD = b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\n"
CONFIG = """
from marginsite import gunicorn as ours
from marginsite.gunicorn import *
ours.HEAD_SECONDS = ours.ANSWER_SECONDS = 3
"""
HALF = {"head": HEAD, "body": HEAD + b"Content-Length: 900\r\n\r\nlogin=ow"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server with the usual four threads, but with less patience."""
    port, data = free_port(), tmp_path_factory.mktemp("web")
    (data / "static").mkdir()
    (data / "config.py").write_text(CONFIG)
    settings = {"MARGINSITE_DATA_DIR": str(data), "MARGINSITE_PORT": str(port), "DATABASE_URL": ""}
    environment = os.environ | settings | {"DJANGO_SETTINGS_MODULE": "marginsite.settings"}
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    command = [gunicorn, "--config", str(data / "config.py")]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_well(port))
        yield port
    finally:
        server.terminate()
        server.wait()


def is_well(port: int, *, patience: float = 1.0) -> bool:
    """Whether somebody is served."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("half", HALF)
def test_half_a_request_keeps_a_thread_for_a_while_only(port: int, half: str) -> None:
    kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    for connection in kept:
        connection.sendall(HALF[half])
    wait_until(lambda: not is_well(port), patience=5)

    assert is_well(port, patience=40)

    for connection in kept:
        connection.close()
