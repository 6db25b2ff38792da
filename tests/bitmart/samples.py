"""What the tests of this package share: a key that must never show, fixtures, and sample rows."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from loans.bitmart.money import SignedOrder, sign_order
from loans.bitmart.responses import Heard
from loans.bitmart.secret import Credentials

ACCESS_KEY = "canary-access-key-7f1d"
SECRET = "canary-secret-93ab"
MEMO = "canary-memo-55e0"
CANARIES = (ACCESS_KEY, SECRET, MEMO)

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HEARD = Heard(asked_at=NOW, answered_at=NOW, round_trip=timedelta(), exchange_at=NOW)

_FIXTURES = Path(__file__).parent.parent / "fixtures"


def fixture(name: str) -> object:
    return json.loads((_FIXTURES / name).read_text())


def credentials() -> Credentials:
    return Credentials.of(ACCESS_KEY, SECRET, MEMO)


def an_order(*, kind: str = "borrow", amount: str = "20") -> SignedOrder:
    return sign_order(
        kind=kind,
        symbol="BTC_USDT",
        currency="USDT",
        amount=Decimal(amount),
        signed_at_ms=1795325747951,
        credentials=credentials(),
    )


def envelope(data: object, *, code: object = 1000, message: str = "OK") -> bytes:
    """An answer as the exchange writes it."""
    content = {"message": message, "code": code, "trace": "9c86bb5a.74.173", "data": data}
    return json.dumps(content).encode()


def a_borrow_row(**changes: object) -> Mapping[str, object]:
    return {
        "borrow_id": "17314813190079LvqkGNtHZ0QSBPT",
        "symbol": "ETH_USDT",
        "currency": "USDT",
        "borrow_amount": "10.20000000",
        "daily_interest": "0.00055000",
        "hourly_interest": "0.00002291",
        "interest_amount": "0.00034374",
        "create_time": 1731481319634,
        **changes,
    }


def a_repay_row(**changes: object) -> Mapping[str, object]:
    """The row of the documentation."""
    return {
        "repay_id": "118723",
        "repay_time": 1655345808,
        "symbol": "BTC_USDT",
        "currency": "BTC",
        "repaid_amount": "1.1",
        "repaid_principal": "1",
        "repaid_interest": "0.1",
        **changes,
    }
