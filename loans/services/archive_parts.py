"""What an archive holds: each part as a CSV and a JSON with the same rows, written in one pass.

Rows are fetched in runs along an index, so memory stays constant. Nothing sealed is ever read here.
Times are UTC, amounts are exact texts. The certificate comes first: rows only grow, so whatever is
added while the others are written, it never claims more than they hold.
"""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from django.db.models import Q, QuerySet

from loans.models import (
    Account,
    BorrowRecord,
    Coverage,
    Instruction,
    InstructionEvent,
    Kind,
    Market,
    Observation,
    RateChange,
    RepayRecord,
)
from loans.services import history, json_files, loan_costs
from loans.services.exports import number_cell, text_cell, time_cell
from loans.services.filters import HistoryFilter
from loans.services.job_files import settle
from loans.services.new_files import open_new

RUN = 2000
CERTIFICATE = "certificate"
# Of an instruction everything but the token's nonce, which is no business of a file.
INSTRUCTION_TEXTS = (
    *("id", "kind", "symbol", "currency", "state", "repay_all", "lane", "answer_id"),
    *("http_status", "code", "reason", "explanation", "body_sha256"),
)
INSTRUCTION_FIGURES = ("amount", "amount_confirmed", "amount_cap", "rate_shown")
INSTRUCTION_TIMES = ("created_at", "signed_at", "settled_at")

