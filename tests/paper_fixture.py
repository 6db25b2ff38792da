"""Fixtures: a real paper exchange on a free loopback port, and a handle to drive it.

`paper` is fresh for each test; `shared_paper` lives as long as the session (make a key of your own
there, and leave switches and clock alone). Both are started with their rate limits on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from loans.paper.server import PaperExchange

_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class PaperKey:
    """What the exchange hands out for a new key."""

    access_key: str
    secret: str
    memo: str


class Paper:
    """Drives a running paper exchange through its controls, over HTTP."""

    def __init__(self, server: PaperExchange) -> None:
        self.server = server

    @property
    def base_url(self) -> str:
        return self.server.base_url

    def new_key(self, **body: Any) -> PaperKey:
        """A key: `history`, `permissions`, `balances`, `seed`, `memo`, `same_account_as`, ..."""
        return PaperKey(**self.control("POST", "keys", body))

    def change_key(self, key: PaperKey, **body: Any) -> None:
        """Other terms for a key: `frozen`, `expired`, `permissions`, `ips`, `refusals`."""
        self.control("POST", "keys", {"access_key": key.access_key, **body})

    def fault(self, fault: str, **order: Any) -> dict[str, Any]:
        """Misbehave: `path` or `kind` ("borrow", "pairs", ...), `count`, `skip`, `seconds`, ..."""
        return self.control("POST", "faults", {"fault": fault, **order})

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def switch(self, **changes: Any) -> dict[str, Any]:
        """Set switches (None puts one back); limits and bans start anew."""
        return self.control("POST", "switches", changes)

    def clock(self, **orders: Any) -> int:
        """Drive with `offset_seconds`, `advance_seconds`, `freeze`; the exchange's time in ms."""
        return self.control("POST" if orders else "GET", "clock", orders)["now_ms"]

    def books(self, key: PaperKey | None = None) -> dict[str, Any]:
        """The truth: operations executed, requests received, windows above the limit."""
        query = f"?access_key={key.access_key}" if key else ""
        return self.control("GET", f"books{query}")

    def control(self, method: str, name: str, body: Any = None) -> Any:
        """One request to the controls. Raises: ValueError with what they complain about."""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = Request(f"{self.base_url}/paper/{name}", data=data, method=method)
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return json.load(answer)
        except HTTPError as exc:
            raise ValueError(exc.read().decode()) from exc


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A fresh paper exchange."""
    with PaperExchange(tmp_path / "paper.sqlite3") as server:
        yield Paper(server)


@pytest.fixture(scope="session")
def shared_paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    """One paper exchange for many tests."""
    with PaperExchange(tmp_path_factory.mktemp("paper") / "paper.sqlite3") as server:
        yield Paper(server)
