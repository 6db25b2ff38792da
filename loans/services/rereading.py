"""Audits: reading again what is proven of a stream, and comparing it with what is kept.

Every day the last 35 days, every week all of it, and all of it at once where something came late or
contradicted itself. An audit goes backwards, window by window, and goes on where it stood. A record
that is kept but not listed any more takes the trust from a stream; a clean audit of all of it gives
it back. Nothing is ever removed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from loans.bitmart.client import Client
from loans.bitmart.errors import Refused
from loans.bitmart.responses import BorrowRecord
from loans.models import Coverage
from loans.services.clock import Clock
from loans.services.records import (
    RECENT_EVERY,
    WHOLE_EVERY,
    Learned,
    Stream,
    never,
)
from loans.services.served import is_out_of_range
from loans.services.shelf import Figures, KeptRecord, Shelf
from loans.services.windows import EARLIEST, LONGEST, Reading, Row, fitting, is_in

RECENT = timedelta(days=35)
MOST_WINDOWS = 60
MISSING = "records that are kept were not listed any more"


def reread_stream(
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
    """Go on with the audit that is due, for `most_windows` windows or until `is_over`.

    The caller saves the coverage, also after an error. Raises: ReadError.
    """
    stream = Stream(
        client=client,
        coverage=coverage,
        now=now,
        visibility=visibility,
        shelf=shelf,
        clock=clock,
    )
    audit = Audit(stream, now=now)
    try:
        if coverage.audit_reached is None:
            audit.begin()
        if not audit.is_done_by_one_listing():
            audit.go_on(most_windows, is_over)
    finally:
        stream.settle()
    return stream.learned


class Audit:
    """One run of an audit. Changes the coverage of its stream."""

    def __init__(self, stream: Stream, *, now: datetime) -> None:
        """`stream` does the reading and the keeping."""
        self._stream = stream
        self._coverage = stream.coverage
        self._now = now

    def begin(self) -> None:
        """Of everything if that is due, else of the last 35 days."""
        coverage = self._coverage
        due = coverage.whole_audit_due_at
        coverage.audit_is_whole = due is not None and due <= self._now
        coverage.audit_reached = coverage.complete_to
        coverage.audit_rows = coverage.audit_missing = coverage.audit_late = 0
        coverage.audit_differing = coverage.audit_contradictions = 0

    def is_done_by_one_listing(self) -> bool:
        """A whole audit of less than a page takes one listing, if that shows all that is kept and
        hides nothing.

        The control that comes with it tries anew whether windows are heeded.
        """
        coverage = self._coverage
        if not coverage.audit_is_whole or coverage.audit_reached != coverage.complete_to:
            return False
        listed = self._stream.list_all()
        is_short = listed is not None and listed[0].is_short and not listed[1]
        is_hiding = is_short and self._stream.hides_older(listed[0])
        if not self._stream.windows_work():
            # Nothing can be compared window by window; the stream says already that it is not so.
            self._coverage.audit_contradictions += 1
            self._end()
            return True
        if is_hiding or not is_short:
            return False
        reading = Reading((), {row.record_id: row for row in listed[0].rows})
        kept = self._stream.shelf.between(self._floor(), coverage.complete_to)
        if self._missing(kept, reading):
            return False
        self._compare(kept, reading)
        self._end()
        return True

    def go_on(self, most_windows: int, is_over: Callable[[], bool]) -> None:
        """Windows backwards from where it stood."""
        length, floor = LONGEST, self._floor()
        for _ in range(most_windows):
            if self._coverage.audit_reached <= floor:
                return self._end()
            if is_over():
                return None
            length = fitting(
                length, self._window(max(floor, self._coverage.audit_reached - length))
            )
        return None

    def _window(self, start: datetime) -> int:
        """Read one window again; how many rows it had."""
        end = self._coverage.audit_reached
        try:
            reading = self._stream.reader.read(start, end)
        except Refused as exc:
            if not is_out_of_range(exc):
                raise
            # What is older was read by windows when it was still served; or else it never was.
            floor = self._floor()
            if self._coverage.complete_from is None and not self._coverage.in_windows:
                self._coverage.complete_from = end
                self._stream.end_loading()
            self._coverage.audit_reached = floor
            return 0
        self._stream.shelf.name_gaps(start=start, end=end, gaps=reading.gaps)
        self._compare(self._stream.shelf.between(start, end), reading)
        self._coverage.audit_reached = start
        return len(reading.rows)

    def _compare(self, kept: Mapping[str, KeptRecord], reading: Reading) -> None:
        """Ids and figures: if no record differs, count and sums do not either."""
        coverage = self._coverage
        missing = self._missing(kept, reading)
        both = kept.keys() & reading.rows.keys()
        coverage.audit_rows += len(both)
        coverage.audit_missing += missing
        coverage.audit_differing += sum(
            _differs(kept[key].figures, reading.rows[key]) for key in both
        )
        if missing:
            self._stream.doubt(MISSING)

    def _missing(self, kept: Mapping[str, KeptRecord], reading: Reading) -> int:
        """How many are kept, but were not listed, although their second could be read."""
        gone = kept.keys() - reading.rows.keys()
        gaps = self._stream.shelf.gaps() if gone else ()
        return sum(not is_in(gaps, kept[key].at) for key in gone)

    def _floor(self) -> datetime:
        """How far back it goes: never beyond what was proven."""
        proven = self._coverage.complete_from or EARLIEST
        if self._coverage.audit_is_whole:
            return proven
        return max(proven, self._now - RECENT)

    def _end(self) -> None:
        coverage, now = self._coverage, self._now
        is_clean = not (coverage.audit_missing or coverage.audit_contradictions)
        coverage.audit_reached = None
        coverage.audited_at = now
        coverage.audit_due_at = now + RECENT_EVERY
        if not coverage.audit_is_whole:
            return
        coverage.whole_audited_at = now
        coverage.whole_audit_due_at = now + (WHOLE_EVERY if is_clean else RECENT_EVERY)
        if is_clean:
            coverage.doubt = ""


def _differs(kept: Figures, row: Row) -> bool:
    """Whether a figure is another than is kept. A loan may read less than it was, or zero (C10)."""
    if isinstance(row, BorrowRecord):
        return row.principal > kept[0] if kept[0] is not None else row.principal > 0
    return kept != (row.amount, row.principal, row.interest)
