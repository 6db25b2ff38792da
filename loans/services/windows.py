"""Reading a span of a listing that gives at most a page at a time, in no promised order.

The argument: a page that is shorter than asked for holds everything within its bounds; a span that
is split is covered by its halves; what cannot be split any further is named as a gap. So whatever
is read without an error is complete, except for the gaps. What the argument leans on is tried as it
is read: no row from outside its window, every row of a full page again in its halves, and one short
page in a hundred read again in two halves. Pure but for what it is handed.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from loans.bitmart.responses import BorrowRecord, Listing, RepayRecord

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
# Longer spans might be cut by the exchange without a word, which would look complete. With the
# padding on both sides a window is a week long.
LONGEST = timedelta(days=7) - 2 * SECOND
# Where in its second a row shows whether milliseconds are heeded.
INNER = (10 * MILLISECOND, 990 * MILLISECOND)
# So many windows are split in one run to find the seconds of rows that cannot be read.
MOST_NARROWED = 60

# The next window is as long as would have held so many rows: nearly a page, seldom more.
GOAL = 65
AUDITED_PERCENT = 1
# No isolated loan is older: the exchange opened these endpoints then.
EARLIEST = datetime(2022, 7, 1, tzinfo=UTC)

UNREADABLE = "a row could not be read"
NOT_SERVED = "the exchange does not serve this time"
CROWDED = "more records in one second than the exchange lists"
CONTRADICTED = "one listing contradicted another"

OUTSIDE = "rows from outside the time that was asked for"
VANISHED = "rows of one page that the pages of its halves did not show"
DIFFERENT = "a page read again in two halves differed"

Row = BorrowRecord | RepayRecord
Ask = Callable[[datetime, datetime, str | None], Listing]


@dataclass(frozen=True, slots=True)
class Gap:
    """A span that could not be proven."""

    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was listed in a span, padding included, by record id, and what stays unproven of it."""

    gaps: Sequence[Gap] = ()
    rows: Mapping[str, Row] = field(default_factory=dict)

    def __add__(self, other: "Reading") -> "Reading":
        """Both spans."""
        return Reading([*self.gaps, *other.gaps], {**self.rows, **other.rows})

    def within(self, lo: datetime, hi: datetime) -> set[str]:
        """The ids of the rows that say they are of this span."""
        return {key for key, row in self.rows.items() if lo <= instant_of(row) <= hi}


@dataclass(slots=True)
class Reader:
    """How a stream is read: the call, what to do with each page, and the last filter there is.

    `keep` answers how many rows of a page could not be kept. `doubt` is told what contradicts the
    argument, `tardy` the rows that became visible between two readings of one page, and `draw` says
    whether a window is read again. `currencies` split an instant that holds more than a page, where
    the endpoint takes them.
    """

    ask: Ask
    keep: Callable[[Listing], int]
    doubt: Callable[[str], None]
    tardy: Callable[[Sequence[Row]], None]
    draw: Callable[[datetime, datetime], bool]
    currencies: Sequence[str] = ()
    _narrowed: int = 0
    _splits_seconds: bool | None = None

    def read(self, start: datetime, end: datetime) -> Reading:
        """Read everything from `start` to `end`, both included, in whole seconds.

        Raises: ReadError as `ask` does; then nothing is proven, though what came is kept.
        """
        whole = Reading()
        for lo, hi in _pieces(start, end):
            whole += self._read(lo, hi)
        return whole

    def _read(self, lo: datetime, hi: datetime) -> Reading:
        page, is_readable = self._page(lo, hi)
        here = _reading(page)
        if page.is_short and is_readable:
            if hi - lo >= SECOND and self.draw(lo, hi):
                self._read_again(lo, hi, here)
            return here
        if page.is_short:
            if hi - lo < SECOND or self._narrowed >= MOST_NARROWED:
                return _unproven(lo, hi, UNREADABLE, here)
            self._narrowed += 1
        elif _has_outsiders(page, lo, hi):
            # Its bounds are not heeded, so its halves would be full, too, and theirs, without end.
            return _unproven(lo, hi, CONTRADICTED, here)
        elif hi - lo <= MILLISECOND or (hi - lo < SECOND and not self._can_split(lo, hi, page)):
            return self._by_currency(lo, hi, here)
        middle = _middle(lo, hi)
        halves = self._read(lo, middle - MILLISECOND) + self._read(middle, hi)
        return self._compared(lo, hi, here, halves)

    def _by_currency(self, lo: datetime, hi: datetime, here: Reading) -> Reading:
        """An instant, or a second that cannot be split, with more than a page: by currency."""
        pages = [self._page(lo, hi, currency) for currency in self.currencies]
        whole = sum((_reading(page) for page, _ in pages), here)
        if not pages or not all(page.is_short and is_readable for page, is_readable in pages):
            return _unproven(lo, hi, CROWDED, whole)
        return self._compared(lo, hi, here, sum((_reading(page) for page, _ in pages), Reading()))

    def _compared(self, lo: datetime, hi: datetime, parent: Reading, parts: Reading) -> Reading:
        """A full page is a part of the truth: its halves must show it all again."""
        lost = parent.within(lo, hi) - parts.rows.keys()
        if any(not is_in(parts.gaps, instant_of(parent.rows[key])) for key in lost):
            self.doubt(VANISHED)
            return _unproven(lo, hi, CONTRADICTED, parent + parts)
        return parts

    def _read_again(self, lo: datetime, hi: datetime, leaf: Reading) -> None:
        """The audit of a short page: its two halves must be short, too, and together the same."""
        middle = _middle(lo, hi)
        pages = [self._page(lo, middle - MILLISECOND)[0], self._page(middle, hi)[0]]
        halves = _reading(pages[0]) + _reading(pages[1])
        gone = leaf.within(lo, hi) - halves.rows.keys()
        more = halves.within(lo, hi) - leaf.rows.keys()
        if more:  # it may have become visible only now; then the page shows it, too
            gone |= more - _reading(self._page(lo, hi)[0]).rows.keys()
        if gone or not all(page.is_short for page in pages):
            self.doubt(DIFFERENT)
        elif more:
            self.tardy([halves.rows[key] for key in more])

    def _can_split(self, lo: datetime, hi: datetime, page: Listing) -> bool:
        """Whether bounds within a second are heeded: a known row is found by its millisecond.

        Only a row well within its second shows that; bounds that are rounded find the others, too.
        """
        if self._splits_seconds is None:
            inner = [row for row in page.rows if INNER[0] <= _in_its_second(row) <= INNER[1]]
            if not inner:
                return False
            self._splits_seconds = control(inner[0], ask=self.ask, pad=2 * MILLISECOND)
        if hi - lo < SECOND - MILLISECOND and _has_outsiders(page, lo, hi, 2 * MILLISECOND):
            self._splits_seconds = False
        return self._splits_seconds

    def _page(
        self, lo: datetime, hi: datetime, currency: str | None = None
    ) -> tuple[Listing, bool]:
        """A page, and whether all of it could be read and kept."""
        # Padded, so that it does not matter whether the exchange includes its bounds.
        pad = SECOND if hi - lo >= SECOND - MILLISECOND else MILLISECOND
        page = self.ask(lo - pad, hi + pad, currency)
        unkept = self.keep(page)
        if _has_outsiders(page, lo, hi):
            self.doubt(OUTSIDE)
        return page, not page.refused and not unkept


