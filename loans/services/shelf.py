"""Where the records and the gaps of one stream are kept: in the database.

Reading a stream needs no more of it than this, so that proofs can read millions in memory.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from loans.bitmart.responses import RefusedRow as Refusal
from loans.models import Coverage, Kind
from loans.services import hiding, record_store, refused
from loans.services.clock import Clock
from loans.services.coverage import gaps_of, name_gaps
from loans.services.windows import Gap, Row

Figures = tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What keeping a page did, by record id. `unkept`: rows of which no record is there now."""

    new: Sequence[str] = ()
    changed: Sequence[str] = ()
    refused: int = 0
    unkept: int = 0


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record as it is kept: its time, and the figures that never change."""

    at: datetime
    figures: Figures


class Shelf(Protocol):
    """The records and gaps of one stream."""

    def store(self, rows: Collection[Row], refusals: Iterable[Refusal], clock: Clock) -> Stored:
        """Keep what was listed, once each; keep aside what was refused."""

    def between(self, start: datetime, end: datetime) -> Mapping[str, KeptRecord]:
        """The records from `start` to before `end`, by record id."""

    def gaps(self) -> Sequence[Gap]:
        """What is named as unproven."""

    def name_gaps(self, *, start: datetime, end: datetime, gaps: Iterable[Gap]) -> None:
        """Say what is unproven in a span that was read."""

    def is_hiding_seen(self) -> bool:
        """Whether listings without bounds were seen to leave out what is older."""

    def note_hiding(self, at: datetime) -> None:
        """One of this stream did."""


class DatabaseShelf:
    """The records and gaps of one stream in the database."""

    def __init__(self, coverage: Coverage) -> None:
        """`coverage` must be saved."""
        self._coverage = coverage

    def store(self, rows: Collection[Row], refusals: Iterable[Refusal], clock: Clock) -> Stored:
        """Keep what was listed, once each; keep aside what was refused."""
        account, kind = self._coverage.account, self._coverage.kind
        refused.keep(
            refusals,
            venue=account.venue,
            account=account,
            source=f"isolated/{kind}_record",
            now=clock(),
        )
        told = record_store.store(account=account, kind=kind, rows=rows, clock=clock)
        unkept = self._unkept(rows, [raw for raw, _ in told.refused])
        return Stored(told.new, told.changed, len(told.refused), unkept)

    def _unkept(self, rows: Collection[Row], refused_raws: Collection[object]) -> int:
        if not refused_raws:
            return 0
        ids = {row.record_id for row in rows if row.raw in refused_raws}
        model = record_store.model_of(self._coverage.kind)
        there = model.objects.filter(account=self._coverage.account, record_id__in=ids)
        # One of another pair under the same id is not the record that was listed.
        return len(ids) - there.filter(symbol=self._coverage.symbol).count()

    def between(self, start: datetime, end: datetime) -> Mapping[str, KeptRecord]:
        """The records from `start` to before `end`, by record id."""
        names = figure_names(self._coverage.kind)
        found = record_store.model_of(self._coverage.kind).objects.filter(
            account=self._coverage.account,
            symbol=self._coverage.symbol,
            at__gte=start,
            at__lt=end,
        )
        rows = found.order_by().values_list("record_id", "at", *names)
        return {key: KeptRecord(at, tuple(figures)) for key, at, *figures in rows.iterator()}

    def gaps(self) -> Sequence[Gap]:
        """What is named as unproven."""
        return gaps_of(self._coverage)

    def name_gaps(self, *, start: datetime, end: datetime, gaps: Iterable[Gap]) -> None:
        """Say what is unproven in a span that was read."""
        name_gaps(self._coverage, start=start, end=end, gaps=gaps)

    def is_hiding_seen(self) -> bool:
        """Whether listings without bounds were seen to leave out what is older, on any account."""
        return hiding.is_seen(venue=self._coverage.account.venue)

    def note_hiding(self, at: datetime) -> None:
        """One of this stream did."""
        hiding.note(account=self._coverage.account, now=at)


def figure_names(kind: str) -> tuple[str, ...]:
    """The figures of a record that an audit compares; interest grows, so it is none of a loan's."""
    return ("principal",) if kind == Kind.BORROW else ("amount", "principal", "interest")
