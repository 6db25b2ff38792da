"""Keeping an account's loan history complete, one stream (account, pair, kind) at a time.

The coverage of a stream says which span is proven. It moves only after every page of a span came
without an error, so whatever breaks in the middle is simply read again. Nothing here moves money.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from loans.bitmart.client import PAGE_SIZE, Client
from loans.bitmart.errors import Refused
from loans.bitmart.responses import Listing
from loans.bitmart.responses import RefusedRow as Refusal
from loans.bitmart.rows import excerpt
from loans.models import Account, Coverage, Kind
from loans.services import record_store, refused
from loans.services.coverage import name_gaps, prove
from loans.services.windows import (
    LONGEST,
    SECOND,
    UNREADABLE,
    Gap,
    Reader,
    Row,
    control,
    instant_of,
)

# No isolated loan is older: the exchange opened these endpoints then.
EARLIEST = datetime(2022, 7, 1, tzinfo=UTC)
OUT_OF_RANGE = 50041
NOT_SERVED = "the exchange does not serve this time"
# The overlap doubles for each record that came later than the visibility bound, so often at most.
MOST_DOUBLINGS = 5
# So far before the oldest record of a listing without bounds it is asked whether there is more.
PROBED = timedelta(days=90)
DAY = timedelta(days=1)
MOST_WINDOWS = 60


@dataclass(slots=True)
class Learned:
    """What reading a stream brought. `is_loaded`: nothing older is left to load."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: int = 0
    calls: int = 0
    is_loaded: bool = False


def sync_stream(
    *,
    client: Client,
    account: Account,
    symbol: str,
    kind: str,
    now: datetime,
    visibility: timedelta,
    most_windows: int = MOST_WINDOWS,
) -> Learned:
    """Read one stream, and keep what is proven of it.

    Raises: ReadError; what was proven until then is kept.
    """
    coverage, _ = Coverage.objects.get_or_create(account=account, symbol=symbol, kind=kind)
    try:
        return read_stream(
            coverage,
            client=client,
            now=now,
            visibility=visibility,
            most_windows=most_windows,
        )
    finally:
        coverage.save()


def read_stream(
    coverage: Coverage,
    *,
    client: Client,
    now: datetime,
    visibility: timedelta,
    most_windows: int = MOST_WINDOWS,
) -> Learned:
    """Read what is new in a stream, then load at most `most_windows` windows of what is old.

    1. Nothing is known of it, it has no record, or windows do not work: one listing without bounds.
    2. Otherwise the window from the watermark on, overlapping by more than a record may be late.
    3. As long as the start of the history is not reached: further windows, backwards.

    The caller saves the coverage, also after an error. Raises: ReadError.
    """
    stream = Stream(client=client, coverage=coverage, now=now, visibility=visibility)
    if coverage.complete_to is None or not coverage.has_rows or not coverage.trusted:
        stream.read_whole()
    else:
        stream.read_new()
    stream.load_old(most_windows)
    stream.learned.is_loaded = coverage.complete_to is not None and stream.is_loaded()
    return stream.learned


