"""The history as a spreadsheet (XLSX), written row by row so that memory stays constant.

A spreadsheet keeps 15 digits of a number. An amount that needs no more is a number whose every
digit stands in the file; a longer one is text. The sheet `About` says so, and which rows these are.
Text is always text, with the apostrophe of the CSV: nothing in it runs, also once it is edited.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import BinaryIO

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell

from loans.models import Kind
from loans.services import exports, history
from loans.services.filters import HistoryFilter

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXACT_DIGITS = 15
# What XML cannot hold: one such character, and no program opens the file.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# What the format reads as a character by its number: the mark before it is written as one instead.
_NUMBERED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
# A sheet ends at 1,048,576 rows.
ROWS_A_SHEET = 1_000_000
NUMBERS = frozenset({"amount", "principal", "interest", "daily_rate", "hourly_rate"})
WIDTHS = {"record_id": 24, "borrowed_at": 31, "repaid_at": 31, "instruction": 38, "account": 20}
USUAL_WIDTH = 18
NAMES = {Kind.BORROW: "Borrows", Kind.REPAY: "Repayments"}
RULE = (
    f"Amounts and rates of up to {EXACT_DIGITS} digits are numbers. Longer ones are text, because "
    "a spreadsheet would round them; a sum over the column leaves them out."
)


def write(kind: str, chosen: HistoryFilter, out: BinaryIO, *, now: datetime) -> Iterator[int]:
    """Write the workbook to `out`; gives the count of rows now and then.

    The file is whole once the iteration is.
    """
    book = Workbook(write_only=True)
    _write_about(book, kind, chosen, now)
    accounts = {account.pk: account for account in chosen.accounts}
    rows = history.every_row(kind, chosen)
    lines = (exports.cells(kind, row, accounts[row.account_id], chosen.zone) for row in rows)
    yield from _write_lines(book, lines, head=exports.head(kind, chosen), name=NAMES[Kind(kind)])
    book.active = 1
    book.save(out)


class _Sheet:
    """One sheet with a head. Its cells are used again for each row, as each is written at once."""

    def __init__(self, book: Workbook, name: str, head: list[str]) -> None:
        self._sheet = book.create_sheet(name)
        self._sheet.freeze_panes = "A2"
        self._is_number = [column in NUMBERS for column in head]
        for number, column in enumerate(head):
            letter = chr(ord("A") + number)
            self._sheet.column_dimensions[letter].width = WIDTHS.get(column, USUAL_WIDTH)
        self._texts = [WriteOnlyCell(self._sheet) for _ in head]
        self._numbers = [WriteOnlyCell(self._sheet) for _ in head]
        self._places = [0 for _ in head]
        self.append(head, is_head=True)

    def append(self, line: list[str], *, is_head: bool = False) -> None:
        """One row of texts; those of number columns become numbers where every digit survives."""
        cells = []
        for place, text in enumerate(line):
            if text and self._is_number[place] and not is_head and keeps_every_digit(text):
                cells.append(self._number(place, text))
            else:
                cells.append(_text(text, self._texts[place]))
        self._sheet.append(cells)

    def _number(self, place: int, text: str) -> Cell:
        """The digits as they are: the library would print them anew, by way of a double."""
        cell, places = self._numbers[place], len(text.partition(".")[2])
        if places != self._places[place]:
            cell.number_format = f"0.{'0' * places}" if places else "0"
            self._places[place] = places
        cell._value, cell.data_type = text, "n"
        return cell


def keeps_every_digit(text: str) -> bool:
    """Whether a spreadsheet keeps this number to its last digit."""
    digits = Decimal(text).normalize().as_tuple().digits
    return len(digits) <= EXACT_DIGITS


def _write_lines(
    book: Workbook, lines: Iterable[list[str]], *, head: list[str], name: str
) -> Iterator[int]:
    sheet, count = _Sheet(book, name, head), 0
    for line in lines:
        if count and count % ROWS_A_SHEET == 0:
            sheet = _Sheet(book, f"{name} {count // ROWS_A_SHEET + 1}", head)
        sheet.append(line)
        count += 1
        if count % history.CHUNK == 0:
            yield count
    yield count


def _write_about(book: Workbook, kind: str, chosen: HistoryFilter, now: datetime) -> None:
    """What is inside, for whoever opens the file a year later."""
    sheet = book.create_sheet("About")
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 16, 90
    facts = (
        ("What", NAMES[Kind(kind)].lower()),
        ("Rows", exports.text_cell(chosen.words)),
        ("Order", exports.text_cell(chosen.sort)),
        ("Times in", str(chosen.zone)),
        ("Made at", exports.time_cell(now, chosen.zone)),
        ("Numbers", RULE),
    )
    for fact in facts:
        sheet.append([_text(text, WriteOnlyCell(sheet)) for text in fact])


def _text(text: str, cell: Cell) -> str | Cell:
    """Control characters have no place in the format; a mark stands for each.

    The library takes a plain string as it is, unless it looks like a formula or like an error:
    then a cell says that it is text.
    """
    clean = _NUMBERED.sub("_x005F_", _ILLEGAL.sub("\ufffd", text))
    if not clean.startswith(("=", "#")):
        return clean
    cell._value, cell.data_type = clean, "s"
    return cell
