"""The statement of one account's month: what was owed at its beginning, what was borrowed, charged
and repaid, what was owed at its end, and what these figures rest on.

Reads only. Opening and closing come from the totals that are kept, the movements between from the
records themselves: a line that reconciles shows that the two agree on the month (on all that was
before, `verify_totals` does). The exchange's own figure of now stands beside a month that still
runs; nothing is merged.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from django.db.models import Exists, Min, OuterRef

from loans import exact
from loans.models import Account, BorrowRecord, Coverage, Kind, MarginSide, RepayRecord
from loans.services import balances, month_replay
from loans.services.balances import Cut
from loans.services.coverage import is_unread
from loans.services.months import Month, month_of, months_between
from loans.services.position import Recorded, Slot
from loans.services.statement import Doubt, Entry, Lack, Late, Line, Movement, Proof, Statement

# More than this is no page to print; the lists of the month hold them.
MOST_MOVEMENTS = 60
NOTHING = Recorded()


def state(
    account: Account, month: Month, *, zone: tzinfo, as_of: datetime, with_now: bool = False
) -> Statement:
    """The statement of a month as known at `as_of`, which lies in or after it.

    `with_now` puts the exchange's figures of now beside a month that still runs.
    """
    since, end = month.starts_at(zone), month.ends_at(zone)
    until = min(end, as_of)
    before = balances.cut(account, until=since, as_of=as_of)
    after = balances.cut(account, until=until, as_of=as_of)
    moved = after.movements(since)
    sides = _sides(account) if with_now and until < end else {}
    entries = _entries(before, after, moved, sides)
    touched = [one.slot for one in entries if one.principal.opening or one.slot in moved]
    replayed = month_replay.replay_month(touched, since=since, at=after)
    count = sum(one.loans + one.repayments for one in moved.values())
    return Statement(
        account=account,
        month=month,
        zone=zone,
        since=since,
        until=until,
        as_of=as_of,
        entries=[replace(one, replay=replayed.get(one.slot)) for one in entries],
        proof=_proof(account, end if until == end else None),
        late=_late(after),
        movement_count=count,
        movements=tuple(_movements(before, after)) if count <= MOST_MOVEMENTS else (),
    )


def used_first(accounts: Iterable[Account]) -> list[Account]:
    """Accounts with a record before those without one, by label."""
    every = {account.pk: account for account in accounts}
    has_records = Exists(BorrowRecord.objects.filter(account=OuterRef("pk")))
    busy = set(Account.objects.filter(has_records, pk__in=list(every)).values_list("pk", flat=True))
    return sorted(every.values(), key=lambda one: (one.pk not in busy, one.label, str(one.pk)))


def months_of(account: Account, *, now: datetime, zone: tzinfo) -> list[Month]:
    """Every month from that of the first record to the present one, newest first."""
    firsts = [
        model.objects.filter(account=account).aggregate(first=Min("at"))["first"]
        for model in (BorrowRecord, RepayRecord)
    ]
    first = min((at for at in firsts if at), default=now)
    return months_between(month_of(first, zone), month_of(now, zone))


def _entries(
    before: Cut, after: Cut, moved: Mapping[Slot, Recorded], sides: Mapping[Slot, MarginSide]
) -> list[Entry]:
    """Every debt with something to print, by pair and currency."""
    more = balances.grown(before, after)
    found = []
    for slot in sorted(after.recorded.keys() | sides.keys()):
        old, new = before.recorded.get(slot, NOTHING), after.recorded.get(slot, NOTHING)
        month = moved.get(slot, NOTHING)
        charged = exact.plus(month.told, more.get(slot, exact.ZERO))
        entry = Entry(
            slot=slot,
            principal=Line(old.principal, month.borrowed, month.repaid, new.principal),
            interest=Line(old.interest, charged, month.interest_repaid, new.interest),
            unknown=new.unknown,
            exchange=sides.get(slot),
        )
        if not entry.is_empty or _owes(entry.exchange):
            found.append(entry)
    return found


def _owes(side: MarginSide | None) -> bool:
    return side is not None and bool(side.borrow_unpaid or side.interest_unpaid)


def _sides(account: Account) -> dict[Slot, MarginSide]:
    """What the exchange says is owed now."""
    rows = MarginSide.objects.filter(margin_account__account=account)
    return {
        Slot(account.pk, row.margin_account.market.symbol, row.currency): row
        for row in rows.select_related("margin_account__market")
    }


def _movements(before: Cut, after: Cut) -> Iterator[Movement]:
    """Borrows and repayments of the month in the order of time, with what was owed after each."""
    span = {"account": after.account, "at__gte": before.until, "at__lt": after.until}
    span |= {"first_seen_at__lte": after.as_of}
    rows = [(one.at, 0, one.pk, Kind.BORROW, one) for one in BorrowRecord.objects.filter(**span)]
    rows += [(one.at, 1, one.pk, Kind.REPAY, one) for one in RepayRecord.objects.filter(**span)]
    unknown = {one.loan.pk for one in after.retold if not one.is_known(after.as_of)}
    owed = {slot: figures.principal for slot, figures in before.recorded.items()}
    for _, _, pk, kind, record in sorted(rows, key=lambda row: row[:3]):
        slot = Slot(record.account_id, record.symbol, record.currency)
        if kind == Kind.BORROW and pk in unknown:
            record.principal = None
        moved: Decimal = record.principal or exact.ZERO
        step = exact.plus if kind == Kind.BORROW else exact.minus
        owed[slot] = step(owed.get(slot, exact.ZERO), moved)
        yield Movement(kind, record, owed[slot])


def _late(after: Cut) -> Late:
    """What was first read after the month had ended, and changed what was known of it."""
    told_later = [
        one
        for one in after.retold
        if one.is_known(after.as_of)
        and one.tellings[0].seen_at <= after.as_of
        and not one.tellings[0].principal
        and not any(said.principal for said in one.tellings if said.seen_at <= after.until)
    ]
    return Late(after.late, after.late_at, len(told_later))


def _proof(account: Account, end: datetime | None) -> Proof:
    """Whether the lists are proven from the account's start to the month's end, and where they are
    not; `end` None while the month runs, which no list can have been read to the end of.
    """
    streams = list(
        Coverage.objects.filter(account=account)
        .prefetch_related("gaps")
        .order_by("-has_rows", "symbol", "kind")
    )
    busy = [one for one in streams if one.has_rows]
    checks = [one.checked_at for one in busy if one.checked_at]
    ends = [one.complete_to for one in busy if one.complete_to]
    return Proof(
        streams=len(streams),
        read_to=min(ends, default=None),
        checked_at=min(checks, default=None),
        doubts=[doubt for stream in streams for doubt in _doubts(stream, end)],
    )


def _doubts(stream: Coverage, end: datetime | None) -> Iterator[Doubt]:
    """What of one list before `end` is not proven."""

    def doubt(lack: Lack, **said: Any) -> Doubt:
        return Doubt(stream.symbol, stream.get_kind_display().lower(), lack, **said)

    if not stream.trusted:
        reason = stream.doubt or "one listing contradicted another"
        yield doubt(Lack.CONTRADICTED, reason=reason)
    if is_unread(stream):
        yield doubt(Lack.UNREAD, ends_at=stream.complete_from)
    if stream.complete_to is None:
        return
    for gap in stream.gaps.all():
        if end is None or gap.starts_at < end:
            span = {"starts_at": gap.starts_at, "ends_at": gap.ends_at}
            yield doubt(Lack.GAP, **span, reason=gap.reason)
    if end is not None and stream.complete_to < end:
        yield doubt(Lack.UNREAD, starts_at=stream.complete_to)