class Stream:
    """One run over one stream. Changes its coverage, which the caller saves."""

    def __init__(
        self, *, client: Client, coverage: Coverage, now: datetime, visibility: timedelta
    ) -> None:
        """`visibility`: how long what took effect may stay unlisted."""
        self.coverage = coverage
        self.learned = Learned()
        self._client = client
        self._now = now
        self._visibility = visibility
        self._watermark = coverage.complete_to
        self._exchange_now: datetime | None = None
        base, _, quote = coverage.symbol.rpartition("_")
        currencies = (base, quote) if coverage.kind == Kind.REPAY else ()
        self._reader = Reader(self._ask, self._keep, currencies)

    def read_whole(self) -> None:
        """One listing without bounds. A short one is everything there is (A4)."""
        self.coverage.trusted = True
        page = self._ask(None, None, None)
        self._keep(page)
        if page.rows:
            self.coverage.trusted &= control(page.rows[0], ask=self._ask)
        self.coverage.checked_at = self._now
        if page.is_short and not self._hides_older(page):
            gaps = [Gap(EARLIEST, self._new_watermark(), UNREADABLE)] if page.refused else []
            self._prove(EARLIEST, gaps)
            self.coverage.complete_from = None
        elif self.coverage.trusted:
            self._begin_loading()

    def read_new(self) -> None:
        """The window from the watermark to a day ahead of our clock, which may be behind."""
        doublings = min(self.coverage.late_records, MOST_DOUBLINGS)
        start = self.coverage.complete_to - self._visibility * 2**doublings - 2 * SECOND
        end = max(self._now, self.coverage.complete_to) + DAY
        self._prove(start, self._reader.read(start, end))

    def load_old(self, most_windows: int) -> None:
        """Windows from the oldest proven instant backwards, until the start or the count is met.

        Week by week, to the very beginning: a longer window that the exchange cut without a word
        would look complete. Only streams with more than a page of records come here, and only once.
        """
        if not self.coverage.trusted or self.coverage.complete_to is None:
            return
        self._watermark = None  # what is old cannot be late
        for _ in range(most_windows):
            if self.is_loaded():
                return
            self._load()

    def is_loaded(self) -> bool:
        """Whether nothing older is left that the exchange would serve."""
        start = self.coverage.complete_from
        return start is None or self.coverage.gaps.filter(reason=NOT_SERVED).exists()

    def _load(self) -> None:
        """Read one more window, if the exchange reaches back so far."""
        end = self.coverage.complete_from
        start = max(EARLIEST, end - LONGEST)
        try:
            gaps = self._reader.read(start, end)
        except Refused as exc:
            if exc.code != OUT_OF_RANGE:
                raise
            name_gaps(self.coverage, start=EARLIEST, end=end, gaps=[Gap(EARLIEST, end, NOT_SERVED)])
            return
        name_gaps(self.coverage, start=start, end=end, gaps=gaps)
        self.coverage.complete_from = None if start == EARLIEST else start

    def _begin_loading(self) -> None:
        """There is more than a listing without bounds shows: windows must tell, from now on."""
        if self.coverage.complete_to is None:
            start = self._new_watermark()
            self.coverage.complete_to = self.coverage.complete_from = start
        self.read_new()

    def _hides_older(self, page: Listing) -> bool:
        """Whether a listing without bounds left out what is older than some default span."""
        if not page.rows or not self.coverage.trusted:
            return False
        oldest = min(map(instant_of, page.rows))
        return bool(self._ask(oldest - PROBED, oldest - 2 * SECOND, None).rows)

    def _prove(self, start: datetime, gaps: list[Gap]) -> None:
        end = self._new_watermark()
        prove(self.coverage, start=start, end=end, gaps=gaps, now=self._now)

    def _new_watermark(self) -> datetime:
        """By the exchange's clock when this run began; later records may not be visible yet."""
        return (self._exchange_now or self._now) - self._visibility - SECOND

    def _ask(self, start: datetime | None, end: datetime | None, currency: str | None) -> Listing:
        self.learned.calls += 1
        bounds = {"start": start, "end": end, "size": PAGE_SIZE}
        if self.coverage.kind == Kind.BORROW:
            page = self._client.borrow_records(self.coverage.symbol, **bounds)
        else:
            page = self._client.repay_records(self.coverage.symbol, currency=currency, **bounds)
        self._exchange_now = self._exchange_now or page.exchange_at
        return page

    def _keep(self, page: Listing) -> None:
        """Store a page. A row of another pair means that the filter is ignored: trust no window."""
        account, symbol = self.coverage.account, self.coverage.symbol
        mine = [row for row in page.rows if row.symbol == symbol]
        others = [row for row in page.rows if row.symbol != symbol]
        refusals = [Refusal(f"not of {symbol}, as asked", excerpt(row.raw)) for row in others]
        refused.keep(
            [*page.refused, *refusals],
            venue=account.venue,
            account=account,
            source=f"isolated/{self.coverage.kind}_record",
            now=self._now,
        )
        told = record_store.store(
            account=account, kind=self.coverage.kind, rows=mine, now=self._now
        )
        self.coverage.trusted &= not others
        self.coverage.has_rows |= bool(mine)
        self.coverage.late_records += self._count_late(mine, set(told.new))
        self.learned.new += told.new
        self.learned.changed += told.changed
        self.learned.refused += len(told.refused) + len(page.refused) + len(others)

    def _count_late(self, rows: list[Row], new: set[str]) -> int:
        """How many were not there when their time was proven: they came later than they may."""
        if self._watermark is None:
            return 0
        return sum(row.record_id in new and instant_of(row) <= self._watermark for row in rows)
