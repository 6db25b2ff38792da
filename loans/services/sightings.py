"""What one look for an instruction sees: the listing, what of it is new, and by which clock."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet

from loans.bitmart.client import Client
from loans.models import (
    HAPPENED,
    UNDECIDED,
    Account,
    BorrowRecord,
    Instruction,
    Kind,
    State,
)
from loans.services import record_store, twins
from loans.services.bounds import Bounds
from loans.services.clock import Clock
from loans.services.listings import Evidence, list_since
from loans.services.matching import SLACK, Found, Listed, Sought, begin, search
from loans.services.recovery import CLOCKS_DIFFER
from loans.services.rivals import Claim, rivals_of


@dataclass(frozen=True, slots=True)
class View:
    """One look: what was listed, what of it is new for the instruction, and by which clock."""

    evidence: Evidence
    found: Found
    ours: Claim
    rivals: tuple[Claim, ...]
    venue_now: datetime
    now: datetime
    bounds: Bounds
    is_probed: bool


def local_horizon(instruction: Instruction, *, bounds: Bounds) -> datetime:
    """By our clock: when nothing of it can still start, run or become visible."""
    offset = timedelta(milliseconds=instruction.clock_offset_ms or 0)
    return instruction.signed_at + bounds.horizon - offset


def see(
    instruction: Instruction,
    *,
    client: Client,
    bounds: Bounds,
    is_probed: bool,
    now: datetime,
    clock: Clock,
) -> View:
    """List and sort. Raises ReadError as the client does; stores every row that came, as heard
    when the `clock` says so: a look may wait for its calls longer than a statement does.
    """
    since = begin(_not_before(instruction) or instruction.signed_at)
    evidence = list_since(client, symbol=instruction.symbol, kind=instruction.kind, since=since)
    rows = [record.row for record in evidence.records]
    record_store.store(account=instruction.account, kind=instruction.kind, rows=rows, clock=clock)
    # What was just stored may have shown that another key is of the same exchange account.
    instruction.account.refresh_from_db(fields=["mode", "mode_reason", "exchange_account"])
    sought = _sought(instruction)
    found = search(_as_first_told(instruction, evidence.records), sought, bounds)
    if instruction.state == State.CONFIRMED:
        found = _before_the_answer(instruction, found, bounds)
    venue_now = evidence.venue_now or client.server_time().at
    ours, rivals = Claim.of(instruction, bounds=bounds), rivals_of(instruction, bounds=bounds)
    return View(evidence, found, ours, rivals, venue_now, now, bounds, is_probed)


def _as_first_told(instruction: Instruction, listed: Collection[Listed]) -> list[Listed]:
    """Records that read zero by now (C10), with the principal that was seen before."""
    emptied = [record.record_id for record in listed if record.amount == 0]
    if not emptied or instruction.kind != Kind.BORROW:
        return list(listed)
    kept = BorrowRecord.objects.filter(account=instruction.account, record_id__in=emptied)
    known = dict(kept.exclude(principal=None).values_list("record_id", "principal"))
    return [replace(record, amount=known.get(record.record_id, record.amount)) for record in listed]


def _sought(instruction: Instruction) -> Sought:
    rivals = _siblings(instruction)
    bound = rivals.exclude(**{f"{instruction.kind}_record": None})
    taken = bound.values_list(f"{instruction.kind}_record__record_id", flat=True)
    waiting = rivals.filter(state__in=UNDECIDED).values_list("amount", flat=True)
    older = _known_before_placed(instruction)
    return Sought(
        symbol=instruction.symbol,
        currency=instruction.currency,
        amount=instruction.amount,
        signed_at=instruction.signed_at,
        answer_id=instruction.answer_id,
        known_ids=frozenset(instruction.known_ids) | frozenset(taken) | frozenset(older),
        explained=frozenset(waiting) | frozenset(unbound_amounts(instruction)),
        not_before=_not_before(instruction),
    )


def is_signing_unknown(instruction: Instruction) -> bool:
    """Whether it may have been sent at any time since it was placed: no trace of it is left."""
    return not instruction.body_sha256


def _not_before(instruction: Instruction) -> datetime | None:
    """Where its signing was forgotten: since when it may be; else None."""
    if not is_signing_unknown(instruction):
        return None
    return instruction.created_at - CLOCKS_DIFFER


def _known_before_placed(instruction: Instruction) -> Collection[str]:
    """Where its signing was forgotten: the records that were known before it was placed."""
    if not is_signing_unknown(instruction):
        return ()
    rows = record_store.model_of(instruction.kind).objects.filter(
        account=instruction.account,
        symbol=instruction.symbol,
        first_seen_at__lt=instruction.created_at,
    )
    return list(rows.values_list("record_id", flat=True))


def _siblings(instruction: Instruction) -> QuerySet[Instruction]:
    """Others of its slot, by whichever key of its exchange account they were sent."""
    return Instruction.objects.filter(
        account__in=twins.accounts_of_one(instruction.account),
        symbol=instruction.symbol,
        currency=instruction.currency,
        kind=instruction.kind,
    ).exclude(pk=instruction.pk)


def unbound_amounts(instruction: Instruction) -> Collection[Decimal]:
    """Amounts of others that happened and whose records are not bound yet."""
    happened = _siblings(instruction).filter(
        state__in=HAPPENED, **{f"{instruction.kind}_record": None}
    )
    return list(happened.values_list("amount", flat=True))


def _before_the_answer(instruction: Instruction, found: Found, bounds: Bounds) -> Found:
    """What was confirmed had happened by then, so later equal records are somebody else's.

    Our clock may have been set back between signing and answer: the deadline bounds that, too.
    """
    offset = timedelta(milliseconds=instruction.clock_offset_ms or 0)
    answered_at = max(instruction.settled_at + offset, instruction.signed_at + bounds.deadline)
    latest = answered_at + SLACK
    return Found(tuple(r for r in found.equal if r.at <= latest), found.unexplained)


def record_column(instruction: Instruction, record: Listed) -> dict:
    """The column that binds this record to the instruction; its row is stored already."""
    model = record_store.model_of(instruction.kind)
    row = model.objects.get(account=instruction.account, record_id=record.record_id)
    return {f"{instruction.kind}_record": row}


def is_exclusive(instruction: Instruction) -> bool:
    """Whether every new record on its account must be ours."""
    return instruction.account.mode == Account.Mode.EXCLUSIVE
