"""Reading a span of a listing that gives at most a page at a time, in no promised order.

The argument: a page that is shorter than asked for holds everything within its bounds; a span that
is split is covered by its halves; what cannot be split any further is named as a gap. So whatever
is read without an error is complete, except for the gaps. Pure but for the `ask` it is handed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loans.bitmart.responses import BorrowRecord, Listing, RepayRecord

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
# Longer spans might be cut by the exchange without a word, which would look complete.
LONGEST = timedelta(days=7)

UNREADABLE = "a row could not be read"
CROWDED = "more records in one second than the exchange lists"

Row = BorrowRecord | RepayRecord
Ask = Callable[[datetime, datetime, str | None], Listing]


@dataclass(frozen=True, slots=True)
class Gap:
    """A span that could not be proven."""

    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reader:
    """How a stream is read: the call, what to do with each page, and the last filter there is.

    `currencies` split an instant that holds more than a page, where the endpoint takes them.
    """

    ask: Ask
    keep: Callable[[Listing], None]
    currencies: Sequence[str] = ()

    def read(self, start: datetime, end: datetime) -> list[Gap]:
        """Read everything from `start` to `end`, both included; return what stays unproven.

        Raises: ReadError as `ask` does; then nothing is proven, though what came is kept.
        """
        gaps = []
        for lo, hi in _pieces(start, end):
            gaps += self._read(lo, hi)
        return gaps

    def _read(self, lo: datetime, hi: datetime) -> list[Gap]:
        page = self._page(lo, hi)
        if page.is_short:
            return [Gap(lo, hi, UNREADABLE)] if page.refused else []
        if hi - lo <= MILLISECOND:
            return self._instant(lo, hi)
        middle = lo + (hi - lo) // (2 * MILLISECOND) * MILLISECOND
        return self._read(lo, middle) + self._read(middle + MILLISECOND, hi)

    def _instant(self, lo: datetime, hi: datetime) -> list[Gap]:
        """Two milliseconds that hold more than a page: by currency, or not at all."""
        pages = [self._page(lo, hi, currency) for currency in self.currencies]
        if pages and all(page.is_short for page in pages):
            return []
        second = lo.replace(microsecond=0)
        return [Gap(second, second + SECOND, CROWDED)]

    def _page(self, lo: datetime, hi: datetime, currency: str | None = None) -> Listing:
        # Padded, so that it does not matter whether the exchange includes its bounds.
        pad = SECOND if hi - lo >= SECOND else MILLISECOND
        page = self.ask(lo - pad, hi + pad, currency)
        self.keep(page)
        return page


def control(known: Row, *, ask: Ask) -> bool:
    """Whether a window around a known record gives it back, and nothing from elsewhere.

    This catches another unit of the bounds, ignored filters, and anything else that would make an
    empty page look like proof.
    """
    at = instant_of(known)
    page = ask(at - SECOND, at + SECOND, None)
    is_within = all(abs(instant_of(row) - at) <= 2 * SECOND for row in page.rows)
    is_there = any(row.record_id == known.record_id for row in page.rows)
    return is_within and (is_there or not page.is_short)


def instant_of(row: Row) -> datetime:
    """When it happened, by the exchange's clock."""
    return row.created_at if isinstance(row, BorrowRecord) else row.repaid_at


def _pieces(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start <= end:
        yield start, min(start + LONGEST, end)
        start += LONGEST + MILLISECOND
