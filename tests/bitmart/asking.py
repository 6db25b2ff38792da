"""A client and the scripted server it asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from loans.bitmart.client import Client
from tests.bitmart.samples import credentials, envelope
from tests.bitmart.scripted import Script, ScriptedServer

NO_LOANS = envelope({"records": []})


@contextmanager
def asking(script: Script, **how: object) -> Iterator[tuple[Client, ScriptedServer]]:
    """A client of that server, patient enough for a busy machine if nothing else is said."""
    how = {"total_seconds": 10, **how}
    with ScriptedServer(script) as server, Client(server.url, credentials(), **how) as client:
        yield client, server


def asked(server: ScriptedServer) -> tuple[str, str, dict[str, str], dict[str, str]]:
    """Method, path, query and lower-case headers of the only request."""
    (request,) = server.requests
    head = request.partition(b"\r\n\r\n")[0].decode()
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    query = {name: value for name, (value,) in parse_qs(parts.query).items()}
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return method, parts.path, query, headers
