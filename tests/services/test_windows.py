"""Reading a listing by windows: over random histories nothing is lost, and gaps are named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans.bitmart.responses import BorrowRecord, Heard, Listing, RefusedRow
from loans.services.windows import (
    CONTRADICTED,
    CROWDED,
    DIFFERENT,
    MILLISECOND,
    OUTSIDE,
    SECOND,
    UNREADABLE,
    VANISHED,
    Gap,
    Reader,
    control,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)
HEARD = Heard(END, END, timedelta(0), END)


def record(number: int, at: datetime) -> BorrowRecord:
    one = Decimal(1)
    return BorrowRecord(f"r{number}", "BTC_USDT", "USDT", one, one, one, None, at, {})


@dataclass
class Shelf:
    """An exchange that lists at most `size` records, in an order of its own."""

    records: list[BorrowRecord]
    size: int = 5
    is_inclusive: bool = True
    seed: int = 0
    calls: int = 0

    def ask(self, start: datetime, end: datetime, currency: str | None) -> Listing:
        self.calls += 1
        slack = timedelta(0) if self.is_inclusive else timedelta(microseconds=1)
        found = [r for r in self.records if start + slack <= r.created_at <= end - slack]
        if currency is not None:
            found = [r for r in found if r.currency == currency]
        Random(self.seed + self.calls).shuffle(found)
        page = tuple(found[: self.size])
        return Listing(page, (), len(page), self.size, HEARD)


@dataclass
class Notes:
    """What a reader tells while it reads."""

    kept: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    tardy: list[str] = field(default_factory=list)

    def reader(self, ask: Callable[..., Listing], **options: object) -> Reader:
        told = {"keep": self.keep, "doubt": self.doubts.append, "draw": lambda lo, hi: False}
        return Reader(ask=ask, tardy=self.note_tardy, **(told | options))

    def keep(self, page: Listing) -> int:
        self.kept.update(row.record_id for row in page.rows)
        return 0

    def note_tardy(self, rows: list[BorrowRecord]) -> None:
        self.tardy += [row.record_id for row in rows]


def read(shelf: Shelf, **options: object) -> tuple[set[str], list[Gap]]:
    """Everything between START and END, as one would keep it."""
    notes = Notes()
    reading = notes.reader(shelf.ask, **options).read(START, END)
    assert notes.doubts == []
    return notes.kept, list(reading.gaps)


@st.composite
def histories(draw: st.DrawFn) -> list[BorrowRecord]:
    """Records in bursts: several may share a second, or an instant."""
    instants = draw(st.lists(st.integers(0, 30 * 86_400_000), max_size=12))
    spread = draw(st.sampled_from([0, 1, 400, 1000, 60_000]))
    times = [
        min(instant + draw(st.integers(0, spread)), 30 * 86_400_000)
        for instant in instants
        for _ in range(draw(st.integers(1, 7)))
    ]
    return [record(n, START + at * MILLISECOND) for n, at in enumerate(times)]


@given(histories(), st.booleans(), st.integers(0, 99))
def test_no_record_is_lost_unless_its_second_is_named(
    history: list[BorrowRecord], is_inclusive: bool, seed: int
) -> None:
    kept, gaps = read(Shelf(history, is_inclusive=is_inclusive, seed=seed))

    lost = [row for row in history if row.record_id not in kept]
    assert all(any(gap.starts_at <= row.created_at < gap.ends_at for gap in gaps) for row in lost)
    assert all(gap.ends_at - gap.starts_at == SECOND for gap in gaps)


@given(histories())
def test_no_gap_is_named_where_no_instant_holds_more_than_a_page(
    history: list[BorrowRecord],
) -> None:
    apart = {row.created_at: row for row in history}
    sparse = [row for at, row in apart.items() if (at - START) // MILLISECOND % 4 == 0]

    kept, gaps = read(Shelf(sparse))

    assert (len(kept), gaps) == (len(sparse), [])


def test_a_quiet_month_takes_a_call_a_week() -> None:
    shelf = Shelf([])

    read(shelf)

    assert shelf.calls == 5


def test_more_records_at_one_instant_than_a_page_are_a_gap_of_that_second() -> None:
    at = START + timedelta(days=3, milliseconds=500)
    crowd = [record(n, at) for n in range(6)]

    _, gaps = read(Shelf(crowd))

    second = at.replace(microsecond=0)
    assert set(gaps) == {Gap(second, second + SECOND, CROWDED)}


def test_an_instant_is_split_by_currency_where_the_endpoint_takes_one() -> None:
    at = START + timedelta(days=3)
    crowd = [record(n, at) for n in range(4)]
    others = [
        BorrowRecord(f"o{n}", "BTC_USDT", "BTC", *[Decimal(1)] * 3, None, at, {}) for n in range(4)
    ]

    kept, gaps = read(Shelf(crowd + others), currencies=("BTC", "USDT"))

    assert (len(kept), gaps) == (8, [])


def test_a_row_that_cannot_be_read_makes_its_second_a_gap() -> None:
    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        refused = (RefusedRow("bad", "{}"),) if start <= START <= end else ()
        return Listing((), refused, len(refused), 5, HEARD)

    gaps = Notes().reader(ask).read(START, END).gaps

    # The exchange's own second and its neighbours, whose windows are padded by a second.
    assert {gap.reason for gap in gaps} == {UNREADABLE}
    assert [gap.starts_at for gap in gaps] == [START, START + SECOND]
    assert all(gap.ends_at - gap.starts_at == SECOND for gap in gaps)


def shifted(shelf: Shelf, factor: int) -> Callable[..., Listing]:
    """The same exchange, reading its bounds in another unit."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        lo, hi = (epoch + (at - epoch) / factor for at in (start, end))
        return shelf.ask(lo, hi, currency)

    return ask