def control(known: Row, *, ask: Ask, pad: timedelta = SECOND) -> bool:
    """Whether a window around a known record gives it back, and nothing from elsewhere.

    This catches another unit of the bounds, ignored filters, and anything else that would make an
    empty page look like proof.
    """
    at = instant_of(known)
    page = ask(at - pad, at + pad, None)
    is_within = all(abs(instant_of(row) - at) <= 2 * pad for row in page.rows)
    is_there = any(row.record_id == known.record_id for row in page.rows)
    return is_within and (is_there or not page.is_short)


def instant_of(row: Row) -> datetime:
    """When it happened, by the exchange's clock."""
    return row.created_at if isinstance(row, BorrowRecord) else row.repaid_at


def is_in(gaps: Sequence[Gap], at: datetime) -> bool:
    """Whether an instant is within a gap."""
    return any(gap.starts_at <= at < gap.ends_at for gap in gaps)


def whole_second(at: datetime) -> datetime:
    """The second that an instant is in."""
    return at.replace(microsecond=0)


def _pieces(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    lo, last = whole_second(start), whole_second(end) + SECOND - MILLISECOND
    while lo <= last:
        yield lo, min(lo + LONGEST - MILLISECOND, last)
        lo += LONGEST


def _middle(lo: datetime, hi: datetime) -> datetime:
    """Where the second half begins: on a whole second, unless it is all within one."""
    step = SECOND if hi - lo >= SECOND else MILLISECOND
    return lo + max(1, (hi - lo + MILLISECOND) // (2 * step)) * step


def _in_its_second(row: Row) -> timedelta:
    at = instant_of(row)
    return at - whole_second(at)


def _reading(page: Listing) -> Reading:
    return Reading((), {row.record_id: row for row in page.rows})


def _unproven(lo: datetime, hi: datetime, reason: str, seen: Reading) -> Reading:
    return Reading(
        [*seen.gaps, Gap(whole_second(lo), whole_second(hi) + SECOND, reason)], seen.rows
    )


def _has_outsiders(
    page: Listing, lo: datetime, hi: datetime, slack: timedelta = 2 * SECOND
) -> bool:
    """Whether a row is from further away than padding and rounded times explain."""
    return any(not lo - slack <= instant_of(row) <= hi + slack for row in page.rows)


def fitting(length: timedelta, rows: int) -> timedelta:
    """How long the next window should be, if the last one was so long and had so many rows."""
    wanted = min(LONGEST, length * 2, length * GOAL // max(rows, 1))
    return max(wanted // SECOND * SECOND, SECOND)


def is_drawn(name: str) -> bool:
    """One short page in a hundred, the same ones whenever and wherever it is asked."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % 100 < AUDITED_PERCENT
