"""Listing borrow and repay records: filters, bounds and order as the exchange may have them.

There is no cursor: at most `count` rows, the newest first unless a switch says otherwise.
"""

from dataclasses import dataclass
from random import Random
from sqlite3 import Connection, Row

from loans.paper.market import DAY_MS
from loans.paper.switches import Switches


@dataclass(frozen=True, slots=True)
class Query:
    """What a record request asks for; bounds are milliseconds or None."""

    account: int
    symbol: str
    record_id: str | None = None
    currency: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    count: int = 50


def list_rows(
    db: Connection, query: Query, *, table: str, time_column: str, switches: Switches, now_ms: int
) -> list[Row]:
    """Rows of `loans` or `repayments` that are visible by now and match."""
    equal = "" if switches["bounds"] == "exclusive" else "="
    conditions = ["account = ?", "symbol = ?", "visible_ms <= ?"]
    values: list[object] = [query.account, query.symbol, now_ms]
    for condition, value in (
        ("record_id = ?", query.record_id),
        ("currency = ?", query.currency),
        (f"{time_column} >{equal} ?", query.start_ms),
        (f"{time_column} <{equal} ?", query.end_ms),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    span_days = switches["default_span_days"]
    if span_days and query.start_ms is None and query.end_ms is None:
        conditions.append(f"{time_column} >= ?")
        values.append(now_ms - span_days * DAY_MS)
    direction = "ASC" if switches["record_order"] == "oldest" else "DESC"
    # Table, column and direction are ours; everything a caller sends is bound.
    statement = (
        f"SELECT * FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608
        f" ORDER BY {time_column} {direction}, id {direction} LIMIT ?"
    )
    rows = list(db.execute(statement, (*values, query.count)))
    if switches["record_order"] == "shuffled":
        Random(len(rows)).shuffle(rows)  # noqa: S311 (an order, not a secret)
    return rows
