"""Files of exactly what a page shows: the same rows, the same order, named after what they hold.

CSV by RFC 4180, streamed in runs so that memory stays constant. Text that a spreadsheet would run
as a formula gets an apostrophe in front; numbers stay plain numbers, negative ones too.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from loans.models import Account, Kind
from loans.services import csv_lines, history
from loans.services.cells import number_cell, text_cell, time_cell
from loans.services.filters import HistoryFilter

LINES_A_PIECE = 200
# Disks take 255 bytes, a job 200; a tool and the zone come on top.
LONGEST_NAME = 110
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
HEADS = {
    Kind.BORROW: (
        ("account", "venue", "record_id", "symbol", "currency", "principal", "interest"),
        ("daily_rate", "hourly_rate", "story_changed", "instruction"),
    ),
    Kind.REPAY: (
        ("account", "venue", "record_id", "symbol", "currency", "amount", "principal", "interest"),
        ("story_changed", "instruction"),
    ),
}


class _Echo:
    """What csv.writer writes to: hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def head(kind: str, chosen: HistoryFilter) -> list[str]:
    """The column names. The last one has no cells: it says which rows these are, and the zone."""
    before, after = HEADS[Kind(kind)]
    time_name = "borrowed_at" if kind == Kind.BORROW else "repaid_at"
    rows = text_cell(f"rows: {chosen.words}; times in {chosen.zone}")
    return [*before, time_name, *after, rows]


def cells(kind: str, row: Any, account: Account, zone: tzinfo) -> list[str]:
    """One row as texts, under `head`."""
    figures = [number_cell(row.principal), number_cell(row.interest)]
    rates = (
        [number_cell(row.daily_rate), number_cell(row.hourly_rate)] if (kind == Kind.BORROW) else []
    )
    if kind == Kind.REPAY:
        figures.insert(0, number_cell(row.amount))
    names = (account.label, account.venue, row.record_id, row.symbol, row.currency)
    return [
        *(text_cell(name) for name in names),
        *figures,
        time_cell(row.at, zone),
        *rates,
        "yes" if row.story_changed else "no",
        str(row.instruction__id or ""),
        "",
    ]


def csv_pieces(kind: str, chosen: HistoryFilter) -> Iterator[str]:
    """The file in pieces of some hundred lines: what `cells` says of every row."""
    yield from joined([], head=head(kind, chosen))
    yield from csv_lines.runs_of_lines(kind, chosen, history.order_of(kind, chosen.sort))


def joined(lines: Iterable[list[str]], *, head: list[str]) -> Iterator[str]:
    """Lines of cells as pieces of CSV, the head first."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    piece = [writer.writerow(head)]
    for line in lines:
        piece.append(writer.writerow(line))
        if len(piece) >= LINES_A_PIECE:
            yield "".join(piece)
            piece = []
    if piece:
        yield "".join(piece)


def file_name(kind: str, chosen: HistoryFilter, *, ending: str) -> str:
    """Names what is inside: `borrows_Desk_BTC_USDT_from-2026-11-01_UTC.csv`."""
    parts = ["borrows" if kind == Kind.BORROW else "repays"]
    parts += [chosen.account.label] if chosen.account else []
    parts += [part for part in (chosen.symbol, chosen.currency, chosen.q) if part]
    parts += [f"from-{chosen.typed['from']}"] if chosen.since else []
    parts += [f"to-{chosen.typed['to']}"] if chosen.until else []
    what = safe_name(*parts)[:LONGEST_NAME]
    return f"{what}_{safe_name(str(chosen.zone))}.{ending}"


def safe_name(*parts: str) -> str:
    """Parts of a file's name, made safe for every system."""
    clean = [_UNSAFE_IN_NAMES.sub("-", part).strip("-.") for part in parts]
    return "_".join(part for part in clean if part)