def test_the_control_passes_where_windows_work() -> None:
    known = record(1, START)

    assert control(known, ask=Shelf([known, record(2, END)]).ask)
    assert control(known, ask=Shelf([known], is_inclusive=False).ask)


@pytest.mark.parametrize("fault", ["unit", "ignored", "forgotten"])
def test_the_control_fails_where_an_empty_page_would_prove_nothing(fault: str) -> None:
    known, other = record(1, START), record(2, END)
    shelf = Shelf([known, other])
    asks = {
        "unit": shifted(shelf, 1000),
        "ignored": lambda start, end, currency: shelf.ask(START, END, None),
        "forgotten": Shelf([other]).ask,
    }

    assert not control(known, ask=asks[fault])


def test_one_page_read_again_in_halves_shows_whether_short_pages_are_whole() -> None:
    shelf = Shelf([record(1, START), record(2, START + timedelta(days=5))])
    forgetful = [*shelf.records]

    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        page = shelf.ask(start, end, currency)
        # A page of more than four days leaves one out, although there is room for it.
        is_long = end - start > timedelta(days=4)
        rows = tuple(row for row in page.rows if not (is_long and row == forgetful[1]))
        return Listing(rows, (), len(rows), 5, HEARD)

    honest, lying = Notes(), Notes()
    honest.reader(shelf.ask, draw=lambda lo, hi: True).read(START, END)
    lying.reader(ask, draw=lambda lo, hi: True).read(START, END)

    assert honest.doubts == []
    assert lying.doubts == [DIFFERENT]


def test_a_record_that_becomes_visible_while_its_page_is_read_again_is_told() -> None:
    known, fresh = record(1, START), record(2, START + timedelta(days=1))
    shelf = Shelf([known])

    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        if shelf.calls == 1:
            shelf.records.append(fresh)
        return shelf.ask(start, end, currency)

    notes = Notes()
    notes.reader(ask, draw=lambda lo, hi: True).read(START, START + timedelta(days=2))

    assert (notes.doubts, notes.tardy) == ([], ["r2"])
    assert notes.kept == {"r1", "r2"}


def test_full_pages_that_heed_no_bounds_are_not_split_for_ever() -> None:
    shelf = Shelf([record(n, START + timedelta(days=n)) for n in range(20)])
    notes, calls = Notes(), []

    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        calls.append(start)
        return shelf.ask(START, END, None)

    gaps = notes.reader(ask).read(START, END).gaps

    assert len(calls) == 5
    assert {gap.reason for gap in gaps} == {CONTRADICTED}
    assert set(notes.doubts) == {OUTSIDE}


def test_rows_of_a_full_page_must_be_in_its_halves() -> None:
    at = START + timedelta(days=1)
    shelf = Shelf([record(n, at + n * timedelta(hours=1)) for n in range(9)])

    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        is_short = end - start < timedelta(days=2)
        return shelf.ask(END, END, None) if is_short else shelf.ask(start, end, None)

    notes = Notes()
    gaps = notes.reader(ask).read(START, START + timedelta(days=6)).gaps

    assert VANISHED in notes.doubts
    assert all(any(g.starts_at <= r.created_at < g.ends_at for g in gaps) for r in shelf.records)


def test_a_second_is_not_split_where_bounds_are_read_in_whole_seconds() -> None:
    at = START + timedelta(days=3)
    crowd = [record(n, at + n * 100 * MILLISECOND) for n in range(9)]
    shelf = Shelf(crowd)

    def ask(start: datetime, end: datetime, currency: str | None) -> Listing:
        return shelf.ask(start.replace(microsecond=0), end.replace(microsecond=0), currency)

    notes = Notes()
    gaps = notes.reader(ask).read(START, END).gaps

    assert Gap(at, at + SECOND, CROWDED) in gaps
    assert all(gap.ends_at - gap.starts_at == SECOND for gap in gaps)
    assert notes.doubts == []
