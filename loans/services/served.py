"""Reading as far back as the exchange serves: it refuses a window that begins before that.

Where it begins to serve may be fixed, or move on with the clock; nothing tells it but refusals.
Pure but for what it is handed.
"""

from datetime import datetime, timedelta

from loans.bitmart.errors import Refused
from loans.services.windows import SECOND, Ask, Reader, Reading

OUT_OF_RANGE = 50041
# How far where the exchange begins to serve may move on while it is looked for.
MOVES_ON = timedelta(minutes=2)


def read_served(
    reader: Reader, start: datetime, end: datetime, *, last: datetime
) -> tuple[datetime, Reading]:
    """Read from `start` to `end`, or as much of that as is served; from when on that was.

    `last` is the latest instant to begin at. Raises: ReadError, also if not even that is served.
    """
    try:
        return start, reader.read(start, end)
    except Refused as exc:
        if not is_out_of_range(exc) or not _is_served(reader.ask, last):
            raise
    begin = _oldest_served(reader.ask, start, last)
    try:
        return begin, reader.read(begin, end)
    except Refused as exc:
        if not is_out_of_range(exc):
            raise
    begin = min(begin + MOVES_ON, last)
    return begin, reader.read(begin, end)


def is_out_of_range(refusal: Refused) -> bool:
    """Whether the exchange refused because it does not serve this time."""
    return refusal.code == OUT_OF_RANGE


def _oldest_served(ask: Ask, start: datetime, end: datetime) -> datetime:
    """To the second: `start` is not served, `end` is."""
    while end - start > SECOND:
        middle = start + (end - start) // (2 * SECOND) * SECOND
        if _is_served(ask, middle):
            end = middle
        else:
            start = middle
    return end


def _is_served(ask: Ask, at: datetime) -> bool:
    """By a window that begins as one does that is read from there."""
    try:
        ask(at - SECOND, at + SECOND, None)
    except Refused as exc:
        if not is_out_of_range(exc):
            raise
        return False
    return True
