"""Turns decoded answers into the values of `responses`, row by row.

A row that cannot be used is refused with a reason and the others survive. Nothing in here judges
whether a value is plausible: an odd rate is shown and flagged, never rescaled.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from loans.bitmart import rows
from loans.bitmart.errors import plain
from loans.bitmart.protocol import Malformed
from loans.bitmart.responses import (
    AccountSide,
    BorrowRecord,
    Heard,
    Listing,
    MarginAccount,
    Pair,
    PairSide,
    RefusedRow,
    RepayRecord,
    ServerTime,
    Service,
    Ticker,
)
from loans.bitmart.rows import BadRow, Row

T = TypeVar("T")

_NOTHING = Decimal("0.00000000")
_TICKER_FIELDS = 13
_TICKER_LAST, _TICKER_AT = 1, 12


def read_listing(
    data: object,
    name: str | None,
    read: Callable[[Row], T],
    *,
    heard: Heard,
    limit: int | None = None,
) -> Listing[T]:
    """Read every row of `data[name]` (of `data` itself if `name` is None).

    Raises: Malformed if there is no list.
    """
    items = _must_be_list(data if name is None else _under(data, name))
    good: list[T] = []
    refused: list[RefusedRow] = []
    for item in items:
        try:
            good.append(read(item))
        except BadRow as exc:
            refused.append(RefusedRow(str(exc), rows.excerpt(item)))
    return Listing(tuple(good), tuple(refused), len(items), limit, heard)


def read_pair(row: Row) -> Pair:
    """Read one row of `isolated/pairs`."""
    _must_be_object(row)
    return Pair(
        symbol=rows.symbol(row),
        max_leverage=rows.rate(row, "max_leverage"),
        enabled=rows.flag(row, "symbol_enabled"),
        base=_pair_side(rows.nested(row, "base")),
        quote=_pair_side(rows.nested(row, "quote")),
    )


def read_borrow_record(row: Row) -> BorrowRecord:
    """Read one loan. A principal of null reads 0, as once repaid (C10); `raw` keeps the null."""
    _must_be_object(row)
    return BorrowRecord(
        record_id=rows.identifier(row, "borrow_id"),
        symbol=rows.symbol(row),
        currency=rows.word(row, "currency"),
        principal=_principal(row),
        daily_rate=rows.rate(row, "daily_interest"),
        hourly_rate=rows.rate(row, "hourly_interest"),
        interest=rows.amount_or_none(row, "interest_amount"),
        created_at=rows.instant(row, "create_time"),
        raw=rows.storable(row),
    )


def read_repay_record(row: Row) -> RepayRecord:
    """Read one repayment."""
    _must_be_object(row)
    return RepayRecord(
        record_id=rows.identifier(row, "repay_id"),
        symbol=rows.symbol(row),
        currency=rows.word(row, "currency"),
        amount=rows.amount(row, "repaid_amount"),
        principal=rows.amount(row, "repaid_principal"),
        interest=rows.amount(row, "repaid_interest"),
        repaid_at=rows.instant(row, "repay_time"),
        raw=rows.storable(row),
    )


def read_margin_account(row: Row) -> MarginAccount:
    """Read one row of `isolated/account`."""
    _must_be_object(row)
    return MarginAccount(
        symbol=rows.symbol(row),
        risk_rate=rows.rate(row, "risk_rate"),
        risk_level=rows.word(row, "risk_level"),
        liquidate_price=rows.number_or_none(row, "liquidate_price"),
        liquidate_rate=rows.rate(row, "liquidate_rate"),
        base=_account_side(rows.nested(row, "base")),
        quote=_account_side(rows.nested(row, "quote")),
    )


def read_ticker(item: object) -> Ticker:
    """Read one ticker: an array of 13 in the documented order."""
    if not isinstance(item, list) or len(item) < _TICKER_FIELDS:
        raise BadRow(f"not an array of {_TICKER_FIELDS}")
    row = {"symbol": item[0], "last": item[_TICKER_LAST], "ts": item[_TICKER_AT]}
    return Ticker(rows.symbol(row), rows.rate(row, "last"), rows.instant(row, "ts"))


def read_service(row: Row) -> Service:
    """Read one maintenance job."""
    _must_be_object(row)
    return Service(
        title=plain(str(rows.field(row, "title"))),
        service_type=rows.word(row, "service_type"),
        status=rows.whole(row, "status"),
        starts_at=rows.instant(row, "start_time"),
        ends_at=rows.instant(row, "end_time"),
    )


def read_server_time(data: object, *, heard: Heard) -> ServerTime:
    """Read the exchange's clock.

    Raises: Malformed.
    """
    try:
        _must_be_object(data)
        return ServerTime(rows.instant(data, "server_time"), heard)
    except BadRow as exc:
        raise Malformed(str(exc)) from exc


def _under(data: object, name: str) -> object:
    return data.get(name) if isinstance(data, Mapping) else None


def _must_be_list(items: object) -> list[object]:
    """Return the list that was asked for.

    Raises: Malformed; null is not an empty list.
    """
    if not isinstance(items, list):
        raise Malformed("no list of rows in the answer")
    return items


def _principal(row: Row) -> Decimal:
    is_null = rows.field(row, "borrow_amount") is None
    return _NOTHING if is_null else rows.amount(row, "borrow_amount")


def _pair_side(row: Row) -> PairSide:
    return PairSide(
        currency=rows.word(row, "currency"),
        daily_rate=rows.rate(row, "daily_interest"),
        hourly_rate=rows.rate(row, "hourly_interest"),
        max_borrow=rows.amount(row, "max_borrow_amount"),
        min_borrow=rows.amount(row, "min_borrow_amount"),
        borrowable=rows.amount(row, "borrowable_amount"),
    )


def _account_side(row: Row) -> AccountSide:
    return AccountSide(
        currency=rows.word(row, "currency"),
        borrow_enabled=rows.flag(row, "borrow_enabled"),
        borrowed=rows.amount(row, "borrowed"),
        borrow_unpaid=rows.amount(row, "borrow_unpaid"),
        interest_unpaid=rows.amount(row, "interest_unpaid"),
        available=rows.amount(row, "available"),
        frozen=rows.amount(row, "frozen"),
        net_asset=rows.amount(row, "net_asset", may_be_negative=True),
        total_asset=rows.amount(row, "total_asset"),
    )


def _must_be_object(row: object) -> None:
    if not isinstance(row, Mapping):
        raise BadRow("not an object")
