"""The reads: one short method an endpoint. Nothing is retried, and nothing in here moves money.

A client belongs to one account (or to none, for the public endpoints) and to one thread.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Self, TypeVar

import requests

from loans.bitmart import limits, readers
from loans.bitmart.answers import failed, read_answer
from loans.bitmart.errors import Garbled, Refused
from loans.bitmart.limits import Limiter, NoLimiter
from loans.bitmart.protocol import READ_LIMIT_BYTES, Malformed, sign, validate_base_url
from loans.bitmart.responses import (
    BorrowRecord,
    Heard,
    Listing,
    MarginAccount,
    Pair,
    RepayRecord,
    ServerTime,
    Service,
    Ticker,
)
from loans.bitmart.secret import Credentials
from loans.bitmart.transport import Answer, Failure, Seconds, Transport

T = TypeVar("T")

# The gate in front of the exchange refuses the names that libraries give themselves.
USER_AGENT = "marginsite/0.1"
PAGE_SIZE = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ISOLATED = "/spot/v1/margin/isolated"
# Of v4 endpoints only: how old a signed request may be. The documentation has both "up to" and
# "less than" 60,000, and 5,000 if nothing is said.
_RECEIVE_WINDOW_MS = 50_000


class Client:
    """Asks one venue on behalf of one account."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        limiter: Limiter | None = None,
        priority: int = limits.KEEPING_UP,
        connect_timeout_seconds: Seconds = 5,
        total_seconds: Seconds = Decimal(15),
        user_agent: str = USER_AGENT,
    ) -> None:
        """`total_seconds` bounds each call as a whole; the limiter's waiting comes before it."""
        self._base_url = validate_base_url(base_url)
        self._credentials = credentials
        self._limiter = limiter or NoLimiter()
        self._priority = priority
        self._user_agent = user_agent
        self._transport = Transport(
            connect_seconds=connect_timeout_seconds, total_seconds=total_seconds
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connection."""
        self._transport.close()

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-trading-pair-borrowing-rate-and-amount-keyed
    def pairs(self, symbols: Iterable[str] = ()) -> Listing[Pair]:
        """Terms of the given pairs, of all if none is given."""
        query = {"symbol": ",".join(symbols)}
        return self._list(limits.PAIRS, f"{_ISOLATED}/pairs", query, "symbols", readers.read_pair)

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-borrow-record-isolated-keyed
    def borrow_records(
        self,
        symbol: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        size: int = PAGE_SIZE,
        record_id: str | None = None,
    ) -> Listing[BorrowRecord]:
        """Loans of one pair, in no promised order. Bounds are sent in milliseconds (C8)."""
        query = {"symbol": symbol, "borrow_id": record_id, **_window(start, end), "N": str(size)}
        path = f"{_ISOLATED}/borrow_record"
        read = readers.read_borrow_record
        return self._list(limits.RECORDS, path, query, "records", read, size=size)

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-repayment-record-isolated-keyed
    def repay_records(
        self,
        symbol: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        size: int = PAGE_SIZE,
        record_id: str | None = None,
        currency: str | None = None,
    ) -> Listing[RepayRecord]:
        """Repayments of one pair, in no promised order."""
        query = {"symbol": symbol, "repay_id": record_id, "currency": currency}
        query |= {**_window(start, end), "N": str(size)}
        path = f"{_ISOLATED}/repay_record"
        read = readers.read_repay_record
        return self._list(limits.RECORDS, path, query, "records", read, size=size)

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-margin-account-details-isolated-keyed
    def margin_accounts(self, symbol: str | None = None) -> Listing[MarginAccount]:
        """What is owned and owed on one pair, on all if none is given."""
        path = f"{_ISOLATED}/account"
        read = readers.read_margin_account
        return self._list(limits.ACCOUNT, path, {"symbol": symbol}, "symbols", read)

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-ticker-of-all-pairs-v3
    def tickers(self) -> Listing[Ticker]:
        """Last prices; pairs without trades for a day are missing."""
        path = "/spot/quotation/v3/tickers"
        read = readers.read_ticker
        return self._list(limits.QUOTATION, path, {}, None, read, is_keyed=False)

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-system-time
    def server_time(self) -> ServerTime:
        """The exchange's clock; its offset from ours is known to half the round trip."""
        request = self._get("/system/time", {}, is_keyed=False)
        data, answer = self._ask(limits.SYSTEM, request)
        return _shaped(answer, lambda: readers.read_server_time(data, heard=answer.heard))

    # Reference: https://developer-pro.bitmart.com/en/spot/#get-system-service-status
    def services(self) -> Listing[Service]:
        """Maintenance announced, under way and done."""
        path = "/system/service"
        read = readers.read_service
        return self._list(limits.SYSTEM, path, {}, "service", read, is_keyed=False)

    # Reference: https://developer-pro.bitmart.com/en/spot/#current-open-orders-v4-signed
    def check_signature(self, *, clock_offset: timedelta = timedelta()) -> Heard:
        """Ask something harmless that must be signed: it passes only if secret and memo are right.

        `clock_offset` is exchange minus us: this endpoint takes no timestamp over a second ahead.
        Raises: ReadError, above all Refused with code 30005 (signature) or 30007 (clock).
        """
        body = json.dumps({"recvWindow": _RECEIVE_WINDOW_MS}, separators=(",", ":")).encode()
        timestamp_ms = _milliseconds(datetime.now(UTC) + clock_offset)
        request = self._signed_post("/spot/v4/query/open-orders", body, timestamp_ms)
        _, answer = self._ask(limits.ORDERS, request)
        return answer.heard

    def refusal_of_late_request(self, *, symbol: str, currency: str, late: timedelta) -> int:
        """Sign a borrow of 0 as if `late` ago and give the code that it is refused with.

        An amount of 0 cannot be executed. Raises: ReadError if nothing or no refusal came back.
        """
        content = {"symbol": symbol, "currency": currency, "amount": "0"}
        body = json.dumps(content, separators=(",", ":")).encode()
        timestamp_ms = _milliseconds(datetime.now(UTC) - late)
        request = self._signed_post(f"{_ISOLATED}/borrow", body, timestamp_ms)
        try:
            _, answer = self._ask(limits.MONEY, request)
        except Refused as exc:
            return exc.code or 0
        raise Garbled("a borrow of nothing was not refused", http_status=answer.http_status)

    def _list(
        self,
        group: str,
        path: str,
        query: Mapping[str, str | None],
        name: str | None,
        read: Callable[..., T],
        *,
        size: int | None = None,
        is_keyed: bool = True,
    ) -> Listing[T]:
        data, answer = self._ask(group, self._get(path, query, is_keyed=is_keyed))
        heard = answer.heard
        return _shaped(
            answer, lambda: readers.read_listing(data, name, read, heard=heard, limit=size)
        )

    def _ask(self, group: str, request: requests.PreparedRequest) -> tuple[object, Answer]:
        """Make one call and return the data of its envelope.

        Raises: ReadError.
        """
        with self._limiter.permit(group, self._priority) as permit:
            answer = self._transport.exchange(request, limit_bytes=READ_LIMIT_BYTES, decode=True)
            if answer.http_status is not None:
                permit.observe(answer.http_status, answer.headers)
        if isinstance(answer, Failure):
            raise failed(answer)
        hide = self._credentials.words() if self._credentials else ()
        return read_answer(answer, hide=hide).data, answer

    def _get(
        self, path: str, query: Mapping[str, str | None], *, is_keyed: bool
    ) -> requests.PreparedRequest:
        # Our GETs need the key alone, so nothing is signed and the question of what a GET's
        # signature covers (C1) does not arise.
        headers = {"X-BM-KEY": self._key().access_key.reveal()} if is_keyed else {}
        params = {name: value for name, value in query.items() if value}
        return self._prepare("GET", path, headers, params=params)

    def _signed_post(self, path: str, body: bytes, timestamp_ms: int) -> requests.PreparedRequest:
        headers = signed_headers(self._key(), body=body, timestamp_ms=timestamp_ms)
        return self._prepare("POST", path, headers, data=body)

    def _prepare(
        self, method: str, path: str, headers: Mapping[str, str], **content: object
    ) -> requests.PreparedRequest:
        common = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", "Accept": "*/*"}
        url = self._base_url + path
        return requests.Request(method, url, headers={**common, **headers}, **content).prepare()

    def _key(self) -> Credentials:
        if self._credentials is None:
            raise ValueError("this call needs credentials")
        return self._credentials


def signed_headers(
    credentials: Credentials, *, body: bytes, timestamp_ms: int
) -> Mapping[str, str]:
    """The headers of a signed POST over exactly these bytes."""
    signature = sign(
        timestamp_ms=timestamp_ms,
        memo=credentials.memo.reveal(),
        body=body,
        secret=credentials.secret.reveal(),
    )
    return {
        "Content-Type": "application/json",
        "X-BM-KEY": credentials.access_key.reveal(),
        "X-BM-TIMESTAMP": str(timestamp_ms),
        "X-BM-SIGN": signature,
    }


def _shaped(answer: Answer, read: Callable[[], T]) -> T:
    """Run a reader; an answer of another shape is Garbled."""
    try:
        return read()
    except Malformed as exc:
        raise Garbled(str(exc), http_status=answer.http_status) from exc


def _window(start: datetime | None, end: datetime | None) -> Mapping[str, str]:
    bounds = {"start_time": start, "end_time": end}
    return {name: str(_milliseconds(at)) for name, at in bounds.items() if at is not None}


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
