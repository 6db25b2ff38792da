"""The loans of one slot (account, pair, currency), what was repaid of each and what the exchange
told of its interest, in order of time and in constant memory: what every replay starts from.

Reads only. A replay is of an instant: nothing later than `now` counts, so the same instant gives
the same digits again.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT
from redis import RedisError

from loans import exact, replay
from loans.bitmart import rows
from loans.fields import ExactSum
from loans.models import BorrowRecord, Coverage, Kind, Observation, RepayRecord
from loans.repaying import Repayment, Repayments
from loans.replay import NO_RATES, Hours, Loan, Part, Span, Told, VenueRates
from loans.services.balances import telling_of
from loans.services.coverage import is_unread
from loans.services.position import Slot
from loans.services.seen_rates import seen_rates

logger = logging.getLogger(__name__)

CHUNK = 1_000
REMEMBERED_SECONDS = 24 * 3600
SECOND = timedelta(seconds=1)
UNKNOWN_BESIDE = "Another loan here has no known principal: repayments may have paid that one."
LOAN_MISSING = "More was repaid here than the records show as borrowed: a loan is missing."
UNREAD = "Not every list of this pair was read yet: a repayment may be missing."
RATES_UNSEEN = "The rates of a part of its time were not seen."
RATE_CLOSE = "The rate changed within two minutes of a charge."
REPAID_CLOSE = "It was repaid within a second of a charge, and the records tell whole seconds."
LOAN_COLUMNS = ("record_id", "at", "principal", "daily_rate")


@dataclass(frozen=True, slots=True)
class Paid:
    """One loan as recorded (the columns asked for, by name), and what was repaid of it."""

    row: Any
    loan: Loan
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class SlotReplay:
    """Replays one slot as of `now`. `doubt`: why its repayments may have paid another loan."""

    slot: Slot
    now: datetime
    rates: VenueRates
    doubt: str = ""

    def paid(self, *columns: str) -> Iterator[Paid]:
        """Every loan, oldest first, with its repayments and these columns besides."""
        queue = Repayments(_repayments(_made(self.slot, self.now)))
        lent = _lent(self.slot, self.now)
        for row in _in_order(lent, (*LOAN_COLUMNS, *columns)):
            loan = loan_of(row)
            yield Paid(row, loan, queue.pay(loan))

    def one(self, record: BorrowRecord) -> Paid:
        """One loan with its repayments, without going through those before it.

        What was borrowed before it less what was repaid before it is what older loans still owe,
        and repayments since then pay that first; not so where a loan is missing or unknown.
        """
        loan = loan_of(record)
        if self.doubt:
            found = (one for one in self.paid() if one.loan.key == loan.key)
            return next(found, Paid(record, loan, ()))  # the exchange's clock may be ahead
        lent, made = _lent(self.slot, self.now), _made(self.slot, self.now)
        older = Q(at__lt=loan.at) | Q(at=loan.at, record_id__lt=loan.key)
        borrowed = lent.filter(Q(at__lte=loan.at) & older).aggregate(sum=ExactSum("principal"))
        repaid = made.filter(at__lt=loan.at).aggregate(sum=ExactSum("principal"))
        owed = exact.minus(borrowed["sum"] or exact.ZERO, repaid["sum"] or exact.ZERO)
        queue = Repayments(_repayments(made.filter(at__gte=loan.at)))
        queue.pay(Loan("", loan.at, owed, loan.daily_rate))
        return Paid(record, loan, queue.pay(loan))

    def verdict(self, one: Paid, told: Sequence[Told]) -> replay.Verdict:
        """How the replay of a loan and what was told of it compare."""
        found = replay.compare(one.loan, one.parts, told=told, rates=self.rates, doubt=self.doubt)
        if found.label is replay.Label.CANNOT_TELL:
            return found
        if found.difference is None:  # what was charged until then is told, to the last digit
            doubt = _second_doubt(one, replay.rising(told)[-1].at - replay.BOOKING_LAG)
        else:
            doubt = self._rate_doubt(one) or _second_doubt(one, one.loan.at)
        if not doubt:
            return found
        return replay.Verdict(replay.Label.CANNOT_TELL, doubt, difference=found.difference)

    def spans(self, one: Paid, verdict: replay.Verdict) -> list[Span]:
        """The charges of a loan up to now, by the reading that fits it best."""
        way = verdict.way()
        rates, late = way.basis.choose(self.rates)
        return replay.spans(
            one.loan, one.parts, hours=way.hours, until=self.now, rates=rates, late=late
        )

    def cost(
        self, one: Paid, verdict: replay.Verdict, *, prefer: Hours | None = None
    ) -> tuple[Decimal, int]:
        """What they add up to, and how many there are; by `prefer` where several readings fit."""
        way = verdict.way(prefer)
        rates, late = way.basis.choose(self.rates)
        return replay.cost(
            one.loan, one.parts, hours=way.hours, until=self.now, rates=rates, late=late
        )

    def _rate_doubt(self, one: Paid) -> str:
        """Why the rates of the loan's hours are not known for sure; empty where they are."""
        loan, seen = one.loan, self.rates.seen
        if not seen or seen[0].at > loan.at:
            return RATES_UNSEEN
        end = (replay.closed_at(loan, one.parts) or self.now) + replay.SEEN_LATE
        later = (rate.at for rate in seen if loan.at < rate.at <= end)
        is_close = any(_is_charged(loan, at - replay.SEEN_LATE, at) for at in later)
        return RATE_CLOSE if is_close else ""


def open_slot(slot: Slot, *, venue: str, now: datetime) -> SlotReplay:
    """A slot ready to be replayed: its rates are read, its history is gone through once."""
    rates = seen_rates(venue, [slot.symbol], until=now).get((slot.symbol, slot.currency), NO_RATES)
    return SlotReplay(slot, now, rates, _doubt(slot, now) or _unread(slot))


