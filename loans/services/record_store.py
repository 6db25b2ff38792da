"""Keeping the venue's records: each once, every different telling of it, nothing silently changed.

The largest principal and interest ever seen stay; a fall (C10) is an observation and marks the loan
"story changed". What can never change (pair, currency, time) or grow (a principal) is refused. What
the records add up to is kept in the same transaction.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction

from loans import periods
from loans.bitmart import responses
from loans.bitmart.responses import RefusedRow as Refusal
from loans.bitmart.rows import excerpt
from loans.models import Account, BorrowRecord, Kind, Observation, RepayRecord
from loans.services import new_rows, refused, rollups, twins
from loans.services.changed_rows import all_fit, unfit, write_changed
from loans.services.clock import Clock
from loans.services.sql import to_database

Row = responses.BorrowRecord | responses.RepayRecord
Record = BorrowRecord | RepayRecord

# Of each id: nothing if there is no such record, else its pair and the last that was seen of it.
# One at a time, because a database that has not counted its rows yet would rather read all of an
# account.
LATEST = (
    "WITH listed(id) AS (VALUES {ids}) SELECT listed.id, (SELECT r.symbol || ' ' || COALESCE(("
    "SELECT CAST(o.body AS text) FROM {observations} o WHERE o.account_id = r.account_id "
    "AND o.kind = %s AND o.record_id = r.record_id ORDER BY o.id DESC LIMIT 1), 'null') "
    "FROM {records} r WHERE r.account_id = %s AND r.record_id = listed.id) FROM listed"
)
# Rows of one transaction: enough that a commit costs little, few enough that others wait briefly.
MOST_AT_ONCE = 2000
COMMON = ("record_id", "symbol", "currency", "principal", "interest")
BORROW_COLUMNS = (*COMMON, "at", "uuid", "daily_rate", "hourly_rate")
REPAY_COLUMNS = (*COMMON, "at", "amount")
BORROW_FIGURES = ("principal", "interest", "daily_rate", "hourly_rate")
REPAY_FIGURES = ("principal", "interest", "amount")
MOVED = "a known record changed its pair or currency"
NEXT = timedelta(microseconds=1)
MOVING_OF_LOANS = ("principal", "interest", "story_changed", "told_again_at")


@dataclass(slots=True)
class Stored:
    """What one batch of rows did. `refused` pairs a row as received with the reason."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[tuple[Mapping[str, object], str]] = field(default_factory=list)


class _Latest(NamedTuple):
    """A record's pair, and the body last seen under its id; None if none was kept."""

    symbol: str
    body: Any


def model_of(kind: str) -> type[BorrowRecord] | type[RepayRecord]:
    """The table of a kind."""
    return rollups.MODELS[Kind(kind)]


def store(*, account: Account, kind: str, rows: Collection[Row], clock: Clock) -> Stored:
    """Keep what was listed. Writes nothing for what is known already; safe to repeat.

    Holds the account's row, so that two readers of one account do not write the same telling twice,
    and reads the clock only then: what waits for its turn is known to nobody yet. A record that is
    listed in two ways is heeded as if told one after the other. Many rows at once cost less each
    than a page at a time: hand over what is there.
    """
    told = Stored()
    for by_id in _once_each(_fitting(kind, rows, told)):
        ids = list(by_id)
        for first in range(0, len(ids), MOST_AT_ONCE):
            some = {key: by_id[key] for key in ids[first : first + MOST_AT_ONCE]}
            _store(account, kind, some, clock, told)
    refused.keep(
        [Refusal(reason, excerpt(raw)) for raw, reason in told.refused],
        venue=account.venue,
        account=account,
        source=f"isolated/{kind}_record",
        now=clock(),
    )
    return told


def _once_each(rows: Collection[Row]) -> Iterator[Mapping[str, Row]]:
    """The rows by their ids, in so many parts that none of them is lost, in their order."""
    while rows:
        by_id: dict[str, Row] = {}
        rows = [
            row
            for row in rows
            if (first := by_id.setdefault(row.record_id, row)) is not row and first.raw != row.raw
        ]
        yield by_id


def _store(
    account: Account, kind: str, by_id: Mapping[str, Row], clock: Clock, told: Stored
) -> None:
    """Look without the lock first: most of what is listed is known, and then nothing is written."""
    latest = _latest(account, kind, by_id)
    other = {key: row for key, row in by_id.items() if not _is_last(row, latest)}
    # Refused when it was first told, and no record of ours still.
    known = (row for key, row in by_id.items() if key not in other)
    told.refused += [
        (row.raw, MOVED) for row in known if latest[row.record_id].symbol != row.symbol
    ]
    if not other:
        return
    changes = rollups.Changes()
    with transaction.atomic():
        Account.objects.select_for_update().values_list("pk").get(pk=account.pk)
        now = clock()
        latest = _latest(account, kind, other)
        fresh = [row for key, row in other.items() if key not in latest]
        changed = [r for key, r in other.items() if key in latest and not _is_last(r, latest)]
        seen: dict[datetime, list[Row]] = defaultdict(list)
        if fresh:
            _keep_new(account, kind, fresh, now, changes)
            told.new += [row.record_id for row in fresh]
            seen[now] += fresh
        if changed:
            times = _heed_all(account, kind, changed, now, told, changes)
            for row, at in zip(changed, times, strict=True):
                seen[at].append(row)
        for at, rows in seen.items():
            _observe(account, kind, rows, at)
        changes.write(account.pk, kind)


