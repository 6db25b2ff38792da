"""Plain requests to a paper exchange, signed by hand: a witness independent of our own client."""

import hashlib
import hmac
import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.paper_fixture import Paper, PaperKey

ISOLATED = "/spot/v1/margin/isolated"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> int:
        return self.body["code"]

    @property
    def data(self) -> Any:
        return self.body["data"]


def send(
    paper: Paper,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10,
) -> Answer:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(paper.base_url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def signed_headers(
    key: PaperKey, body: bytes, *, timestamp_ms: int | str | None = None
) -> dict[str, str]:
    """The four headers of a signed request."""
    stamp = str(time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms)
    message = f"{stamp}#{key.memo}#".encode() + body
    sign = hmac.new(key.secret.encode(), message, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-BM-KEY": key.access_key,
        "X-BM-TIMESTAMP": stamp,
        "X-BM-SIGN": sign,
    }


def post(
    paper: Paper,
    key: PaperKey,
    name: str,
    *,
    timestamp_ms: int | str | None = None,
    timeout: float = 10,
    **fields: Any,
) -> Answer:
    """A signed call to one of the isolated-margin endpoints."""
    path = name if name.startswith("/") else f"{ISOLATED}/{name}"
    body = json.dumps(fields).encode()
    headers = signed_headers(key, body, timestamp_ms=timestamp_ms)
    return send(paper, "POST", path, headers=headers, body=body, timeout=timeout)


def get(paper: Paper, key: PaperKey, name: str, **fields: Any) -> Answer:
    """A call with the access key only."""
    path = name if name.startswith("/") else f"{ISOLATED}/{name}"
    query = f"?{urlencode(fields)}" if fields else ""
    return send(paper, "GET", path + query, headers={"X-BM-KEY": key.access_key})


def borrow(paper: Paper, key: PaperKey, amount: str, **fields: Any) -> Answer:
    """Borrow USDT on BTC_USDT, unless told otherwise."""
    fields = {"symbol": "BTC_USDT", "currency": "USDT", "amount": amount, **fields}
    return post(paper, key, "borrow", **fields)


def repay(paper: Paper, key: PaperKey, amount: str, **fields: Any) -> Answer:
    """Repay USDT on BTC_USDT, unless told otherwise."""
    fields = {"symbol": "BTC_USDT", "currency": "USDT", "amount": amount, **fields}
    return post(paper, key, "repay", **fields)


def records(paper: Paper, key: PaperKey, name: str, **fields: Any) -> list[dict[str, Any]]:
    """The rows of `borrow_record` or `repay_record` on BTC_USDT, unless told otherwise."""
    answer = get(paper, key, name, **{"symbol": "BTC_USDT", **fields})
    assert answer.code == 1000, answer.raw
    return answer.data["records"]
