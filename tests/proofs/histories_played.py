"""Plays random histories against the code that reads them, and checks every claim as it is made."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from loans.bitmart.errors import ReadError
from loans.bitmart.responses import BorrowRecord, RefusedRow
from loans.models import Coverage
from loans.services.clock import Clock
from loans.services.coverage import renamed
from loans.services.records import read_stream
from loans.services.rereading import reread_stream
from loans.services.shelf import KeptRecord, Stored
from loans.services.windows import (
    CONTRADICTED,
    CROWDED,
    EARLIEST,
    SECOND,
    UNREADABLE,
    Gap,
    Row,
    instant_of,
    is_in,
)
from tests.proofs.random_exchange import (
    BEGIN_MS,
    EPOCH,
    MS,
    PAGE,
    SYMBOL,
    V_MS,
    Entry,
    RandomExchange,
)
from tests.proofs.usual_ways import WAYS

V = timedelta(milliseconds=V_MS)
# A run that fails is tried again; with calls that fail so seldom, this often is enough.
TRIES = 20


class Broken(AssertionError):
    """A claim that is not true."""


@dataclass
class MemoryShelf:
    """Keeps the records and gaps of one stream in memory."""

    kept: dict[str, KeptRecord] = field(default_factory=dict)
    named: list[Gap] = field(default_factory=list)
    hides: bool = False

    def store(self, rows: Collection[Row], refusals: Iterable[RefusedRow], clock: Clock) -> Stored:
        """Keep what was listed, once each."""
        new = [row for row in rows if row.record_id not in self.kept]
        for row in new:
            figures = (row.principal,)
            if not isinstance(row, BorrowRecord):
                figures = (row.amount, row.principal, row.interest)
            self.kept[row.record_id] = KeptRecord(instant_of(row), figures)
        return Stored([row.record_id for row in new])

    def between(self, start: datetime, end: datetime) -> Mapping[str, KeptRecord]:
        """The records from `start` to before `end`."""
        return {key: record for key, record in self.kept.items() if start <= record.at < end}

    def gaps(self) -> Sequence[Gap]:
        """What is named."""
        return self.named

    def name_gaps(self, *, start: datetime, end: datetime, gaps: Iterable[Gap]) -> None:
        """By the product's own rule."""
        self.named = renamed(self.named, start=start, end=end, fresh=gaps)

    def is_hiding_seen(self) -> bool:
        """Whether a listing without bounds was seen to leave out what is older."""
        return self.hides

    def note_hiding(self, at: datetime) -> None:
        """It was."""
        self.hides = True