def unread_pairs(slots: Iterable[Slot]) -> set[tuple[UUID, str]]:
    """The account and pair of each of these slots of which not every list was read. Two queries."""
    pairs = {(slot.account_id, slot.symbol) for slot in slots}
    accounts, symbols = ({pair[n] for pair in pairs} for n in range(2))
    lists = Coverage.objects.filter(account_id__in=accounts, symbol__in=symbols)
    unread = filter(is_unread, lists.prefetch_related("gaps"))
    return pairs & {(one.account_id, one.symbol) for one in unread}


def loan_of(row: Any) -> Loan:
    """A record as the replay takes it."""
    return Loan(row.record_id, row.at, row.principal, row.daily_rate)


def is_longer(slot: Slot, rows: int) -> bool:
    """Whether a slot has more loans or more repayments than so many."""
    return any(
        model.objects.filter(**slot._asdict()).order_by()[rows : rows + 1].exists()
        for model in (BorrowRecord, RepayRecord)
    )


def remember(key: str, found: Any, *, seconds: int) -> None:
    """Keep something in the shared cache; without it nothing is kept."""
    try:
        cache.set(key, found, seconds)
    except RedisError as exc:
        logger.warning("%s is not remembered: %s", key, type(exc).__name__)


def slots_of(account_id: UUID, *, now: datetime) -> list[Slot]:
    """Every slot of an account with a loan, by pair and currency."""
    lent = BorrowRecord.objects.filter(account_id=account_id, at__lte=now)
    pairs = lent.order_by("symbol", "currency").values_list("symbol", "currency").distinct()
    return [Slot(account_id, *names) for names in pairs]


def told_of(account_id: UUID, ids: Sequence[str], *, now: datetime) -> Mapping[str, list[Told]]:
    """What the exchange told of the interest of each of these loans, oldest first, without what
    was refused because it cannot be of that loan.
    """
    doubted = BorrowRecord.objects.filter(
        account_id=account_id, record_id__in=ids, story_changed=True
    )
    by_id = {loan.record_id: loan for loan in doubted}
    seen = Observation.objects.filter(
        account_id=account_id, kind=Kind.BORROW, seen_at__lte=now
    ).order_by("record_id", "id")
    found: dict[str, list[Told]] = defaultdict(list)
    if by_id:
        bodies = seen.filter(record_id__in=by_id).values_list("record_id", "seen_at", "body")
        for record_id, seen_at, body in bodies:
            said = telling_of(by_id[record_id], seen_at, body)
            if said and said.interest is not None:
                found[record_id].append(Told(seen_at, said.interest))
    figures = seen.filter(record_id__in=[one for one in ids if one not in by_id])
    for record_id, seen_at, figure in figures.values_list(
        "record_id", "seen_at", KT("body__interest_amount")
    ):
        # SQLite writes a JSON null as a word. Rows were read before they were kept, so what else
        # stands there can be read again.
        if figure not in (None, "null"):
            interest = rows.amount({"told": str(figure)}, "told")
            found[record_id].append(Told(seen_at, interest))
    return found


def _lent(slot: Slot, now: datetime) -> QuerySet:
    return BorrowRecord.objects.filter(**slot._asdict(), at__lte=now)


def _made(slot: Slot, now: datetime) -> QuerySet:
    return RepayRecord.objects.filter(**slot._asdict(), at__lte=now)


def _repayments(made: QuerySet) -> Iterator[Repayment]:
    for row in _in_order(made, ("record_id", "at", "principal")):
        yield Repayment(*row)


def _in_order(records: QuerySet, columns: Sequence[str]) -> Iterator[Any]:
    """All rows by time, then by the exchange's id, in runs so that memory stays constant."""
    records = records.order_by("at", "record_id").values_list(*columns, named=True)
    run = list(records[:CHUNK])
    while run:
        yield from run
        last = run[-1]
        beyond = Q(at__gt=last.at) | Q(at=last.at, record_id__gt=last.record_id)
        # The first condition bounds the index scan, the second drops the ties before the id.
        run = list(records.filter(Q(at__gte=last.at) & beyond)[:CHUNK])


def _doubt(slot: Slot, now: datetime) -> str:
    """Why repayments may be placed wrongly, from the whole of the slot's history.

    A known principal never changes, so as long as no row is added the finding holds; it is
    remembered, since it is what takes long.
    """
    lent, made = _lent(slot, now), _made(slot, now)
    if lent.filter(principal__isnull=True).exists():
        return UNKNOWN_BESIDE
    key = "slot-doubt:" + ":".join(map(str, (*slot, lent.count(), made.count())))
    found = cache.get(key)
    if found is None:
        queue = Repayments(_repayments(made))
        for row in _in_order(lent, LOAN_COLUMNS):
            queue.pay(Loan(*row))
        found = LOAN_MISSING if queue.finish() else ""
        remember(key, found, seconds=REMEMBERED_SECONDS)
    return found


def _unread(slot: Slot) -> str:
    """Why records may be missing that will be read."""
    return UNREAD if unread_pairs([slot]) else ""


def _is_charged(loan: Loan, since: datetime, until: datetime) -> bool:
    """Whether an hour is charged in the span, by either reading."""
    return any(replay.next_charge(loan.at, hours=one, after=since) <= until for one in Hours)


def _second_doubt(one: Paid, since: datetime) -> str:
    """Whether cut seconds may have turned a charge since then and a repayment around."""
    if one.loan.at.microsecond:
        return ""
    around = ((part.at - SECOND, part.at + SECOND) for part in one.parts)
    is_close = any(end > since and _is_charged(one.loan, begin, end) for begin, end in around)
    return REPAID_CLOSE if is_close else ""
