"""What a cell of a file says: text that no spreadsheet runs as a formula, figures with every digit,
instants with their offset.
"""

import re
from datetime import datetime, tzinfo
from decimal import Decimal

# Where a formula begins: at the beginning of a cell, and behind what parts cells in spreadsheets
# that are set to German or French. To those the quotes of a cell in mid-line are none, so that a
# line may end within it, and a cell begin with some. The wide signs run in those set to Chinese or
# Japanese.
_SIGNS = "[=+\\-@＝＋－＠]"
_FORMULA = re.compile(rf"^(?=[\t\r\n]|{_SIGNS})|(?<=[;\t\r\n])(?=\"*{_SIGNS})")


def text_cell(text: str) -> str:
    """Text as a spreadsheet shall show it, never run it."""
    return _FORMULA.sub("'", text)


def number_cell(value: Decimal | None) -> str:
    """Every digit, no grouping, no exponent; empty where it is not known."""
    return "" if value is None else format(value, "f")


def time_cell(at: datetime, zone: tzinfo) -> str:
    """ISO 8601 with the zone's offset at that instant."""
    return at.astimezone(zone).isoformat(timespec="milliseconds")
