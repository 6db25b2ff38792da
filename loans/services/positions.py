"""What is owed, per account, pair and currency: by our records, and beside it by the exchange.

The two figures are never merged. Records alone give `principal = borrowed - repaid` and `interest =
told - repaid`; the same records give the same digits for ever. `as_of` is up to when they are
proven complete, the older of the two watermarks: what was read since is in them, too, so that a
loan counts as soon as it is listed. What was owed at an instant, and no later record, is what
`balances` tells. Reads only, in a number of queries that does not grow with the rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from loans import exact
from loans.models import (
    ALL_PAIRS,
    OPEN,
    Account,
    BorrowRecord,
    Coverage,
    Instruction,
    Kind,
    MarginSide,
    RecordTotal,
    Terms,
)
from loans.periods import ALL_TIME
from loans.services import keyset
from loans.services.position import (
    MOST_OPEN_LOANS,
    LikelyGap,
    OpenLoan,
    Position,
    Recorded,
    Slot,
)
from loans.services.rollups import Figures

# How long after an instruction the records may still lack it.
CATCHING_UP = timedelta(minutes=10)
FEW_OPEN_LOANS = 8
MOST_AT_ONCE = 400  # debts that one query asks for: SQLite joins at most 500 runs


def positions(accounts: Sequence[Account], *, now: datetime) -> list[Position]:
    """Every slot with a debt or an unexplained rest, by account, pair and currency."""
    by_id = {account.pk: account for account in accounts}
    recorded = _recorded(accounts)
    sides = _sides(accounts)
    slots = [
        slot for slot in recorded.keys() | sides.keys() if slot in sides or recorded[slot].is_debt
    ]
    terms = _terms({account.venue for account in accounts}, {slot.symbol for slot in slots})
    open_loans = _open_loans(slots, recorded)
    gaps = _gaps(accounts, {slot.symbol for slot in slots})
    moving = _moving(accounts, now)
    found = []
    for slot in slots:
        account, side = by_id[slot.account_id], sides.get(slot)
        own_terms = terms.get((account.venue, slot.symbol, slot.currency))
        margin = side.margin_account if side else None
        position = Position(
            account=account,
            symbol=slot.symbol,
            currency=slot.currency,
            recorded=recorded.get(slot, Recorded()),
            exchange=side,
            margin=margin,
            market=margin.market if margin else own_terms.market if own_terms else None,
            terms=own_terms,
            open_loans=open_loans.get(slot, ()),
            gap=gaps.get((slot.account_id, slot.symbol)),
            is_moving=slot in moving,
        )
        if position.is_open:
            found.append(position)
    return sorted(
        found, key=lambda one: (one.account.venue, one.account.label, one.symbol, one.currency)
    )


def loans_out_since(account: Account) -> dict[str, datetime]:
    """When the oldest loan that is still out was taken, for each pair that owes by our records."""
    recorded = _recorded([account])
    found: dict[str, datetime] = {}
    for slot, loans in _open_loans(list(recorded), recorded).items():
        for loan in loans:
            found[slot.symbol] = min(found.get(slot.symbol, loan.at), loan.at)
    return found


def _recorded(accounts: Sequence[Account]) -> dict[Slot, Recorded]:
    """What the records of every slot add up to, and the watermarks."""
    borrowed, repaid = _sums(accounts, Kind.BORROW), _sums(accounts, Kind.REPAY)
    marks = _watermarks(accounts)
    return {
        slot: Recorded.of(
            borrowed.get(slot, Figures()),
            repaid.get(slot, Figures()),
            as_of=marks.get((slot.account_id, slot.symbol)),
        )
        for slot in borrowed.keys() | repaid.keys()
    }


def _sums(accounts: Sequence[Account], kind: Kind) -> dict[Slot, Figures]:
    """What is kept of every slot for all time."""
    of_pairs = RecordTotal.objects.filter(period=ALL_TIME).exclude(symbol=ALL_PAIRS)
    rows = of_pairs.filter(account__in=accounts, kind=kind)
    found = rows.values_list(*Slot._fields, *Figures._fields)
    return {Slot(*row[:3]): Figures(*row[3:]) for row in found}


def _watermarks(accounts: Sequence[Account]) -> dict[tuple[UUID, str], datetime]:
    """Up to when both kinds of records of a pair are proven; absent where one is not."""
    ends: dict[tuple[UUID, str], dict[str, datetime]] = {}
    rows = Coverage.objects.filter(account__in=accounts, complete_to__isnull=False)
    for account_id, symbol, kind, end in rows.values_list(
        "account_id", "symbol", "kind", "complete_to"
    ):
        ends.setdefault((account_id, symbol), {})[kind] = end
    return {key: min(kinds.values()) for key, kinds in ends.items() if len(kinds) == len(Kind)}


def _sides(accounts: Sequence[Account]) -> dict[Slot, MarginSide]:
    """What the exchange says is owed, where it says so or said so of a slot with records."""
    rows = MarginSide.objects.filter(margin_account__account__in=accounts)
    return {
        Slot(row.margin_account.account_id, row.margin_account.market.symbol, row.currency): row
        for row in rows.select_related("margin_account__market")
    }


def _terms(venues: set[str], symbols: set[str]) -> dict[tuple[str, str, str], Terms]:
    rows = Terms.objects.filter(market__venue__in=venues, market__symbol__in=symbols)
    return {
        (row.market.venue, row.market.symbol, row.currency): row
        for row in rows.select_related("market")
    }


def _open_loans(
    slots: Sequence[Slot], recorded: Mapping[Slot, Recorded]
) -> dict[Slot, tuple[OpenLoan, ...]]:
    """The loans still out, newest first: the last ones whose principals make up what is owed.

    A few suffice nearly always; only slots for which they do not are asked for more.
    """
    owing = [slot for slot in slots if slot in recorded and recorded[slot].principal > 0]
    found: dict[Slot, tuple[OpenLoan, ...]] = {}
    for most in (FEW_OPEN_LOANS, MOST_OPEN_LOANS):
        for first in range(0, len(owing), MOST_AT_ONCE):
            some = owing[first : first + MOST_AT_ONCE]
            for slot, loans in _newest_loans(some, recorded, most=most).items():
                found[slot] = tuple(loans)
        owing = [slot for slot in owing if len(found.get(slot, ())) >= most]
    return found


def _newest_loans(
    slots: Sequence[Slot], recorded: Mapping[Slot, Recorded], *, most: int
) -> dict[Slot, list[OpenLoan]]:
    """Of each slot the newest loans, until what is owed is reached. One query."""
    members = [
        BorrowRecord.objects.filter(principal__isnull=False, **slot._asdict()) for slot in slots
    ]
    # Loans of one second are in the order of the exchange's ids, as in every replay.
    newest = keyset.first_of_each(members, "-at", "-record_id", limit=most)
    left = {slot: recorded[slot].principal for slot in slots}
    found: dict[Slot, list[OpenLoan]] = {}
    columns = (*Slot._fields, "uuid", "at", "principal", "daily_rate")
    for *names, uuid, at, principal, daily_rate in newest.values_list(*columns):
        slot = Slot(*names)
        if left[slot] <= 0:
            continue
        out = min(left[slot], principal)
        left[slot] = exact.minus(left[slot], out)
        found.setdefault(slot, []).append(OpenLoan(uuid, at, principal, daily_rate, out))
    return found


def _moving(accounts: Sequence[Account], now: datetime) -> set[Slot]:
    """Slots with an instruction that is open, or settled a few minutes ago."""
    recent = Q(state__in=OPEN) | Q(settled_at__gte=now - CATCHING_UP)
    rows = Instruction.objects.filter(recent, account__in=accounts)
    return {Slot(*row) for row in rows.values_list("account_id", "symbol", "currency")}


def _gaps(accounts: Sequence[Account], symbols: set[str]) -> dict[tuple[UUID, str], LikelyGap]:
    """Where a missing record is likely to be, per account and pair: in a named gap, else in a list
    that was not read to its end or back to its start.
    """
    found: dict[tuple[UUID, str], LikelyGap] = {}
    rows = Coverage.objects.filter(account__in=accounts, symbol__in=symbols)
    for row in rows.prefetch_related("gaps"):
        key, kind = (row.account_id, row.symbol), row.get_kind_display().lower()
        for gap in row.gaps.all():
            found[key] = LikelyGap(kind, gap.starts_at, gap.ends_at)
        if row.complete_to is None:
            found.setdefault(key, LikelyGap(kind))
        elif row.complete_from is not None:
            found.setdefault(key, LikelyGap(kind, ends_at=row.complete_from))
    return found