Row = dict[str, Any]
Rows = Callable[[Account, datetime], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Part:
    """One table of the archive. `rows` gives what both files hold, as known at an instant; None is
    "not known".
    """

    name: str
    title: str
    rows: Rows
    count: Callable[[Account], int]


@dataclass(frozen=True, slots=True)
class Written:
    """One finished file of a part."""

    name: str
    size: int
    sha256: str


class Twin:
    """The CSV and the JSON of one part, being written side by side."""

    def __init__(self, part: Part, folder: Path, head: Row) -> None:
        """Whatever an earlier worker left half written is written anew."""
        self._name, self._folder = part.name, folder
        self._files = {ending: self._open(ending) for ending in ("csv", "json")}
        self._csv = csv.writer(self._files["csv"], lineterminator="\r\n")
        self._files["json"].write(json_files.opening(head))
        self.count = 0

    def __enter__(self) -> "Twin":
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of whatever `close` has not; what cannot be flushed is not kept anyway."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()

    def add(self, row: Row) -> None:
        """One row into both."""
        if not self.count:
            self._csv.writerow(row)
        self._csv.writerow([_cell(value) for value in row.values()])
        self._files["json"].write(json_files.line(row, is_first=not self.count))
        self.count += 1

    def close(self) -> list[Written]:
        """Put both on disk under their names."""
        self._files["json"].write(json_files.CLOSING)
        written = []
        for ending, file in self._files.items():
            file.flush()
            size, sha256 = settle(file.buffer)
            file.close()
            name = f"{self._name}.{ending}"
            self._draft(ending).replace(self._folder / name)
            written.append(Written(name, size, sha256))
        return written

    def _open(self, ending: str) -> TextIO:
        return TextIOWrapper(open_new(self._draft(ending)), encoding="utf-8", newline="")

    def _draft(self, ending: str) -> Path:
        return self._folder / f"{self._name}.{ending}.draft"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return text_cell(json.dumps(value, ensure_ascii=False))
    return str(value) if isinstance(value, int) else _plain_or_defused(value)


def _plain_or_defused(text: str) -> str:
    """Numbers stay numbers, negative ones too; other text that would run gets its apostrophe."""
    return text if _is_number(text) else text_cell(text)


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.replace(".", "", 1).isdigit() and digits.isascii()


def _certificate(account: Account, _: datetime) -> Iterator[Row]:
    streams = Coverage.objects.filter(account=account).prefetch_related("gaps")
    for stream in streams.order_by("symbol", "kind"):
        yield {
            "symbol": stream.symbol,
            "kind": stream.kind,
            "has_rows": stream.has_rows,
            "complete_from": _time(stream.complete_from),
            "complete_to": _time(stream.complete_to),
            "checked_at": _time(stream.checked_at),
            "trusted": stream.trusted,
            "late_records": stream.late_records,
            "gaps": [
                {"from": _time(g.starts_at), "to": _time(g.ends_at), "reason": g.reason}
                for g in stream.gaps.all()
            ],
        }


def _records(kind: str) -> Rows:
    def rows(account: Account, _: datetime) -> Iterator[Row]:
        everything = HistoryFilter(accounts=(account,), account=account, sort="at")
        for row in history.every_row(kind, everything):
            yield json_files.record(kind, row, account, everything)

    return rows


def _observations(account: Account, _: datetime) -> Iterator[Row]:
    for kind in Kind.values:
        of_kind = Observation.objects.filter(account=account, kind=kind)
        for row in _runs(of_kind, "record_id"):
            yield {
                "kind": row.kind,
                "record_id": row.record_id,
                "seen_at": _time(row.seen_at),
                "body": row.body,
            }


def _instructions(account: Account, _: datetime) -> Iterator[Row]:
    asked = Instruction.objects.filter(account=account)
    asked = asked.select_related("requested_by", "borrow_record", "repay_record")
    for row in _runs(asked, "created_at"):
        record = row.record
        yield {
            **{name: _plain(getattr(row, name)) for name in INSTRUCTION_TEXTS},
            **{name: number_cell(getattr(row, name)) or None for name in INSTRUCTION_FIGURES},
            **{name: _time(getattr(row, name)) for name in INSTRUCTION_TIMES},
            "requested_by": row.requested_by.get_username(),
            "record_id": record.record_id if record else None,
        }


def _events(account: Account, _: datetime) -> Iterator[Row]:
    events = InstructionEvent.objects.filter(instruction__account=account)
    for row in _runs(events.select_related("by"), "instruction_id"):
        yield {
            "instruction": str(row.instruction_id),
            "sequence": row.sequence,
            "at": _time(row.at),
            "from_state": row.from_state,
            "to_state": row.to_state,
            "by": row.by.get_username() if row.by else None,
            "note": row.note,
            "facts": row.facts,
        }


def _rate_changes(account: Account, _: datetime) -> Iterator[Row]:
    for market in _markets(account):
        for row in _runs(RateChange.objects.filter(market=market), "at"):
            yield {
                "symbol": market.symbol,
                "side": row.side,
                "currency": market.currency_of(row.side),
                "at": _time(row.at),
                "daily_rate": number_cell(row.daily_rate),
            }


def _loan_costs(account: Account, now: datetime) -> Iterator[Row]:
    for cost in loan_costs.loan_costs(account=account, now=now):
        yield loan_costs.told(cost)


def _markets(account: Account) -> QuerySet[Market]:
    """The pairs on which anything ever happened."""
    involved = Coverage.objects.filter(account=account, has_rows=True).values("symbol")
    return Market.objects.filter(venue=account.venue, symbol__in=involved).order_by("symbol")


def _runs(rows: QuerySet, column: str) -> Iterator[Any]:
    """All rows by a column, then by id, in runs along an index."""
    ordered, last = rows.order_by(column, "id"), None
    while True:
        found = list((ordered if last is None else ordered.filter(_beyond(last, column)))[:RUN])
        yield from found
        if len(found) < RUN:
            return
        last = found[-1]


def _beyond(last: Any, column: str) -> Q:
    """The first condition bounds the scan of the index; the second drops the ties before the id."""
    key = getattr(last, column)
    return Q(**{f"{column}__gte": key}) & (Q(**{f"{column}__gt": key}) | Q(id__gt=last.pk))


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_cell(at, UTC)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else str(value)


def _all_of(model: Any) -> Callable[[Account], int]:
    return lambda account: model.objects.filter(account=account).count()


# A further part is a further line here; the archive, its index and its checksums follow.
PARTS = (
    Part(CERTIFICATE, "What is proven complete, per pair", _certificate, _all_of(Coverage)),
    Part("borrows", "Every loan", _records(Kind.BORROW), _all_of(BorrowRecord)),
    Part("repayments", "Every repayment", _records(Kind.REPAY), _all_of(RepayRecord)),
    Part(
        "loan_costs",
        "What every loan cost: by the exchange's word, and replayed hour by hour",
        _loan_costs,
        _all_of(BorrowRecord),
    ),
    Part(
        "observations",
        "Everything the exchange ever said of each, and when",
        _observations,
        _all_of(Observation),
    ),
    Part("instructions", "What was asked for here", _instructions, _all_of(Instruction)),
    Part(
        "instruction_events",
        "What happened to each instruction",
        _events,
        lambda account: InstructionEvent.objects.filter(instruction__account=account).count(),
    ),
    Part(
        "rate_changes",
        "How the rates of these pairs moved, as far as it was seen",
        _rate_changes,
        lambda account: RateChange.objects.filter(market__in=_markets(account)).count(),
    ),
)
