"""Lines of CSV straight from what the database holds: the texts that `exports.cells` gives of each
row, without making figures of digits and digits of figures again. A million rows in seconds.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo
from functools import lru_cache
from itertools import repeat
from typing import Any

from loans.models import Kind
from loans.services import every_record
from loans.services.cells import text_cell, time_cell
from loans.services.filters import HistoryFilter
from loans.services.held import (
    RATE_PLACES,
    as_text,
    figure_texts,
    held_id,
    id_text,
    instant,
)
from loans.services.keyset import Cursor, Order

ROWS_A_RUN = 10_000
# Turning rows into columns takes an iterator a row: of more than the collector waits for, each
# outlives it, and it goes through all that the process holds again and again.
LINES_AT_ONCE = 400
BORROW_CELLS = ("principal", "interest", "daily_rate", "hourly_rate")
REPAY_CELLS = ("amount", "principal", "interest")
# The columns before the figures of a row.
NAMES = ("id", "account_id", "at", "story_changed", "record_id", "symbol", "currency")
_QUOTED = re.compile(r'[,"\r\n]')


def runs_of_lines(kind: str, chosen: HistoryFilter, order: Order) -> Iterator[str]:
    """Every row of a filter in this order, some hundred lines at a time."""
    columns = (*NAMES, *(BORROW_CELLS if kind == Kind.BORROW else REPAY_CELLS))
    key, at = columns.index("id"), columns.index("at")
    write = _writer(kind, chosen)
    for rows in every_record.runs(
        kind,
        chosen,
        order,
        ROWS_A_RUN,
        select=[as_text(name) for name in columns],
        cursor_after=lambda row: Cursor(instant(row[at]), row[key]),
    ):
        for begin in range(0, len(rows), LINES_AT_ONCE):
            yield write(rows[begin : begin + LINES_AT_ONCE])


def csv_text(text: str) -> str:
    """A cell of text as RFC 4180 writes it."""
    cell = text_cell(text)
    return '"{}"'.format(cell.replace('"', '""')) if _QUOTED.search(cell) else cell


def _writer(kind: str, chosen: HistoryFilter) -> Callable[[Sequence[tuple[Any, ...]]], str]:
    """What writes rows of NAMES and figures as lines."""
    starts = {
        held_id(account.pk): f"{csv_text(account.label)},{csv_text(account.venue)}"
        for account in chosen.accounts
    }
    pairs = lru_cache(maxsize=4096)(lambda *texts: ",".join(map(csv_text, texts)))
    rates = lru_cache(maxsize=4096)(lambda *texts: ",".join(figure_texts(texts, RATE_PLACES)))
    instants, ends = _instant_texts(chosen.zone), ("no,", "yes,")

    # Column by column where it can be, for each call of a line is a tenth of all its time.
    def write(rows: Sequence[tuple[Any, ...]]) -> str:
        columns = zip(*rows, strict=True)
        _, accounts, times, marks, names, symbols, currencies, *amounts, causes = columns
        then: Iterable[str] = repeat("", len(rows))  # only loans have rates
        if kind == Kind.BORROW:
            *amounts, daily, hourly = amounts
            then = (f",{rates(*both)}" for both in zip(daily, hourly, strict=True))
        told = map(",".join, zip(*map(figure_texts, amounts), strict=True))
        cells = zip(
            *(accounts, names, symbols, currencies, told, instants(times), then, marks, causes),
            strict=True,
        )
        return "".join(
            [
                f"{starts[account]},{name if name.isalnum() else csv_text(name)},"
                f"{pairs(symbol, currency)},{figures},{at}{rate},"
                f"{ends[mark]}{id_text(cause) if cause else ''},\r\n"
                for account, name, symbol, currency, figures, at, rate, mark, cause in cells
            ]
        )

    return write


def _instant_texts(zone: tzinfo) -> Callable[[Iterable[str]], list[str]]:
    """What writes a column of instants, held as `2026-11-20 12:00:00[.25]` in UTC, as cells."""
    if str(zone) != "UTC":
        return lambda texts: [time_cell(instant(text), zone) for text in texts]

    def write(texts: Iterable[str]) -> list[str]:
        return [
            f"{text[:10]}T{text[11:19]}.{f'{text[20:23]:0<3}' if len(text) > 19 else '000'}+00:00"
            for text in texts
        ]

    return write
