"""What a cell of a file says: text that no spreadsheet runs as a formula, figures with every digit,
instants with their offset.
"""

from datetime import datetime, tzinfo
from decimal import Decimal

# The wide ones run in spreadsheets that are set to Chinese or Japanese.
RUNS_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_cell(text: str) -> str:
    """Text as a spreadsheet shall show it, never run it."""
    return f"'{text}" if text.startswith(RUNS_AS_FORMULA) else text


def number_cell(value: Decimal | None) -> str:
    """Every digit, no grouping, no exponent; empty where it is not known."""
    return "" if value is None else format(value, "f")


def time_cell(at: datetime, zone: tzinfo) -> str:
    """ISO 8601 with the zone's offset at that instant."""
    return at.astimezone(zone).isoformat(timespec="milliseconds")
