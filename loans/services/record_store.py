"""Keeping the venue's records: each once, every different telling of it, nothing silently changed.

The largest principal and interest ever seen stay; a fall (C10) is an observation and marks the loan
"story changed". What can never change (pair, currency, time) or grow (a principal) is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from loans.bitmart import responses
from loans.bitmart.responses import RefusedRow as Refusal
from loans.bitmart.rows import excerpt
from loans.models import Account, BorrowRecord, Kind, Observation, RepayRecord
from loans.services import refused, twins
from loans.services.changed_rows import unfit

Row = responses.BorrowRecord | responses.RepayRecord
Record = BorrowRecord | RepayRecord


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
    """
    told = Stored()
    by_id = {}
    for row in rows:
        if reason := _unfit(row):
            told.refused.append((row.raw, reason))
        else:
            by_id[row.record_id] = row
    if by_id:
        _store(account, kind, by_id, now, told)
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
    with transaction.atomic():
        Account.objects.select_for_update().get(pk=account.pk)
        model = model_of(kind)
        known = {
            record.record_id: record
            for record in model.objects.filter(account=account, record_id__in=by_id)
        }
        fresh = [row for row in by_id.values() if row.record_id not in known]
        created = model.objects.bulk_create([_new(account, row, now) for row in fresh])
        twins.notice(account, created)
        told.new = [row.record_id for row in fresh]
        latest = _latest_bodies(account, kind, list(known))
        changed = [row for key, row in by_id.items() if key in known and row.raw != latest.get(key)]
        for row in changed:
            _heed(known[row.record_id], row, told)
        _observe(account, kind, [*fresh, *changed], now)


def _unfit(row: Row) -> str:
    """Why a row does not fit our tables; the database would refuse the whole page with it."""
    if isinstance(row, responses.BorrowRecord):
        figures = {"principal": row.principal, "interest": row.interest}
        figures |= {"daily_rate": row.daily_rate, "hourly_rate": row.hourly_rate}
        return unfit(BorrowRecord, {"symbol": row.symbol, "currency": row.currency, **figures})
    figures = {"amount": row.amount, "principal": row.principal, "interest": row.interest}
    return unfit(RepayRecord, {"symbol": row.symbol, "currency": row.currency, **figures})


def _new(account: Account, row: Row, now: datetime) -> Record:
    common = {
        "account": account,
        "record_id": row.record_id,
        "symbol": row.symbol,
        "currency": row.currency,
        "first_seen_at": now,
    }
    if isinstance(row, responses.BorrowRecord):
        return BorrowRecord(
            **common,
            principal=row.principal or None,
            daily_rate=row.daily_rate,
            hourly_rate=row.hourly_rate,
            interest=row.interest,
            at=row.created_at,
        )
    return RepayRecord(
        **common,
        amount=row.amount,
        principal=row.principal,
        interest=row.interest,
        at=row.repaid_at,
    )


def _latest_bodies(account: Account, kind: str, ids: Sequence[str]) -> dict[str, Any]:
    """What was last seen of each record."""
    of_these = Observation.objects.filter(account=account, kind=kind, record_id__in=ids)
    newest = of_these.values("record_id").annotate(newest=Max("id")).values("newest")
    return dict(Observation.objects.filter(pk__in=newest).values_list("record_id", "body"))


def _observe(account: Account, kind: str, rows: Collection[Row], now: datetime) -> None:
    Observation.objects.bulk_create(
        Observation(
            account=account, kind=kind, record_id=row.record_id, body=dict(row.raw), seen_at=now
        )
        for row in rows
    )


def _heed(record: Record, row: Row, told: Stored) -> None:
    """Take over what may move, refuse what may not."""
    if reason := _impossible(record, row):
        told.refused.append((row.raw, reason))
        record.story_changed = True
        record.save(update_fields=["story_changed"])
        return
    told.changed.append(record.record_id)
    if isinstance(row, responses.BorrowRecord):
        _heed_loan(record, row)


def _impossible(record: Record, row: Row) -> str:
    """Why this telling cannot be of the same record; empty if it can."""
    loan = isinstance(row, responses.BorrowRecord)
    at = row.created_at if loan else row.repaid_at
    if (record.symbol, record.currency) != (row.symbol, row.currency):
        return "a known record changed its pair or currency"
    if abs(record.at - at).total_seconds() >= 1:  # whole seconds and milliseconds may alternate
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
    record.save(update_fields=["principal", "interest", "story_changed"])


def _fell(known: Decimal | None, told: Decimal | None) -> bool:
    return known is not None and (told is None or told < known)
