"""An exchange with a random history, made of one seed: what the sync may have to read some day.

It lists at most PAGE records, in an order of its own, within bounds that it includes or not, heeds
to the millisecond or to the second, or reads in the wrong unit; one in five lists without bounds
only what is not older than some span. Records come in bursts, become
visible late, and now and then later than they may; some cannot be read; calls fail.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from loans.bitmart.errors import Garbled, RateLimited, Unreachable
from loans.bitmart.responses import BorrowRecord, Heard, Listing, RefusedRow, RepayRecord
from loans.services.windows import EARLIEST

PAGE = 5
SYMBOL = "BTC_USDT"
V_MS = 120_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
SECOND_MS, DAY_MS = 1000, 86_400_000
BEGIN_MS = (EARLIEST - EPOCH) // MS + 3 * DAY_MS
SPREADS_MS = (0, 0, 1, 3, 400, 1000, 2500, 60_000, 3_600_000)
UNITS = ("ms", "ms", "ms", "down", "up", "inward", "outward", "misread")
SPANS_MS = (SECOND_MS, 60_000, 3_600_000, 12 * 3_600_000, DAY_MS)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: when it happened, since when it is listed, as which row (None: unreadable)."""

    at_ms: int
    visible_ms: int
    currency: str
    row: BorrowRecord | RepayRecord | None

    @property
    def at(self) -> datetime:
        """When it happened."""
        return EPOCH + self.at_ms * MS

    @property
    def is_late(self) -> bool:
        """Whether it was visible later than it may."""
        return self.visible_ms - self.at_ms > V_MS


class RandomExchange:
    """Takes the place of a client; `now_ms` is its clock, which every call moves on a little."""

    def __init__(self, seed: int) -> None:
        """Everything follows from the seed."""
        dice = self._dice = Random(seed)
        self.kind = dice.choice(("borrow", "borrow", "repay"))
        self.unit = dice.choice(UNITS)
        self.is_inclusive = dice.random() < 0.5
        self.order = dice.choice(("newest", "oldest", "shuffled"))
        self.tells_seconds = dice.random() < 0.3
        self.failing = dice.choice((0, 0, 0.02, 0.08))
        self.has_late = dice.random() < 0.15
        self.has_unreadable = dice.random() < 0.15
        self.span_ms = self._default_span_ms(Random(f"span {seed}"))
        self.calls = 0
        self.now_ms = BEGIN_MS
        self.entries = sorted(self._history(), key=lambda entry: entry.at_ms)
        self._times = [entry.at_ms for entry in self.entries]

    def _default_span_ms(self, dice: Random) -> int | None:
        """How far a listing without bounds goes back; None: to the start.

        Not where bounds are misread: nothing could tell then, and no such list is trusted.
        """
        if self.unit == "misread" or dice.random() > 0.2:
            return None
        return dice.choice(SPANS_MS)

    def _history(self) -> list[Entry]:
        dice = self._dice
        span_ms = dice.choice((1, 2, 9)) * DAY_MS
        entries = []
        for _ in range(dice.randrange(1, 9)):
            instant, spread = dice.randrange(span_ms), dice.choice(SPREADS_MS)
            if dice.random() < 0.3:  # on the edge of a second, a minute, an hour
                instant = instant // SECOND_MS * SECOND_MS + dice.choice((-1, 0, 999))
            size = dice.choice((1, 1, 2, 3, 4, 5, 6, 7, 11))
            entries += [
                self._entry(BEGIN_MS + instant + dice.randint(0, spread)) for _ in range(size)
            ]
        return entries

    def _entry(self, at_ms: int) -> Entry:
        dice = self._dice
        lag = dice.choice((0, dice.randint(0, 2000), dice.randint(0, V_MS)))
        if self.has_late and dice.random() < 0.1:
            lag = dice.randint(V_MS + 1, 8 * V_MS)
        is_readable = not self.has_unreadable or dice.random() > 0.03
        currency = "USDT" if self.kind == "borrow" else dice.choice(SYMBOL.split("_"))
        row = self._row(at_ms, currency) if is_readable else None
        return Entry(at_ms, at_ms + lag, currency, row)

    def _row(self, at_ms: int, currency: str) -> BorrowRecord | RepayRecord:
        told = EPOCH + (at_ms // SECOND_MS * SECOND_MS if self.tells_seconds else at_ms) * MS
        key = f"{self._dice.getrandbits(48):x}"
        if self.kind == "borrow":
            return BorrowRecord(key, SYMBOL, currency, ONE, ONE, ONE, None, told, {})
        return RepayRecord(key, SYMBOL, currency, ONE, ONE, ONE, told, {})

    @property
    def is_plain(self) -> bool:
        """Whether it does as documented, with more than a page."""
        odd = self.failing or self.has_late or self.has_unreadable or self.span_ms
        return self.unit == "ms" and not odd and len(self.entries) > 3 * PAGE

    def visible(self) -> list[Entry]:
        """What is listed by now."""
        return [entry for entry in self.entries if entry.visible_ms <= self.now_ms]

    def borrow_records(
        self, symbol: str, *, start: datetime | None, end: datetime | None, size: int
    ) -> Listing:
        """As the client has it, but for the size of the page."""
        return self.page(start, end)

    def repay_records(
        self,
        symbol: str,
        *,
        start: datetime | None,
        end: datetime | None,
        size: int,
        currency: str | None,
    ) -> Listing:
        """As the client has it, but for the size of the page."""
        return self.page(start, end, currency)

    def page(
        self, start: datetime | None, end: datetime | None, currency: str | None = None
    ) -> Listing:
        """One page. Raises: ReadError now and then."""
        dice = self._dice
        self.calls += 1
        if start is None and end is None and self.span_ms is not None:
            start = EPOCH + (self.now_ms - self.span_ms) * MS
        self.now_ms += dice.randrange(400)
        if self.failing and dice.random() < self.failing:
            raise dice.choice((Unreachable, RateLimited, Garbled))("not now")
        found = self._between(self._bound(start, is_start=True), self._bound(end, is_start=False))
        if currency is not None:
            found = [entry for entry in found if entry.currency == currency]
        if self.order == "newest":
            found = found[::-1]
        elif self.order == "shuffled":
            dice.shuffle(found)
        page = found[:PAGE]
        rows = tuple(entry.row for entry in page if entry.row is not None)
        refused = (RefusedRow("bad", "{}"),) * (len(page) - len(rows))
        date = EPOCH + timedelta(seconds=self.now_ms // SECOND_MS)
        return Listing(rows, refused, len(page), PAGE, Heard(date, date, timedelta(0), date))

    def _between(self, lo_ms: int | None, hi_ms: int | None) -> list[Entry]:
        """Visible entries, both ends included."""
        first = 0 if lo_ms is None else bisect_left(self._times, lo_ms)
        last = len(self._times) if hi_ms is None else bisect_left(self._times, hi_ms + 1)
        return [entry for entry in self.entries[first:last] if entry.visible_ms <= self.now_ms]

    def _bound(self, at: datetime | None, *, is_start: bool) -> int | None:
        """The first or the last millisecond that counts."""
        if at is None:
            return None
        at_ms = (at - EPOCH) // MS
        if self.unit == "misread":
            at_ms *= SECOND_MS
        elif self.unit != "ms":
            rounds_up = {"down": False, "up": True, "inward": is_start, "outward": not is_start}
            at_ms = (at_ms + (SECOND_MS - 1) * rounds_up[self.unit]) // SECOND_MS * SECOND_MS
        if self.is_inclusive:
            return at_ms
        return at_ms + 1 if is_start else at_ms - 1
