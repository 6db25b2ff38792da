"""Connecting: names that are slow, addresses that are dead, and one deadline over all of it."""

import socket
import time

from loans.bitmart.errors import NotSent
from loans.bitmart.money import MoneyAnswer
from tests.bitmart.scripted import ScriptedServer, answering
from tests.bitmart.sending import CONFIRMED, TOTAL, outcome

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

        result = outcome(f"http://localhost:{server.port}")

        assert isinstance(result, NotSent)
        assert result.detail == "no connection in time"
        assert time.monotonic() - started < float(TOTAL) + 0.4
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
