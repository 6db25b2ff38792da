"""Keeping the venue's records: each once, every different telling of it, nothing silently changed.

The largest principal and interest ever seen stay; a fall (C10) is an observation and marks the loan
"story changed". What can never change (pair, currency, time) or grow (a principal) is refused. What
the records add up to is kept in the same transaction.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from loans.bitmart import responses
from loans.bitmart.responses import RefusedRow as Refusal
from loans.bitmart.rows import excerpt
from loans.models import Account, BorrowRecord, Kind, Observation, RepayRecord
from loans.services import new_rows, refused, rollups, twins
from loans.services.changed_rows import unfit, write_changed

Row = responses.BorrowRecord | responses.RepayRecord
Record = BorrowRecord | RepayRecord

# Rows of one transaction: enough that a commit costs little, few enough that others wait briefly.
MOST_AT_ONCE = 2000
COMMON = ("account", "record_id", "symbol", "currency", "principal", "interest", "at")
SINCE = ("first_seen_at", "story_changed")
BORROW_COLUMNS = (*COMMON, *SINCE, "uuid", "daily_rate", "hourly_rate")
REPAY_COLUMNS = (*COMMON, *SINCE, "amount")
MOVING = ("principal", "interest", "story_changed")  # of a repayment only the last
OBSERVED = ("account", "kind", "record_id", "body", "seen_at")


@dataclass(slots=True)
class Stored:
    """What one batch of rows did. `refused` pairs a row as received with the reason."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[tuple[Mapping[str, object], str]] = field(default_factory=list)


def model_of(kind: str) -> type[BorrowRecord] | type[RepayRecord]:
    """The table of a kind."""
    return BorrowRecord if kind == Kind.BORROW else RepayRecord


def store(*, account: Account, kind: str, rows: Collection[Row], now: datetime) -> Stored:
    """Keep what was listed. Writes nothing for what is known already; safe to repeat.

    Holds the account's row, so that two readers of one account do not write the same telling twice.
    Many rows at once cost less each than a page at a time: hand over what is there.
    """
    told = Stored()
    by_id = {}
    for row in rows:
        if reason := _unfit(row):
            told.refused.append((row.raw, reason))
        else:
            by_id[row.record_id] = row
    ids = list(by_id)
    for first in range(0, len(ids), MOST_AT_ONCE):
        some = {key: by_id[key] for key in ids[first : first + MOST_AT_ONCE]}
        _store(account, kind, some, now, told)
    refused.keep(
        [Refusal(reason, excerpt(raw)) for raw, reason in told.refused],
        venue=account.venue,
        account=account,
        source=f"isolated/{kind}_record",
        now=now,
    )
    return told


def _store(
    account: Account, kind: str, by_id: Mapping[str, Row], now: datetime, told: Stored
) -> None:
    changes = rollups.Changes()
    with transaction.atomic():
        Account.objects.select_for_update().values_list("pk").get(pk=account.pk)
        latest = _latest_bodies(account, kind, list(by_id))
        fresh = [row for key, row in by_id.items() if key not in latest]
        changed = [row for key, row in by_id.items() if key in latest and row.raw != latest[key]]
        if fresh:
            _keep_new(account, kind, fresh, now, changes)
            told.new += [row.record_id for row in fresh]
        if changed:
            _heed_all(account, kind, changed, told, changes)
        if fresh or changed:
            _observe(account, kind, [*fresh, *changed], now)
        changes.write(account.pk, kind)


def _unfit(row: Row) -> str:
    """Why a row does not fit our tables; the database would refuse the whole page with it."""
    values = {
        "symbol": row.symbol,
        "currency": row.currency,
        "principal": row.principal,
        "interest": row.interest,
    }
    if isinstance(row, responses.BorrowRecord):
        values |= {"daily_rate": row.daily_rate, "hourly_rate": row.hourly_rate}
        return unfit(BorrowRecord, values)
    return unfit(RepayRecord, values | {"amount": row.amount})


def _latest_bodies(account: Account, kind: str, ids: Sequence[str]) -> dict[str, Any]:
    """What was last seen of each known record; None if a record's telling was never kept."""
    seen = Observation.objects.filter(account=account, kind=kind, record_id=OuterRef("record_id"))
    newest = Subquery(seen.order_by("-id").values("body")[:1])
    known = model_of(kind).objects.filter(account=account, record_id__in=ids)
    return dict(known.order_by().values_list("record_id", newest))