def _fitting(kind: str, rows: Collection[Row], told: Stored) -> Collection[Row]:
    """The rows that our tables take; the database would refuse all for one that it does not."""
    model = model_of(kind)
    names = ("symbol", "currency", *(BORROW_FIGURES if kind == Kind.BORROW else REPAY_FIGURES))
    fields = map(model._meta.get_field, names)
    if all(all_fit(field, [getattr(row, field.name) for row in rows]) for field in fields):
        return rows
    fitting = []
    for row in rows:
        if reason := unfit(model, {name: getattr(row, name) for name in names}):
            told.refused.append((row.raw, reason))
        else:
            fitting.append(row)
    return fitting


def _is_last(row: Row, latest: Mapping[str, _Latest]) -> bool:
    """Whether the row says what was last seen of its record."""
    return row.record_id in latest and latest[row.record_id].body == row.raw


def _latest(account: Account, kind: str, ids: Collection[str]) -> dict[str, _Latest]:
    """What was last seen of each known record."""
    key = to_database(Account, "id")(account.pk)
    statement = LATEST.format(
        records=model_of(kind)._meta.db_table,
        observations=Observation._meta.db_table,
        ids=", ".join(["(%s)"] * len(ids)),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*ids, kind, key])
        parts = {key: text.split(" ", 1) for key, text in cursor.fetchall() if text is not None}
    return {key: _Latest(symbol, json.loads(body)) for key, (symbol, body) in parts.items()}


def _keep_new(
    account: Account, kind: str, rows: Sequence[Row], now: datetime, changes: rollups.Changes
) -> None:
    """Write records that were never seen; a loan first seen at zero has no known principal."""
    names, values = (
        (BORROW_COLUMNS, _loan_values) if kind == Kind.BORROW else (REPAY_COLUMNS, _repay_values)
    )
    same = {"account": account.pk, "first_seen_at": now, "story_changed": False}
    new_rows.insert(model_of(kind), names, [values(row) for row in rows], same=same)
    parts = defaultdict(list)
    for row in rows:
        parts[_half_hour(row.symbol, _at(row), row.currency)].append(row)
    for part, some in parts.items():
        changes.add(part, _figures(some))
    twins.notice(account, model_of(kind), {row.record_id: _at(row) for row in rows})


def _loan_values(row: responses.BorrowRecord) -> tuple:
    principal = row.principal or None
    begin = (row.record_id, row.symbol, row.currency, principal, row.interest, row.created_at)
    return (*begin, uuid.uuid4(), row.daily_rate, row.hourly_rate)


def _repay_values(row: responses.RepayRecord) -> tuple:
    begin = (row.record_id, row.symbol, row.currency, row.principal, row.interest)
    return (*begin, row.repaid_at, row.amount)


def _figures(rows: Sequence[Row]) -> rollups.Figures:
    """What new records add to the totals."""
    interests = [row.interest for row in rows]
    if isinstance(rows[0], responses.BorrowRecord):
        return rollups.of_records([row.principal or None for row in rows], interests)
    principals, amounts = [row.principal for row in rows], [row.amount for row in rows]
    return rollups.of_records(principals, interests, amounts)


def _half_hour(symbol: str, at: datetime, currency: str) -> rollups.Part:
    return rollups.Part(symbol, periods.numbered(periods.HALF_HOUR, at), currency)


def _at(row: Row) -> datetime:
    return row.created_at if isinstance(row, responses.BorrowRecord) else row.repaid_at


def _observe(account: Account, kind: str, rows: Iterable[Row], at: datetime) -> None:
    same = {"account": account.pk, "kind": kind, "seen_at": at}
    seen = [(row.record_id, row.raw) for row in rows]
    new_rows.insert(Observation, ("record_id", "body"), seen, same=same)


def _heed_all(
    account: Account,
    kind: str,
    rows: Sequence[Row],
    now: datetime,
    told: Stored,
    changes: rollups.Changes,
) -> list[datetime]:
    """Take over what may move, refuse what may not, and write only records that differ now. Says
    when each row was told.
    """
    model = model_of(kind)
    names = MOVING_OF_LOANS if kind == Kind.BORROW else ("story_changed",)
    known = model.objects.filter(account=account, record_id__in=[row.record_id for row in rows])
    records = {record.record_id: record for record in known}
    moved, times = [], []
    for row in rows:
        record = records[row.record_id]
        before = [getattr(record, name) for name in names]
        times.append(_told_at(record, now))
        if kind == Kind.BORROW:
            record.told_again_at = times[-1]
        _heed(record, row, told, changes)
        if before != [getattr(record, name) for name in names]:
            moved.append(record)
    write_changed(moved, names)
    return times


def _told_at(record: Record, now: datetime) -> datetime:
    """When a known record was told again: after whatever was told of it before, though our clock
    has been set back or stands still. What counts of a month is told apart by these times.
    """
    last = getattr(record, "told_again_at", None) or record.first_seen_at
    return max(now, last + NEXT)


def _heed(record: Record, row: Row, told: Stored, changes: rollups.Changes) -> None:
    if reason := impossible(record, row):
        told.refused.append((row.raw, reason))
        record.story_changed = True
        return
    told.changed.append(record.record_id)
    if isinstance(row, responses.BorrowRecord):
        before = rollups.of_records([record.principal], [record.interest])
        _heed_loan(record, row)
        after = rollups.of_records([record.principal], [record.interest])
        if after != before:
            part = _half_hour(record.symbol, record.at, record.currency)
            changes.add(part, after.minus(before))


def impossible(record: Record, row: Row) -> str:
    """Why this telling cannot be of the same record, and is refused; empty if it can."""
    loan = isinstance(row, responses.BorrowRecord)
    if (record.symbol, record.currency) != (row.symbol, row.currency):
        return MOVED
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