class Play:
    """One history: read again and again while it grows, audited, and checked after every run."""

    def __init__(self, seed: int) -> None:
        """Everything follows from the seed."""
        self.exchange = RandomExchange(seed)
        self.dice = Random(f"play {seed}")
        self.coverage = Coverage(symbol=SYMBOL, kind=self.exchange.kind)
        self.shelf = MemoryShelf()
        self.learned: list[str] = []
        self.claimed: set[str] = set()
        self.runs = self.broken_off = self.audits = self.lost = 0

    def play(self) -> None:
        """Raises Broken with what was claimed and is not so."""
        for at_ms in instants(self.exchange, self.dice):
            self.exchange.now_ms = max(self.exchange.now_ms, at_ms)
            self._run(self.dice.choice((0, 1, 3, 60)))
            if self.dice.random() < 0.2:
                self._audit(self.dice.choice((1, 3)))
        self.exchange.now_ms = max(e.visible_ms for e in self.exchange.entries) + 64 * V_MS
        self.exchange.failing = 0
        self._until(lambda: self._run(60) and self._is_loaded())
        self._audit_all()
        self._check_end()

    def _audit_all(self) -> None:
        if not (self.coverage.has_rows and self._is_loaded()):
            return
        self._until(lambda: self.coverage.audit_reached is None or self._audit(60))
        self.coverage.whole_audit_due_at = self._now()
        self._until(lambda: self._audit(60) and self.coverage.audit_reached is None)

    def _is_loaded(self) -> bool:
        coverage = self.coverage
        return not coverage.trusted or (
            coverage.complete_to is not None and not coverage.complete_from
        )

    def _until(self, step: Callable[[], bool]) -> None:
        for _ in range(TRIES):
            if step():
                return
        raise Broken("it does not come to an end")

    def _run(self, most_windows: int) -> bool:
        return self._step(read_stream, most_windows)

    def _audit(self, most_windows: int) -> bool:
        """Only where the product would."""
        coverage = self.coverage
        if not (coverage.has_rows and coverage.complete_to and not coverage.complete_from):
            return True
        if not coverage.trusted and not coverage.doubt:
            return True
        self.audits += 1
        return self._step(reread_stream, most_windows)

    def _step(self, step: Callable[..., object], most_windows: int) -> bool:
        watermark = self.coverage.complete_to
        was_believed = not (self.shelf.hides or self.coverage.in_windows)
        self.runs += 1
        before = set(self.shelf.kept)
        try:
            step(
                self.coverage,
                client=self.exchange,
                now=self._now(),
                visibility=V,
                most_windows=most_windows,
                shelf=self.shelf,
            )
            is_whole = True
        except ReadError:
            self.broken_off += 1
            is_whole = False
        if was_believed and self.shelf.hides:
            self.claimed.clear()  # what a listing alone had claimed is taken back
        self.learned += self.shelf.kept.keys() - before
        self._check(watermark)
        return is_whole

    def _now(self) -> datetime:
        return EPOCH + self.exchange.now_ms * MS

    def _is_kept(self, entry: Entry) -> bool:
        return entry.row is not None and entry.row.record_id in self.shelf.kept

    def _is_claimed(self, entry: Entry) -> bool:
        """Whether the coverage says that this record, if there is one, is kept."""
        start, end = self.coverage.complete_from or EARLIEST, self.coverage.complete_to
        return (
            end is not None and start <= entry.at <= end and not is_in(self.shelf.named, entry.at)
        )

    def _check(self, watermark: datetime | None) -> None:
        """What is claimed is kept, but for what came later than it may: that will be counted."""
        if watermark and self.coverage.complete_to < watermark:
            raise Broken("the watermark went back")
        for entry in self.exchange.entries:
            if self._is_kept(entry):
                continue
            if self._is_claimed(entry) and not entry.is_late:
                self.lost += 1
                raise Broken(f"lost, and no gap: {entry}")
            if entry.row is not None:
                # What is in a gap by now is told of there, whatever was claimed before.
                note = self.claimed.add if self._is_claimed(entry) else self.claimed.discard
                note(entry.row.record_id)

    def _check_end(self) -> None:
        exchange, coverage = self.exchange, self.coverage
        late = {e.row.record_id for e in exchange.entries if e.is_late and e.row is not None}
        found_late = self.claimed & self.shelf.kept.keys()
        if not len(found_late) <= coverage.late_records <= len(late):
            raise Broken(f"{coverage.late_records} counted as late, not {len(found_late)}")
        lost = [e for e in exchange.entries if self._is_claimed(e) and not self._is_kept(e)]
        if lost and coverage.trusted:
            self.lost += len(lost)
            raise Broken(f"lost after an audit of everything: {lost[0]}")
        if exchange.unit == "ms" and not (coverage.trusted and coverage.complete_to):
            raise Broken(f"an honest exchange is doubted: {coverage.doubt}")
        if exchange.unit == "misread" and coverage.trusted and len(self.shelf.kept) >= PAGE:
            raise Broken("bounds in another unit are trusted")
        for gap in self.shelf.named:
            self._check_gap(gap)

    def _check_gap(self, gap: Gap) -> None:
        """Every gap has its reason, and an honest exchange none but seconds."""
        near = [
            e
            for e in self.exchange.entries
            if gap.starts_at - 2 * SECOND <= e.at < gap.ends_at + 2 * SECOND
        ]
        fits = {
            CROWDED: len(near) >= PAGE,
            # Where windows do not work, nobody can tell when it was.
            UNREADABLE: any(entry.row is None for entry in near)
            or (self.exchange.unit == "misread" and self.exchange.has_unreadable),
            CONTRADICTED: self.exchange.unit != "ms",
        }
        if not fits[gap.reason]:
            raise Broken(f"nothing is wrong there: {gap}")
        # Where no row could be read at all, no window could be tried.
        is_plain = self.exchange.unit == "ms" and self.coverage.has_rows
        if is_plain and gap.ends_at - gap.starts_at > 60 * SECOND:
            raise Broken(f"a gap wider than it must be: {gap}")


def instants(exchange: RandomExchange, dice: Random) -> list[int]:
    """When it is read: first after some of it happened, then again until all of it has."""
    last = exchange.entries[-1].at_ms + 3 * V_MS
    at_ms = BEGIN_MS + int((last - BEGIN_MS) * dice.choice((0, 0.3, 0.9, 1)))
    found = [at_ms]
    busy = [e.at_ms + dice.randint(0, 2 * V_MS) for e in exchange.entries if e.at_ms > at_ms]
    found += dice.sample(busy, min(len(busy), 6))
    found += [dice.randint(at_ms, last) for _ in range(2)]
    return sorted([*found, last])


def play_all(seeds: range, *, compared_every: int) -> dict[str, object]:
    """Figures, losses of the usual ways, and what is broken by seed."""
    figures: Counter[str] = Counter()
    losses: Counter[str] = Counter(dict.fromkeys(WAYS, 0))
    problems: dict[str, str] = {}
    for seed in seeds:
        play = Play(seed)
        try:
            play.play()
        except Broken as exc:
            problems[f"seed {seed}"] = str(exc)
        figures.update(_figures(play))
        if seed % compared_every == 0:
            losses.update(_losses(seed))
        if len(problems) > 20:
            break
    return {"figures": figures, "losses": losses, "problems": problems}


def _figures(play: Play) -> dict[str, int]:
    gaps = play.shelf.named
    there = [entry.row for entry in play.exchange.entries if entry.row is not None]
    return {
        "histories": 1,
        "records": len(there),
        "calls": play.exchange.calls,
        "runs": play.runs,
        "runs broken off": play.broken_off,
        "audits": play.audits,
        "lost": play.lost,
        "kept twice": len(play.learned) - len(set(play.learned)),
        "gaps named": len(gaps),
        "late records counted": play.coverage.late_records,
        "streams not trusted": not play.coverage.trusted,
        "lists that hid what is older": play.shelf.hides,
    }


def _losses(seed: int) -> dict[str, int]:
    """Which of the usual ways lose a record of this history, with every call answered."""
    lost = {}
    for name, way in WAYS.items():
        exchange = RandomExchange(seed)
        exchange.failing = 0
        if exchange.unit != "ms":
            return {}
        seen = way(exchange, instants(exchange, Random(f"play {seed}")))
        there = {e.row.record_id for e in exchange.visible() if e.row is not None and not e.is_late}
        lost[name] = int(bool(there - seen))
    return lost
