"""Lines of CSV straight from what the database holds: the texts that `exports.cells` gives of each
row, without making figures of digits and digits of figures again. A million rows in seconds.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from loans.fields import decode
from loans.models import Kind
from loans.services import record_runs
from loans.services.cells import number_cell, text_cell, time_cell
from loans.services.filters import HistoryFilter
from loans.services.keyset import Cursor, Order

ROWS_A_RUN = 10_000
AMOUNT_PLACES, RATE_PLACES = 8, 16
BORROW_CELLS = ("principal", "interest", "daily_rate", "hourly_rate")
REPAY_CELLS = ("amount", "principal", "interest")
# The columns before the figures of a row.
NAMES = ("id", "account_id", "at", "story_changed", "record_id", "symbol", "currency")
_QUOTED = re.compile(r'[,"\r\n]')


def runs_of_lines(kind: str, chosen: HistoryFilter, order: Order) -> Iterator[str]:
    """Every row of a filter in this order, some thousand lines at a time."""
    columns = (*NAMES, *(BORROW_CELLS if kind == Kind.BORROW else REPAY_CELLS))
    key = columns.index(order.column)
    line = _line_of(kind, chosen)

    def fetch(cursor: Cursor | None) -> list[tuple[Any, ...]]:
        select = [_as_text(name) for name in columns]
        return record_runs.fetch_raw(kind, chosen, order, ROWS_A_RUN, cursor, select=select)

    def cursor_of(row: tuple[Any, ...]) -> Cursor:
        return Cursor(_instant(row[key]) if order.is_instant else _figure(row[key]), row[0])

    for rows in record_runs.every_run(fetch, cursor_of, ROWS_A_RUN):
        yield "".join([line(row) for row in rows])


def csv_text(text: str) -> str:
    """A cell of text as RFC 4180 writes it."""
    cell = text_cell(text)
    return '"{}"'.format(cell.replace('"', '""')) if _QUOTED.search(cell) else cell


def _line_of(kind: str, chosen: HistoryFilter) -> Callable[[tuple[Any, ...]], str]:
    """What writes a row of NAMES and figures as a line."""
    starts = {
        _held_id(account.pk): f"{csv_text(account.label)},{csv_text(account.venue)}"
        for account in chosen.accounts
    }
    name = lru_cache(maxsize=4096)(csv_text)
    amount = _figure_text(AMOUNT_PLACES)
    rate = lru_cache(maxsize=4096)(_figure_text(RATE_PLACES))
    instant = _instant_text(chosen.zone)

    def names(account: str, record_id: str, symbol: str, currency: str) -> str:
        plain_id = record_id if record_id.isalnum() else csv_text(record_id)
        return f"{starts[account]},{plain_id},{name(symbol)},{name(currency)}"

    def borrow(row: tuple[Any, ...]) -> str:
        _, account, at, changed, *texts, principal, interest, daily, hourly, cause = row
        return (
            f"{names(account, *texts)},{amount(principal)},{amount(interest)},{instant(at)},"
            f"{rate(daily)},{rate(hourly)},{_end(changed, cause)}"
        )

    def repay(row: tuple[Any, ...]) -> str:
        _, account, at, changed, *texts, paid, principal, interest, cause = row
        return (
            f"{names(account, *texts)},{amount(paid)},{amount(principal)},{amount(interest)},"
            f"{instant(at)},{_end(changed, cause)}"
        )

    return borrow if kind == Kind.BORROW else repay


def _end(changed: bool | int, cause: UUID | str | None) -> str:
    return f"{'yes' if changed else 'no'},{UUID(str(cause)) if cause else ''},\r\n"


# --- What the engines hold: figures as sortable text or numeric, instants in UTC ----------------


def _as_text(name: str) -> str:
    """A column as an expression that gives text, a number for `id` and `story_changed`."""
    if connection.vendor == "sqlite":
        # A bare column would be read by its declared type.
        return {"at": "run.at || ''", "story_changed": "+run.story_changed"}.get(
            name, f"run.{name}"
        )
    if name == "at":
        return "(run.at AT TIME ZONE 'UTC')::text"
    return f"run.{name}" if name in ("id", "story_changed") else f"run.{name}::text"


def _held_id(pk: UUID) -> str:
    return pk.hex if connection.vendor == "sqlite" else str(pk)


def _figure(text: str | None) -> Decimal | None:
    """An amount as a cursor knows it."""
    if text is None:
        return None
    return decode(text, places=AMOUNT_PLACES) if connection.vendor == "sqlite" else Decimal(text)


def _figure_text(places: int) -> Callable[[str | None], str]:
    """What writes a figure of so many places as a cell."""
    if connection.vendor != "sqlite":
        return lambda text: text or ""

    def write(text: str | None) -> str:
        if text is None:
            return ""
        if text[0] == "0":
            return number_cell(decode(text, places=places))
        return f"{text[1:-places].lstrip('0') or '0'}.{text[-places:]}"

    return write


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _instant_text(zone: tzinfo) -> Callable[[str], str]:
    """What writes an instant, held as `2026-11-20 12:00:00[.25]` in UTC, as a cell."""
    if str(zone) != "UTC":
        return lambda text: time_cell(_instant(text), zone)
    return lambda text: f"{text[:10]}T{text[11:19]}.{text[20:23]:0<3}+00:00"
