"""Lines of CSV straight from what the database holds: the texts that `exports.cells` gives of each
row, without making figures of digits and digits of figures again. A million rows in seconds.
"""

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from functools import lru_cache
from typing import Any

from loans.models import Kind
from loans.services import record_runs
from loans.services.cells import text_cell, time_cell
from loans.services.filters import HistoryFilter
from loans.services.held import (
    AMOUNT_PLACES,
    RATE_PLACES,
    as_text,
    figure,
    figure_text,
    held_id,
    id_text,
    instant,
)
from loans.services.keyset import Cursor, Order

ROWS_A_RUN = 10_000
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
        select = [as_text(name) for name in columns]
        return record_runs.fetch_raw(kind, chosen, order, ROWS_A_RUN, cursor, select=select)

    def cursor_of(row: tuple[Any, ...]) -> Cursor:
        return Cursor(instant(row[key]) if order.is_instant else figure(row[key]), row[0])

    for rows in record_runs.every_run(fetch, cursor_of, ROWS_A_RUN):
        yield "".join([line(row) for row in rows])


def csv_text(text: str) -> str:
    """A cell of text as RFC 4180 writes it."""
    cell = text_cell(text)
    return '"{}"'.format(cell.replace('"', '""')) if _QUOTED.search(cell) else cell


def _line_of(kind: str, chosen: HistoryFilter) -> Callable[[tuple[Any, ...]], str]:
    """What writes a row of NAMES and figures as a line."""
    starts = {
        held_id(account.pk): f"{csv_text(account.label)},{csv_text(account.venue)}"
        for account in chosen.accounts
    }
    names = lru_cache(maxsize=4096)(lambda *texts: ",".join(map(csv_text, texts)))
    amount = figure_text(AMOUNT_PLACES)
    rate = figure_text(RATE_PLACES)
    rates = lru_cache(maxsize=4096)(lambda *texts: ",".join(map(rate, texts)))
    moment, ends = _instant_text(chosen.zone), ("no,", "yes,")

    # One text a line, and few calls: each of them is a tenth of all the time.
    def borrow(row: tuple[Any, ...]) -> str:
        _, account, at, changed, name, symbol, currency, principal, interest, day, hour, cause = row
        return (
            f"{starts[account]},{name if name.isalnum() else csv_text(name)},"
            f"{names(symbol, currency)},{amount(principal)},{amount(interest)},{moment(at)},"
            f"{rates(day, hour)},{ends[changed]}{id_text(cause) if cause else ''},\r\n"
        )

    def repay(row: tuple[Any, ...]) -> str:
        _, account, at, changed, name, symbol, currency, paid, principal, interest, cause = row
        return (
            f"{starts[account]},{name if name.isalnum() else csv_text(name)},"
            f"{names(symbol, currency)},{amount(paid)},{amount(principal)},{amount(interest)},"
            f"{moment(at)},{ends[changed]}{id_text(cause) if cause else ''},\r\n"
        )

    return borrow if kind == Kind.BORROW else repay


def _instant_text(zone: tzinfo) -> Callable[[str], str]:
    """What writes an instant, held as `2026-11-20 12:00:00[.25]` in UTC, as a cell."""
    if str(zone) != "UTC":
        return lambda text: time_cell(instant(text), zone)

    def write(text: str) -> str:
        thousandths = f"{text[20:23]:0<3}" if len(text) > 19 else "000"
        return f"{text[:10]}T{text[11:19]}.{thousandths}+00:00"

    return write
