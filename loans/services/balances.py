"""What the records of an account come to at an instant, debt by debt: the same digits for ever.

Principal is what was borrowed before the instant less what was repaid. Interest is what the
exchange had told by then: of each loan the largest observation up to the instant, so that later
tellings change nothing. A loan first read later was a missing record: its first telling counts,
once the loan is repaid or the telling is read, and before that as far as interest was repaid.
`as_of` is how far knowledge reaches: records first read after it do not exist.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, F, Max, QuerySet

from loans import exact
from loans.bitmart.readers import read_borrow_record
from loans.bitmart.rows import BadRow
from loans.models import Account, BorrowRecord, Kind, Observation
from loans.services import record_store, rollups, spans
from loans.services.position import Recorded, Slot
from loans.services.rollups import Figures

# How many ids one query names: SQLite takes 999 parameters on its oldest builds.
IDS_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class Telling:
    """What the exchange said of a loan, and when. None: it said nothing, or null."""

    seen_at: datetime
    principal: Decimal | None
    interest: Decimal | None


@dataclass(frozen=True, slots=True)
class Retold:
    """A loan whose kept figures may be newer than a cut, with every telling of it in order."""

    loan: BorrowRecord
    tellings: tuple[Telling, ...]

    @property
    def slot(self) -> Slot:
        """The debt it belongs to."""
        return Slot(self.loan.account_id, self.loan.symbol, self.loan.currency)

    def is_known(self, as_of: datetime) -> bool:
        """Whether the loan's principal had been told by then."""
        return any(said.principal for said in self.tellings if said.seen_at <= as_of)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The books before `until`, as known at `as_of`.

    `unread` are loans that were out at `until` and first read later: of them nothing was told.
    `retold` are the loans of which more was told after `until`. `late` records of before `until`
    were first read after it, the last of them at `late_at`. `advanced` is the interest of unread
    loans that is known all the same, because it was repaid.
    """

    account: Account
    until: datetime
    as_of: datetime
    late: int
    late_at: datetime | None
    unread: frozenset[int]
    retold: tuple[Retold, ...]
    recorded: Mapping[Slot, Recorded]
    advanced: Mapping[Slot, Decimal]

    def counted(self, one: Retold) -> list[Telling]:
        """The tellings of a loan that count at this cut."""
        in_time = [said for said in one.tellings if said.seen_at <= self.until]
        if in_time or one.loan.pk in self.unread:
            return in_time
        return list(one.tellings[:1])

    def told(self, one: Retold) -> Decimal:
        """The interest of a loan as told by this cut; 0 where nothing was."""
        figures = [said.interest for said in self.counted(one) if said.interest is not None]
        return max(figures, default=exact.ZERO)

    def movements(self, since: datetime) -> dict[Slot, Recorded]:
        """What was borrowed and repaid from `since` on, and told of the loans taken then: from the
        records themselves, so that it checks the totals that the cuts are made of. Two queries.
        """
        own = [one for one in self.retold if one.loan.at >= since]
        lent, back = (_moved(kind, since, self) for kind in (Kind.BORROW, Kind.REPAY))
        return _corrected(_both(lent, back), own, self)


def cut(account: Account, *, until: datetime, as_of: datetime) -> Cut:
    """The books of an account before `until`; `as_of` is at or after it."""
    lent, back = (
        spans.by_slot(kind, account, until=until, known_at=as_of)
        for kind in (Kind.BORROW, Kind.REPAY)
    )
    sums = _both(lent, back)
    late_loans, late_repayments = (
        _late(kind, account, until, as_of) for kind in (Kind.BORROW, Kind.REPAY)
    )
    again = list(retold(_told_again(account, until, as_of)))
    unknown = [one for one in again if one.loan.principal and not one.is_known(as_of)]
    unread = _unread(account, sums, unknown, until, as_of) if late_loans.records else []
    told = {one.loan.pk for one in again}
    found = Cut(
        account=account,
        until=until,
        as_of=as_of,
        late=late_loans.records + late_repayments.records,
        late_at=max((one.last for one in (late_loans, late_repayments) if one.last), default=None),
        unread=frozenset(loan.pk for loan in unread),
        retold=(*again, *retold(loan for loan in unread if loan.pk not in told)),
        recorded={},
        advanced={},
    )
    recorded = _corrected(sums, found.retold, found)
    advanced = _advanced(found, recorded)
    for slot, more in advanced.items():
        known = recorded[slot]
        recorded[slot] = replace(known, told=exact.plus(known.told, more))
    return replace(found, recorded=recorded, advanced=advanced)


def grown(before: Cut, after: Cut) -> dict[Slot, Decimal]:
    """What was told between two cuts of loans taken before the first, and of unread ones because
    it was repaid.
    """
    found = {slot: exact.minus(exact.ZERO, figure) for slot, figure in before.advanced.items()}
    for slot, figure in after.advanced.items():
        found[slot] = exact.plus(found.get(slot, exact.ZERO), figure)
    for one in before.retold:
        more = exact.minus(after.told(one), before.told(one))
        found[one.slot] = exact.plus(found.get(one.slot, exact.ZERO), more)
    return found


def retold(loans: Iterable[BorrowRecord]) -> Iterator[Retold]:
    """Loans, each once, with everything the exchange ever told of them, oldest first."""
    by_id = {loan.record_id: loan for loan in loans}
    ids = list(by_id)
    for start in range(0, len(ids), IDS_A_QUERY):
        said: dict[str, list[Telling]] = {key: [] for key in ids[start : start + IDS_A_QUERY]}
        loan = by_id[ids[start]]
        rows = Observation.objects.filter(
            account_id=loan.account_id, kind=Kind.BORROW, record_id__in=list(said)
        )
        for key, seen_at, body in rows.order_by("id").values_list("record_id", "seen_at", "body"):
            telling = telling_of(by_id[key], seen_at, body)
            if telling:
                said[key].append(telling)
        yield from (_retold(by_id[key], tellings) for key, tellings in said.items())


def _retold(loan: BorrowRecord, tellings: Sequence[Telling]) -> Retold:
    """A record without a readable reading counts as told when it was first seen."""
    kept = Telling(loan.first_seen_at, loan.principal, loan.interest)
    return Retold(loan, tuple(tellings) or (kept,))


def telling_of(loan: BorrowRecord, seen_at: datetime, body: Mapping) -> Telling | None:
    """One observation as read; None for what cannot be of this loan, which was refused."""
    try:
        row = read_borrow_record(body)
    except BadRow:
        return None
    if record_store.impossible(loan, row):
        return None
    return Telling(seen_at, row.principal, row.interest)


def _moved(kind: str, since: datetime, at: Cut) -> dict[Slot, Figures]:
    """What the records of a kind from `since` to the cut add up to, as they are kept now."""
    records = rollups.MODELS[Kind(kind)].objects.filter(
        account=at.account, at__gte=since, at__lt=at.until, first_seen_at__lte=at.as_of
    )
    rows = records.order_by().values(*Slot._fields).annotate(**rollups.figures_of(kind))
    return {_slot_of(row): rollups.read_figures(row) for row in rows}


def _both(lent: Mapping[Slot, Figures], back: Mapping[Slot, Figures]) -> dict[Slot, Recorded]:
    """Loans and repayments of each debt together."""
    nothing = Figures()
    return {
        slot: Recorded.of(lent.get(slot, nothing), back.get(slot, nothing))
        for slot in lent.keys() | back.keys()
    }


class _Late(NamedTuple):
    """How many records of before a cut were first read after it, and the last of them when."""

    records: int
    last: datetime | None


def _late(kind: str, account: Account, until: datetime, as_of: datetime) -> _Late:
    """From an index alone: where a history was loaded later, all of it is late."""
    late = rollups.MODELS[Kind(kind)].objects.filter(
        account=account, first_seen_at__gt=until, first_seen_at__lte=as_of, at__lt=until
    )
    return _Late(**late.aggregate(records=Count("id"), last=Max("first_seen_at")))


def _slot_of(row: Mapping[str, Any]) -> Slot:
    return Slot(*(row[name] for name in Slot._fields))


def _told_again(account: Account, until: datetime, as_of: datetime) -> QuerySet[BorrowRecord]:
    """Loans of which something was told after the cut, other than by their first reading."""
    told = BorrowRecord.objects.filter(account=account, told_again_at__gt=until, at__lt=until)
    return BorrowRecord.objects.filter(
        pk__in=told.values("pk"), first_seen_at__lte=as_of, told_again_at__gt=F("first_seen_at")
    )


def _unread(
    account: Account,
    debts: Mapping[Slot, Recorded],
    unknown: Sequence[Retold],
    until: datetime,
    as_of: datetime,
) -> list[BorrowRecord]:
    """Loans that were out at the cut and first read after it; the oldest are repaid first. The
    principals of `unknown` ones were told after `as_of`.
    """
    taken = BorrowRecord.objects.filter(account=account, at__lt=until, first_seen_at__lte=as_of)
    taken = taken.exclude(pk__in=[one.loan.pk for one in unknown])
    found = []
    for slot, recorded in debts.items():
        told_later = exact.total(one.loan.principal for one in unknown if one.slot == slot)
        left = exact.minus(recorded.principal, told_later)
        newest = taken.filter(**slot._asdict(), principal__isnull=False)
        for loan in newest.order_by("-at", "-record_id").iterator() if left > 0 else ():
            if loan.first_seen_at > until:
                found.append(loan)
            left = exact.minus(left, loan.principal)
            if left <= 0:
                break
    return found


def _corrected(
    sums: dict[Slot, Recorded], retold: Sequence[Retold], at: Cut
) -> dict[Slot, Recorded]:
    """The sums without what was told after the cut."""
    for one in retold:
        # A debt may be new since the sums were read, or its totals may be missing.
        known, loan = sums.get(one.slot, Recorded()), one.loan
        too_much = exact.minus(loan.interest or exact.ZERO, at.told(one))
        known = replace(known, told=exact.minus(known.told, too_much))
        if loan.principal is not None and not one.is_known(at.as_of):
            borrowed = exact.minus(known.borrowed, loan.principal)
            known = replace(known, borrowed=borrowed, unknown=known.unknown + 1)
        sums[one.slot] = known
    return sums


def _advanced(at: Cut, recorded: Mapping[Slot, Recorded]) -> dict[Slot, Decimal]:
    """Of the unread loans' first tellings, what had to be charged because it was repaid."""
    unread: dict[Slot, Decimal] = {}
    for one in at.retold:
        if one.loan.pk in at.unread and one.tellings[0].interest:
            first = one.tellings[0].interest
            unread[one.slot] = exact.plus(unread.get(one.slot, exact.ZERO), first)
    missing = {slot: exact.minus(exact.ZERO, recorded[slot].interest) for slot in unread}
    return {slot: min(missing[slot], unread[slot]) for slot in unread if missing[slot] > 0}
