"""Keeping an account's loan history complete, one stream (account, pair, kind) at a time.

The coverage of a stream says which span is proven. It moves only after every page of a span came
without an error, so whatever breaks in the middle is simply read again. Nothing here moves money.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from loans.bitmart.client import PAGE_SIZE, Client
from loans.bitmart.errors import Refused
from loans.bitmart.responses import Listing
from loans.bitmart.responses import RefusedRow as Refusal
from loans.bitmart.rows import excerpt
from loans.models import Coverage, Kind
from loans.services.clock import Clock
from loans.services.coverage import is_served_no_further
from loans.services.hiding import find_older
from loans.services.served import is_out_of_range, read_served
from loans.services.shelf import DatabaseShelf, Shelf
from loans.services.windows import (
    EARLIEST,
    LONGEST,
    NOT_SERVED,
    SECOND,
    UNREADABLE,
    Gap,
    Reader,
    Reading,
    Row,
    control,
    fitting,
    instant_of,
    is_drawn,
    is_in,
    whole_second,
)

# The bound doubles for each record that came later than it, so often at most.
MOST_DOUBLINGS = 5
DAY = timedelta(days=1)
# Longer than a walk takes, so that its last stream is not behind its first.
MOST_AHEAD = timedelta(minutes=2)
MOST_WINDOWS = 60
RECENT_EVERY, WHOLE_EVERY = timedelta(days=1), timedelta(days=7)


@dataclass(slots=True)
class Learned:
    """What reading a stream brought.

    `is_loaded`: nothing older is left to load. `can_go_on`: something is, and windows work.
    """

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: int = 0
    calls: int = 0
    is_loaded: bool = False
    can_go_on: bool = False


def never() -> bool:
    """For those who have all the time in the world."""
    return False


def read_stream(
    coverage: Coverage,
    *,
    client: Client,
    now: datetime,
    visibility: timedelta,
    most_windows: int = MOST_WINDOWS,
    is_over: Callable[[], bool] = never,
    shelf: Shelf | None = None,
    clock: Clock | None = None,
) -> Learned:
    """Read what is new in a stream, then load at most `most_windows` windows of what is old.

    1. Nothing is known of it, it has no record, or windows do not work: one listing without bounds.
    2. Otherwise the window from the watermark on, overlapping by more than a record may be late.
    3. As long as the start of the history is not reached: further windows, backwards.

    The caller saves the coverage, also after an error. Raises: ReadError.
    """
    options = {"shelf": shelf, "clock": clock}
    stream = Stream(client=client, coverage=coverage, now=now, visibility=visibility, **options)
    try:
        if coverage.complete_to is None or not coverage.has_rows or not coverage.trusted:
            stream.read_whole()
        else:
            stream.read_new()
        stream.load_old(most_windows, is_over)
    finally:
        stream.settle()
    return stream.learned


class Stream:
    """One run over one stream. Changes its coverage, which the caller saves."""

    def __init__(
        self,
        *,
        client: Client,
        coverage: Coverage,
        now: datetime,
        visibility: timedelta,
        shelf: Shelf | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`visibility`: how long what took effect may stay unlisted, unless it was longer here.

        Without a `clock`, time stands still at `now` while it is read, as where time is driven.
        """
        self.coverage = coverage
        self.shelf = shelf or DatabaseShelf(coverage)
        self.learned = Learned()
        self.bound = visibility * 2 ** min(coverage.late_records, MOST_DOUBLINGS)
        self._client = client
        self._now = now
        self._clock = clock or (lambda: now)
        self._watermark = coverage.complete_to
        self._proven_from = coverage.complete_from or EARLIEST
        self._exchange_now: datetime | None = None
        # That windows work is believed only once a control has passed, and until one fails.
        self._windows_work = coverage.trusted
        self._has_strangers = False
        base, _, quote = coverage.symbol.rpartition("_")
        self.reader = Reader(
            ask=self._ask,
            keep=self._keep,
            doubt=self.doubt,
            tardy=self._count_tardy,
            draw=self._is_drawn,
            currencies=(base, quote) if coverage.kind == Kind.REPAY else (),
        )

    def read_whole(self) -> None:
        """One listing without bounds. A short one is everything there is (A4)."""
        page = self.list_all()
        if page is None:
            return
        rows, unproven = page
        is_hiding = rows.is_short and self.hides_older(rows)
        is_whole = rows.is_short and not is_hiding
        if is_whole and not (unproven and rows.rows and self.windows_work()):
            self._prove_listed(unproven)
        elif self.windows_work():
            # There is more than it shows, or windows must tell which second cannot be read.
            if is_hiding and self.coverage.complete_from is None and not self.coverage.in_windows:
                self.coverage.complete_from = self.coverage.complete_to
            self.read_new()

    def _prove_listed(self, unproven: bool) -> None:
        """A short listing shows all there is. While windows do not work, nothing tells whether it
        hides something: what was not served or loaded before stays so.
        """
        since, end, gaps = self.coverage.complete_to, self._new_watermark(), self.shelf.gaps()
        is_open = self.coverage.complete_from or any(gap.reason == NOT_SERVED for gap in gaps)
        start = EARLIEST
        if since is not None and not self.windows_work():
            if self.shelf.is_hiding_seen():
                return
            start = since + SECOND if is_open else EARLIEST
        self._prove(start, end, [Gap(start, end + SECOND, UNREADABLE)] if unproven else [])
        if start == EARLIEST:
            self.coverage.complete_from = None

    def list_all(self) -> tuple[Listing, bool] | None:
        """A listing without bounds, and whether some of its rows could not be read and kept.

        None if it is full and windows do not work, so that it proves nothing.
        """
        page = self._ask(None, None, None)
        unkept = self._keep(page)
        works = not page.rows or self._is_heeded(page.rows)
        self._windows_work = works and not self._has_strangers
        # Only now: if the control could not be asked, the next run must ask it.
        self.coverage.has_rows |= bool(page.rows)
        if not page.is_short and not self._windows_work:
            return None
        return page, bool(page.refused or unkept)

    def _is_heeded(self, rows: Sequence[Row]) -> bool:
        """The control, by the newest row; if that is not served any more, the last that passed."""
        try:
            return control(max(rows, key=instant_of), ask=self._ask)
        except Refused as exc:
            if not is_out_of_range(exc):
                raise
            return self.coverage.has_rows and self._windows_work

    def read_new(self) -> None:
        """The window from the watermark to a day ahead of our clock, which may be behind.

        Where nothing is proven yet, what is begins with this window. Where the watermark is older
        than what is served, what lies between is a gap.
        """
        since = self.coverage.complete_to or self._new_watermark()
        start = whole_second(since - self.bound) - 2 * SECOND
        begin, reading = self.read_served(start, max(self._now, since) + DAY)
        if self.coverage.complete_to is None:
            self.coverage.complete_from = begin
        self.coverage.has_rows |= bool(reading.rows)
        proven, gaps = since + SECOND, list(reading.gaps)
        if begin > proven:
            gaps.append(Gap(proven, begin, NOT_SERVED))
            self.end_loading()
        self._prove(min(begin, proven), self._new_watermark(), gaps)

    def read_served(self, start: datetime, end: datetime) -> tuple[datetime, Reading]:
        """Read a span as far back as it is served; from when on that was, and the reading.

        Raises: ReadError, also if nothing of it is served.
        """
        last = max(start, min(end, self._new_watermark()))
        return read_served(self.reader, start, end, last=last)

    def load_old(self, most_windows: int, is_over: Callable[[], bool]) -> None:
        """Windows from the oldest proven instant backwards, until the start or the count is met.

        A week at most, to the very beginning: a longer window that the exchange cut without a word
        would look complete. Only streams with more than a page of records come here, or where a
        listing without bounds is not believed, and only once.
        """
        if not self._windows_work or self.coverage.complete_to is None:
            return
        self._watermark = None  # what is old cannot be late
        length = LONGEST
        for _ in range(most_windows):
            if self.is_loaded() or is_over():
                return
            length = fitting(length, self._load(length))

    def is_loaded(self) -> bool:
        """Whether nothing older is left that the exchange would serve."""
        return self.coverage.complete_from is None or is_served_no_further(self.shelf.gaps())

    def settle(self) -> None:
        """What may be concluded at the end of a run, also of one that broke off."""
        coverage = self.coverage
        coverage.trusted = self.windows_work() and not coverage.doubt
        self.learned.is_loaded = coverage.complete_to is not None and self.is_loaded()
        is_loading = coverage.complete_from is not None and not self.learned.is_loaded
        self.learned.can_go_on = is_loading and self.windows_work()
        if self.learned.is_loaded and coverage.has_rows and coverage.audit_due_at is None:
            coverage.audit_due_at = self._now + RECENT_EVERY
            coverage.whole_audit_due_at = coverage.whole_audit_due_at or self._now + WHOLE_EVERY

    def doubt(self, reason: str) -> None:
        """Something contradicts what the proof leans on: only a clean audit of all restores it."""
        self.coverage.doubt = reason
        if self.coverage.audit_reached is not None:
            self.coverage.audit_contradictions += 1
        self._audit_all()

    def windows_work(self) -> bool:
        """Whether a control has passed, and nothing came from another pair."""
        return self._windows_work and not self._has_strangers

    def _load(self, length: timedelta) -> int:
        """Read one more window, if the exchange reaches back so far; how many rows it had."""
        end = self.coverage.complete_from
        start = max(EARLIEST, end - length)
        try:
            begin, reading = self.read_served(start, end)
        except Refused as exc:
            if not is_out_of_range(exc):
                raise
            begin, reading = end, Reading()
        self.shelf.name_gaps(start=begin, end=end, gaps=reading.gaps)
        self.coverage.complete_from = None if begin == EARLIEST else begin
        self.coverage.in_windows |= begin == EARLIEST
        self.coverage.has_rows |= bool(reading.rows)
        if begin > start:
            self.end_loading()
        return len(reading.rows)

    def end_loading(self) -> None:
        """What was not loaded until now is not served."""
        oldest = self.coverage.complete_from
        if oldest is not None:
            gap = Gap(EARLIEST, oldest, NOT_SERVED)
            self.shelf.name_gaps(start=EARLIEST, end=oldest, gaps=[gap])

    def hides_older(self, page: Listing) -> bool:
        """Whether a listing without bounds left out what is older than some default span: it, or
        one of another list of this exchange.
        """
        if not self._windows_work:
            return False
        if self.shelf.is_hiding_seen():
            return True
        if page.received and not page.rows:
            return False
        # To what will be proven, wherever the exchange rounds its bounds to.
        end = self._new_watermark() + SECOND
        try:
            found = find_older(
                page, symbol=self.coverage.symbol, ask=self._ask, begin=EARLIEST, end=end
            )
        except Refused as exc:
            if not is_out_of_range(exc):
                raise
            return True  # windows find out where the exchange begins to serve
        self._windows_work = found.is_heeded
        # Unless it became visible only now.
        if found.is_record and self._ask(None, None, None).received <= page.received:
            self.shelf.note_hiding(max(self._now, self._clock()))
        return found.is_older

    def _prove(self, start: datetime, end: datetime, gaps: Sequence[Gap]) -> None:
        """All from `start` to `end` was read: name the gaps, move the watermark forwards.

        The watermark's own second counts as proven, so a gap there is named, too.
        """
        self.shelf.name_gaps(start=start, end=end + SECOND, gaps=gaps)
        if self.coverage.complete_to is None or end > self.coverage.complete_to:
            self.coverage.complete_to = end
        self.coverage.checked_at = self._now

    def _new_watermark(self) -> datetime:
        """By the exchange's clock when this run began; later records may not be visible yet. What
        a clock that leapt ahead calls past is still to come: then it is by ours.
        """
        at = self._exchange_now or self._now
        at = at if at - self._now <= MOST_AHEAD else self._now
        return whole_second(at - self.bound) - SECOND

    def _ask(self, start: datetime | None, end: datetime | None, currency: str | None) -> Listing:
        self.learned.calls += 1
        bounds = {"start": start, "end": end, "size": PAGE_SIZE}
        if self.coverage.kind == Kind.BORROW:
            page = self._client.borrow_records(self.coverage.symbol, **bounds)
        else:
            page = self._client.repay_records(self.coverage.symbol, currency=currency, **bounds)
        self._exchange_now = self._exchange_now or page.exchange_at
        return page

    def _keep(self, page: Listing) -> int:
        """Store a page; how many of its rows are not kept now.

        A row of another pair means that the filter is ignored: trust no window.
        """
        mine = [row for row in page.rows if row.symbol == self.coverage.symbol]
        others = [row for row in page.rows if row.symbol != self.coverage.symbol]
        foreign = f"not of {self.coverage.symbol}, as asked"
        refusals = [Refusal(foreign, excerpt(row.raw)) for row in others]
        # Not when the run began: what was heard later was charged, and is known, only since then.
        told = self.shelf.store(
            mine, [*page.refused, *refusals], lambda: max(self._now, self._clock())
        )
        self._has_strangers |= bool(others)
        self._count_late(mine, set(told.new))
        self.learned.new += told.new
        self.learned.changed += told.changed
        self.learned.refused += told.refused + len(page.refused) + len(others)
        return told.unkept

    def _count_late(self, rows: Sequence[Row], new: set[str]) -> None:
        """Those that were not there when their time was proven: they came later than they may."""
        if self._watermark is None or not new:
            return
        proven = (self._proven_from, self._watermark)
        fresh = [row for row in rows if row.record_id in new]
        late = [row for row in fresh if proven[0] <= instant_of(row) <= proven[1]]
        if late:
            gaps = self.shelf.gaps()
            self._note_late(sum(not is_in(gaps, instant_of(row)) for row in late))

    def _count_tardy(self, rows: Sequence[Row]) -> None:
        """Those that were not there a moment ago, unless they were counted as late already."""
        counted_to = self._watermark or datetime.min.replace(tzinfo=UTC)
        times = [at for at in map(instant_of, rows) if at > counted_to]
        self._note_late(sum(at <= self._new_watermark() for at in times))

    def _note_late(self, count: int) -> None:
        """The bound of this stream doubles from the next run on, and all of it is audited."""
        if count:
            self.coverage.late_records += count
            self.coverage.audit_late += count if self.coverage.audit_reached is not None else 0
            self._audit_all()

    def _audit_all(self) -> None:
        """As soon as there is time, unless that is under way already."""
        coverage = self.coverage
        if not (coverage.audit_reached is not None and coverage.audit_is_whole):
            coverage.whole_audit_due_at = min(coverage.whole_audit_due_at or self._now, self._now)

    def _is_drawn(self, lo: datetime, hi: datetime) -> bool:
        coverage = self.coverage
        return is_drawn(f"{coverage.account_id}|{coverage.symbol}|{coverage.kind}|{lo}|{hi}")