def _keep_new(
    account: Account, kind: str, rows: Sequence[Row], now: datetime, changes: rollups.Changes
) -> None:
    """Write records that were never seen; a loan first seen at zero has no known principal."""
    names = BORROW_COLUMNS if kind == Kind.BORROW else REPAY_COLUMNS
    new_rows.insert(model_of(kind), names, [_values(account, row, now) for row in rows])
    for row in rows:
        changes.add(row.symbol, row.currency, _at(row), _figures(row))
    twins.notice(account, model_of(kind), {row.record_id: _at(row) for row in rows})


def _values(account: Account, row: Row, now: datetime) -> tuple:
    """A new record's values, in the order of its columns."""
    begin = (account.pk, row.record_id, row.symbol, row.currency)
    if isinstance(row, responses.BorrowRecord):
        figures = (row.principal or None, row.interest, row.created_at, now, False)
        return (*begin, *figures, uuid.uuid4(), row.daily_rate, row.hourly_rate)
    return (*begin, row.principal, row.interest, row.repaid_at, now, False, row.amount)


def _figures(row: Row) -> rollups.Figures:
    """What a new record adds to the totals."""
    if isinstance(row, responses.BorrowRecord):
        return rollups.of_record(principal=row.principal or None, interest=row.interest)
    return rollups.of_record(principal=row.principal, interest=row.interest, amount=row.amount)


def _at(row: Row) -> datetime:
    return row.created_at if isinstance(row, responses.BorrowRecord) else row.repaid_at


def _observe(account: Account, kind: str, rows: Iterable[Row], now: datetime) -> None:
    seen = [(account.pk, kind, row.record_id, row.raw, now) for row in rows]
    new_rows.insert(Observation, OBSERVED, seen)


def _heed_all(
    account: Account, kind: str, rows: Sequence[Row], told: Stored, changes: rollups.Changes
) -> None:
    """Take over what may move, refuse what may not, and write only records that differ now."""
    model = model_of(kind)
    names = (
        ("principal", "interest", "story_changed") if kind == Kind.BORROW else ("story_changed",)
    )
    known = model.objects.filter(account=account, record_id__in=[row.record_id for row in rows])
    records = {record.record_id: record for record in known}
    moved = []
    for row in rows:
        record = records[row.record_id]
        before = [getattr(record, name) for name in names]
        _heed(record, row, told, changes)
        if before != [getattr(record, name) for name in names]:
            moved.append(record)
    write_changed(moved, names)


def _heed(record: Record, row: Row, told: Stored, changes: rollups.Changes) -> None:
    if reason := _impossible(record, row):
        told.refused.append((row.raw, reason))
        record.story_changed = True
        return
    told.changed.append(record.record_id)
    if isinstance(row, responses.BorrowRecord):
        before = rollups.of_record(principal=record.principal, interest=record.interest)
        _heed_loan(record, row)
        after = rollups.of_record(principal=record.principal, interest=record.interest)
        if after != before:
            changes.add(record.symbol, record.currency, record.at, after.minus(before))


def _impossible(record: Record, row: Row) -> str:
    """Why this telling cannot be of the same record; empty if it can."""
    loan = isinstance(row, responses.BorrowRecord)
    if (record.symbol, record.currency) != (row.symbol, row.currency):
        return "a known record changed its pair or currency"
    if abs(record.at - _at(row)).total_seconds() >= 1:  # seconds and milliseconds may alternate
        return "a known record changed its time"
    if loan and record.principal is not None and row.principal > record.principal:
        return "a known loan's principal grew"
    if not loan and (row.amount, row.principal, row.interest) != (
        record.amount,
        record.principal,
        record.interest,
    ):
        return "a known repayment changed its amounts"
    return ""


def _heed_loan(record: BorrowRecord, row: responses.BorrowRecord) -> None:
    fell = _fell(record.principal, row.principal) or _fell(record.interest, row.interest)
    record.principal = record.principal or row.principal or None
    if row.interest is not None:
        record.interest = max(row.interest, record.interest or Decimal(0))
    record.story_changed |= fell


def _fell(known: Decimal | None, told: Decimal | None) -> bool:
    return known is not None and (told is None or told < known)
