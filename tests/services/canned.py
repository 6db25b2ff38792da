"""A venue whose answers a test writes: a real server on a free loopback port, without any rules."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from loans.bitmart.client import Client
from loans.bitmart.secret import Credentials

PAIRS = "/spot/v1/margin/isolated/pairs"
ACCOUNT = "/spot/v1/margin/isolated/account"
TICKERS = "/spot/quotation/v3/tickers"
BORROWS = "/spot/v1/margin/isolated/borrow_record"
REPAYS = "/spot/v1/margin/isolated/repay_record"


class Canned:
    """Answers by path; a path without an answer is refused with 404."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []
        self.base_url = ""

    def say(self, path: str, data: Any, *, code: int = 1000, status: int = 200) -> None:
        """The data of an envelope."""
        body = {"code": code, "message": "OK", "trace": "t", "data": data}
        self.answers[path] = (status, "application/json", json.dumps(body).encode())

    def say_page(self, path: str, status: int = 503) -> None:
        """A web page, as what stands in front of an exchange sends it."""
        self.answers[path] = (status, "text/html", b"<html><body>Just a moment</body></html>")

    def client(self) -> Client:
        """A client without limits."""
        return Client(self.base_url, Credentials.of("key", "secret", "memo"))


@contextmanager
def canned_venue() -> Iterator[Canned]:
    """Serve until the end of the block."""
    canned = Canned()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            canned.asked.append(self.path)
            empty = (404, "application/json", b'{"code": 30000, "data": {}}')
            status, kind, body = canned.answers.get(path, empty)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    canned.base_url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 1 / 50})
    thread.start()
    try:
        yield canned
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def side(currency: str, **fields: Any) -> dict[str, str]:
    """One side of a pair as the exchange sends it."""
    defaults = {
        "currency": currency,
        "daily_interest": "0.00055000",
        "hourly_interest": "0.00002291",
        "max_borrow_amount": "50000.00000000",
        "min_borrow_amount": "0.00000001",
        "borrowable_amount": "135.12575038",
    }
    return defaults | fields


def pair(symbol: str = "BTC_USDT", *, base: Any = None, quote: Any = None, **fields: Any) -> dict:
    """One pair as the exchange sends it; `base` and `quote` change fields of a side."""
    one, _, other = symbol.rpartition("_")
    defaults = {"symbol": symbol, "max_leverage": "5", "symbol_enabled": True}
    sides = {"base": side(one, **(base or {})), "quote": side(other, **(quote or {}))}
    return defaults | sides | fields


def owed(currency: str, **fields: Any) -> dict[str, Any]:
    """One side of a margin account as the exchange sends it."""
    defaults = {
        "currency": currency,
        "borrow_enabled": True,
        "borrowed": "0.00000000",
        "borrow_unpaid": "0.00000000",
        "interest_unpaid": "0.00000000",
        "available": "10.00000000",
        "frozen": "0.00000000",
        "net_asset": "10.00000000",
        "net_assetBTC": "0.00100000",
        "total_asset": "10.00000000",
    }
    return defaults | fields


def margin_account(symbol: str = "BTC_USDT", *, quote: Any = None, **fields: Any) -> dict:
    """One pair's figures as the exchange sends them."""
    one, _, other = symbol.rpartition("_")
    defaults = {
        "symbol": symbol,
        "risk_rate": "999.00",
        "risk_level": "1",
        "buy_enabled": False,
        "sell_enabled": False,
        "liquidate_price": None,
        "liquidate_rate": "1.15",
    }
    return defaults | {"base": owed(one), "quote": owed(other, **(quote or {}))} | fields


def loan(record_id: str = "L1", symbol: str = "BTC_USDT", **fields: Any) -> dict[str, Any]:
    """One loan as the exchange sends it."""
    defaults = {
        "borrow_id": record_id,
        "symbol": symbol,
        "currency": "USDT",
        "borrow_amount": "20.00000000",
        "daily_interest": "0.00055000",
        "hourly_interest": "0.00002291",
        "interest_amount": "0.00045833",
        "create_time": 1763600000000,
    }
    return defaults | fields
