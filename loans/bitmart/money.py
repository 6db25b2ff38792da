"""The two calls that move money: signed once, sent at most once, never repeated.

Sign first, store `signed_at` and the hash durably, then send exactly these bytes. The exchange
knows no idempotency key, so nothing in here may retry, follow a redirect or use a connection twice.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import get_args

import requests

from loans.bitmart import limits, rows
from loans.bitmart.client import USER_AGENT, signed_headers
from loans.bitmart.errors import MoneyError, NotSent, OutcomeUnknown
from loans.bitmart.limits import Limiter, NoLimiter
from loans.bitmart.protocol import MONEY_LIMIT_BYTES, validate_base_url
from loans.bitmart.rows import BadRow
from loans.bitmart.secret import Credentials, SecretWords
from loans.bitmart.transport import Answer, Failure, Seconds, Transport
from loans.bitmart.verdicts import Kind, MoneyAnswer, classify

__all__ = ["MoneyAnswer", "SignedOrder", "send", "sign_order"]

logger = logging.getLogger(__name__)

PATHS: Mapping[str, str] = MappingProxyType(
    {
        "borrow": "/spot/v1/margin/isolated/borrow",
        "repay": "/spot/v1/margin/isolated/repay",
    }
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """A borrow or repay as it will be sent, byte for byte; `signed_at` is exchange time."""

    kind: Kind
    symbol: str
    currency: str
    amount: Decimal
    signed_at: datetime
    path: str
    body_sha256: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secrets: SecretWords = field(repr=False)


def sign_order(
    *,
    kind: Kind,
    symbol: str,
    currency: str,
    amount: Decimal,
    signed_at_ms: int,
    credentials: Credentials,
) -> SignedOrder:
    """Build the bytes of a borrow or repay and sign them; the amount is written as plain digits.

    Raises: ValueError for what must never be sent (no positive amount, more than 8 places).
    """
    if kind not in get_args(Kind):
        raise ValueError("only a borrow or a repay moves money here")
    exact = _checked(symbol=symbol, currency=currency, amount=amount)
    content = {"symbol": symbol, "currency": currency, "amount": format(exact, "f")}
    body = json.dumps(content, separators=(",", ":")).encode()
    headers = signed_headers(credentials, body=body, timestamp_ms=signed_at_ms)
    return SignedOrder(
        kind=kind,
        symbol=symbol,
        currency=currency,
        amount=exact,
        signed_at=_EPOCH + timedelta(milliseconds=signed_at_ms),
        path=PATHS[kind],
        body_sha256=hashlib.sha256(body).hexdigest(),
        body=body,
        headers=MappingProxyType(dict(headers)),
        secrets=credentials.words(headers["X-BM-SIGN"]),
    )


# Reference: https://developer-pro.bitmart.com/en/spot/#margin-borrow-isolated-signed
# Reference: https://developer-pro.bitmart.com/en/spot/#margin-repay-isolated-signed
def send(
    order: SignedOrder,
    *,
    base_url: str,
    connect_seconds: Seconds,
    total_seconds: Seconds,
    limiter: Limiter | None = None,
    withdrawn: Collection[int] = (),
    on_step: Callable[[str], None] | None = None,
) -> MoneyAnswer:
    """Send the order once, over a connection of its own, and say what became of it.

    `on_step` hears "connected", "half_written", "written" and "answered".
    Raises: NotSent, Rejected, OutcomeUnknown, and no other Exception.
    """
    outcome: MoneyAnswer | MoneyError | None = None
    try:
        request = _prepare(order, base_url)
        transport = Transport(connect_seconds=connect_seconds, total_seconds=total_seconds)
        with (limiter or NoLimiter()).permit(limits.MONEY, limits.SEND) as permit:
            # What holds from here on, until something better is known.
            outcome = OutcomeUnknown("the call broke off")
            answer = _exchange(transport, request, on_step)
            outcome = _judge(order, answer, withdrawn)
            if answer.http_status is not None:
                permit.observe(answer.http_status, answer.headers)
    except Exception as exc:
        # Whatever a limiter does when it closes must not change what became of the money.
        logger.warning("a money call met %s outside the exchange", type(exc).__name__)
        outcome = outcome or NotSent(f"nothing was tried: {type(exc).__name__}")
    if isinstance(outcome, MoneyAnswer):
        return outcome
    raise outcome


def _prepare(order: SignedOrder, base_url: str) -> requests.PreparedRequest:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **order.headers,
    }
    url = validate_base_url(base_url) + order.path
    return requests.Request("POST", url, headers=headers, data=order.body).prepare()


def _exchange(
    transport: Transport,
    request: requests.PreparedRequest,
    on_step: Callable[[str], None] | None,
) -> Answer | Failure:
    try:
        return transport.exchange(
            request, limit_bytes=MONEY_LIMIT_BYTES, decode=False, is_single=True, on_step=on_step
        )
    finally:
        transport.close()


def _judge(
    order: SignedOrder, answer: Answer | Failure, withdrawn: Collection[int]
) -> MoneyAnswer | MoneyError:
    if isinstance(answer, Failure):
        if not answer.was_connected:
            return NotSent(answer.reason)
        return OutcomeUnknown(answer.reason, http_status=answer.http_status)
    try:
        return classify(answer, kind=order.kind, withdrawn=withdrawn, hide=order.secrets)
    except MoneyError as exc:
        return exc


def _checked(*, symbol: str, currency: str, amount: Decimal) -> Decimal:
    """Return the amount with 8 places, or refuse what must never be sent."""
    if not isinstance(amount, Decimal):
        raise TypeError("an amount is a Decimal")
    try:
        rows.symbol({"symbol": symbol})
        rows.word({"currency": currency}, "currency")
        exact = rows.amount({"amount": amount}, "amount")
    except BadRow as exc:
        raise ValueError(str(exc)) from exc
    if not exact:
        raise ValueError("amount is zero")
    return exact
