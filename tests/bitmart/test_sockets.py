"""Connecting: names that are slow, addresses that are dead, and one deadline over all of it."""

import socket
import time

import pytest
import requests

from loans.bitmart.errors import NotSent
from loans.bitmart.money import MoneyAnswer
from loans.bitmart.sockets import CALL, BoundHTTPConnection, Call
from loans.bitmart.transport import Answer, Failure, Transport
from tests.bitmart.scripted import Connection, ScriptedServer, answering, http_answer
from tests.bitmart.sending import CONFIRMED, SHORT, outcome

LOOK_UP = socket.getaddrinfo


def test_a_slow_name_look_up_is_not_sent_at_the_deadline(monkeypatch):
    def slow(host, *rest, **how):
        if how.get("flags"):
            raise socket.gaierror("not a number")
        time.sleep(3)
        return LOOK_UP("127.0.0.1", *rest, **how)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with ScriptedServer(answering(CONFIRMED)) as server:
        started = time.monotonic()

        result = outcome(f"http://localhost:{server.port}", seconds=SHORT)

        assert isinstance(result, NotSent)
        assert result.detail == "no connection in time"
        assert time.monotonic() - started < 2.5
        assert not server.connections


def test_the_second_address_of_a_name_is_tried_when_the_first_is_dead(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = ("127.0.0.1", listener.getsockname()[1])
    with ScriptedServer(answering(CONFIRMED)) as server:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*kind, dead), (*kind, ("127.0.0.1", server.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **how: found)

        assert isinstance(outcome(f"http://localhost:{server.port}"), MoneyAnswer)
        assert len(server.connections) == 1


def test_an_address_of_the_sixth_version_is_understood():
    with ScriptedServer(answering(CONFIRMED)) as server:
        result = outcome(f"http://[::1]:{server.port}")

    # Nobody listens there: the scripted server is at 127.0.0.1 alone.
    assert isinstance(result, NotSent)
    assert result.detail.startswith("the connection")


def test_one_call_never_opens_a_second_connection():
    with ScriptedServer(answering(CONFIRMED)) as server:
        soon = time.monotonic_ns() + 10**10
        token = CALL.set(Call(soon, soon, is_single=True))
        try:
            connections = [BoundHTTPConnection("127.0.0.1", server.port) for _ in range(2)]
            connections[0].connect()
            with pytest.raises(OSError, match="second connection"):
                connections[1].connect()
        finally:
            CALL.reset(token)
            connections[0].close()

        assert len(server.connections) <= 1


def test_a_write_on_a_kept_connection_counts_as_connected():
    """Else a call that broke after its bytes had left would be taken for one that was not sent."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.write(http_answer(CONFIRMED, headers={"Connection": ""}))
        connection.received = b""
        connection.read_request()

    request = requests.Request("GET", "http://127.0.0.1").prepare()
    transport = Transport(connect_seconds=10, total_seconds=10)
    with ScriptedServer(script) as server:
        request.url = f"{server.url}/"
        first = transport.exchange(request, limit_bytes=1000, decode=False)
        second = transport.exchange(request, limit_bytes=1000, decode=False)
        transport.close()

        assert len(server.connections) == 1
    assert isinstance(first, Answer)
    assert isinstance(second, Failure)
    assert second.was_connected
