"""The forms in which a list of the history can be saved, and which of them a worker must make.

A form is what a person picks from the menu. Small files are streamed while the person waits; what
would hold a web server's thread for long becomes a job.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from django.utils.http import urlencode

from loans.models import Kind
from loans.services import exports, history, json_files, presets, sheets
from loans.services.filters import HistoryFilter
from loans.services.job_files import Folder, saying_what_is_wrong
from loans.services.jobs import Hold

CSV_TYPE = "text/csv; charset=utf-8"
# A spreadsheet is built whole before its first byte is sent; the others flow at once.
AT_ONCE, AT_ONCE_SHEET = 100_000, 10_000

Pieces = Callable[[str, HistoryFilter, datetime], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Form:
    """One entry of the menu. `pieces` is None for the spreadsheet, which is no text."""

    slug: str
    label: str
    ending: str
    media_type: str
    pieces: Pieces | None
    tool: presets.Tool | None = None
    interest: str = ""

    @property
    def at_once(self) -> int:
        """Up to so many rows it is sent while the person waits."""
        return AT_ONCE if self.pieces else AT_ONCE_SHEET

    def file_name(self, kind: str, chosen: HistoryFilter) -> str:
        """Names what is inside."""
        if self.tool:
            return presets.file_name(self.tool, chosen, interest=self.interest)
        return exports.file_name(kind, chosen, ending=self.ending)

    def count(self, kind: str, chosen: HistoryFilter) -> int:
        """How many rows of the history it is made of."""
        kinds = Kind if self.tool else (kind,)
        return sum(total.count for each in kinds for total in history.totals(each, chosen))


def write(
    form: Form, kind: str, chosen: HistoryFilter, out: BinaryIO, *, now: datetime
) -> Iterator[int]:
    """Write the file to `out`; gives the count of lines now and then. Whole once iterated."""
    if form.pieces is None:
        yield from sheets.write(kind, chosen, out, now=now)
        return
    lines = 0
    for piece in form.pieces(kind, chosen, now):
        out.write(piece.encode())
        lines += piece.count("\n")
        yield lines


def make(hold: Hold, folder: Folder, chosen: HistoryFilter) -> None:
    """Make the file of a job. Raises: CannotBeMade, Gone."""
    job = hold.job
    form, kind = FORMS[job.parameters["form"]], job.parameters["kind"]
    job.total = form.count(kind, chosen)
    hold.advance(0, note="The rows are being written.", always=True)
    with saying_what_is_wrong(), folder.draft(hold) as out:
        for done in write(form, kind, chosen, out, now=hold.clock()):
            hold.advance(min(done, job.total))
        job.done = job.total
        name = form.file_name(kind, chosen)
        folder.keep(out, hold, name=name, media_type=form.media_type)


def _csv(kind: str, chosen: HistoryFilter, now: datetime) -> Iterator[str]:
    return exports.csv_pieces(kind, chosen)


def _json(kind: str, chosen: HistoryFilter, now: datetime) -> Iterator[str]:
    return json_files.pieces(kind, chosen, now=now)


def _preset(slug: str, interest: str) -> Form:
    tool = presets.TOOLS[slug]

    def pieces(kind: str, chosen: HistoryFilter, now: datetime) -> Iterator[str]:
        return presets.pieces(tool, chosen, interest=interest)

    label = f"{tool.name}, interest {interest}"
    return Form(f"{slug}-{interest}", label, "csv", CSV_TYPE, pieces, tool, interest)


LISTS = (
    Form("csv", "CSV", "csv", CSV_TYPE, _csv),
    Form("xlsx", "XLSX", "xlsx", sheets.MEDIA_TYPE, None),
    Form("json", "JSON", "json", json_files.MEDIA_TYPE, _json),
)
PRESETS = tuple(
    _preset(slug, interest)
    for slug in presets.TOOLS
    for interest in (presets.PAID, presets.CHARGED)
)
FORMS = {form.slug: form for form in (*LISTS, *PRESETS)}


def query_of(chosen: HistoryFilter) -> dict[str, str]:
    """The filter as texts again: what a job keeps, and what reads back to the same rows."""
    return {name: text for name, text in chosen.typed.items() if text}


def address(form: Form, kind: str, chosen: HistoryFilter) -> str:
    """The query that asks for this file."""
    return urlencode({"form": form.slug, "kind": kind, **query_of(chosen)})
