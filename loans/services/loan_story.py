"""The story of one loan: what it was, what it cost by our replay and by the exchange's word, what
was repaid of it, what the exchange said of it over time, and which instruction caused it.

Reads only. Replays on demand; the arithmetic is `loans.replay`'s.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from loans import exact, interest, replay
from loans.bitmart.readers import read_borrow_record
from loans.bitmart.rows import BadRow
from loans.models import (
    BorrowRecord,
    Coverage,
    Instruction,
    Kind,
    Observation,
    RepayRecord,
    Terms,
)
from loans.services import record_store
from loans.services.position import Slot
from loans.services.slot_replay import is_longer, loan_of, open_slot

# A slot with more rows than this is not replayed while somebody waits for a page.
MOST_REPLAYED = 20_000
MOST_INTEREST_ONLY = 50
TOO_MANY = "Too many loans share this balance to place the repayments while a page waits."


@dataclass(frozen=True, slots=True)
class Said:
    """What the exchange said of the loan at one time. None: it said nothing, or null.

    `refused`: why it cannot be of this loan, so that it counts for nothing; mostly empty.
    """

    at: datetime
    principal: Decimal | None
    interest: Decimal | None
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything about one loan, as of `now`. `read_at` is when both lists of its pair had been
    read last; None where one never was.

    `interest_only` are repayments of the loan's debt while it was out that paid no principal: which
    of the loans' interest they paid is not told.
    """

    record: BorrowRecord
    now: datetime
    instruction: Instruction | None
    terms: Terms | None
    read_at: datetime | None
    repayments: dict[str, RepayRecord]
    interest_only: tuple[RepayRecord, ...] = ()
    said: tuple[Said, ...]
    verdict: replay.Verdict
    parts: tuple[replay.Part, ...] = ()
    rates: replay.VenueRates = replay.NO_RATES
    spans: tuple[replay.Span, ...] = ()
    is_placed: bool = True

    @property
    def hours(self) -> replay.Hours:
        """By which reading the charges are counted."""
        return self.verdict.way().hours

    @property
    def charges(self) -> replay.Charges:
        """Every charge up to now, made as it is asked for."""
        return replay.Charges(self.spans)

    def charged_by(self, at: datetime) -> tuple[int, Decimal]:
        """How many hours were charged up to an instant, and what they cost."""
        counts = [(span, span.count_by(at)) for span in self.spans]
        cost = exact.total(exact.times(span.amount, Decimal(count)) for span, count in counts)
        return sum(count for _, count in counts), cost

    @property
    def left(self) -> Decimal | None:
        """The principal still out; None where it cannot be told."""
        if self.record.principal is None or not self.is_placed:
            return None
        paid = exact.total(part.principal for part in self.parts)
        return exact.minus(self.record.principal, paid)

    @property
    def closed_at(self) -> datetime | None:
        """When the last of the principal was repaid; None while some is out."""
        return self.parts[-1].at if self.parts and self.left == 0 else None

    @property
    def replayed(self) -> Decimal | None:
        """What all started hours cost by the replay; None where it cannot be told."""
        if self.record.principal is None or not self.is_placed:
            return None
        return exact.total(span.total for span in self.spans)

    @property
    def next_charge_at(self) -> datetime | None:
        """When the next hour is charged; only where the figures have decided between readings."""
        if self.left in (None, 0) or len(self.verdict.fits) != 1:
            return None
        return replay.next_charge(self.record.at, hours=self.hours, after=self.now)

    @property
    def next_charge(self) -> Decimal | None:
        """What the next hour will cost at the rate of now."""
        if not self.left:
            return None
        rate = self.terms.daily_rate if self.terms else self.record.daily_rate
        return interest.hourly_charge(self.left, rate)

    @property
    def cost_per_day(self) -> Decimal | None:
        """What 24 hours cost at the rate of now."""
        charge = self.next_charge
        return None if charge is None else charge * interest.HOURS_PER_DAY


def tell(record: BorrowRecord, *, now: datetime) -> Story:
    """Gather the story of a loan. As many queries as its slot has thousands of rows, and a few."""
    said = tuple(_said(record))
    told = [
        replay.Told(one.at, one.interest)
        for one in said
        if one.interest is not None and not one.refused
    ]
    slot = Slot(record.account_id, record.symbol, record.currency)
    books, paid = None, None
    if not is_longer(slot, MOST_REPLAYED):
        books = open_slot(slot, venue=record.account.venue, now=now)
        paid = books.one(record)
    found = {
        "verdict": replay.Verdict(replay.Label.CANNOT_TELL, TOO_MANY),
        "is_placed": False,
    }
    if books and paid:
        verdict = books.verdict(paid, told)
        found = {
            "parts": paid.parts,
            "rates": books.rates,
            "verdict": verdict,
            "spans": tuple(books.spans(paid, verdict)),
        }
    parts = paid.parts if paid else ()
    return Story(
        record=record,
        now=now,
        instruction=Instruction.objects.filter(borrow_record=record).first(),
        terms=_terms(record),
        read_at=_read_at(record),
        repayments=_repayments(record, parts),
        interest_only=_interest_only(slot, record, parts, now) if paid else (),
        said=said,
        **found,
    )


def ledger(story: Story) -> Iterator[tuple[replay.Hours, int, replay.Charge, Decimal]]:
    """Every charge with its number and the sum so far, under each reading that is still open.

    Nothing where the repayments could not be placed: charges without them would be wrong.
    """
    if not story.is_placed:
        return
    loan = loan_of(story.record)
    for way in story.verdict.ways or [replay.Way(hours) for hours in replay.Hours]:
        rates, late = way.basis.choose(story.rates)
        so_far = exact.ZERO
        made = replay.charges(
            loan, story.parts, hours=way.hours, until=story.now, rates=rates, late=late
        )
        for number, charge in enumerate(made, start=1):
            so_far = exact.plus(so_far, charge.amount)
            yield way.hours, number, charge, so_far


def _repayments(record: BorrowRecord, parts: Iterable[replay.Part]) -> dict[str, RepayRecord]:
    """The records of the repayments that paid the loan."""
    ids = [part.repayment for part in parts]
    paid_by = RepayRecord.objects.filter(account_id=record.account_id, record_id__in=ids)
    return {one.record_id: one for one in paid_by}


def _interest_only(
    slot: Slot, record: BorrowRecord, parts: Sequence[replay.Part], now: datetime
) -> tuple[RepayRecord, ...]:
    """The newest repayments of the debt without principal, from the borrow to the last part."""
    end = replay.closed_at(loan_of(record), parts) or now
    span = RepayRecord.objects.filter(**slot._asdict(), at__gte=record.at, at__lte=end)
    return tuple(span.filter(principal=0).order_by("-at", "-id")[:MOST_INTEREST_ONLY])


def _terms(record: BorrowRecord) -> Terms | None:
    return (
        Terms.objects.filter(
            market__venue=record.account.venue,
            market__symbol=record.symbol,
            currency=record.currency,
        )
        .select_related("market")
        .first()
    )


def _read_at(record: BorrowRecord) -> datetime | None:
    lists = Coverage.objects.filter(account_id=record.account_id, symbol=record.symbol)
    checks = list(lists.values_list("checked_at", flat=True))
    return None if None in checks or len(checks) < len(Kind) else min(checks)


def _said(record: BorrowRecord) -> Iterator[Said]:
    """What the exchange said, oldest first, as far as it can be read."""
    rows = Observation.objects.filter(
        account_id=record.account_id, kind=Kind.BORROW, record_id=record.record_id
    )
    for seen_at, body in rows.order_by("id").values_list("seen_at", "body"):
        try:
            read = read_borrow_record(body)
        except BadRow:
            continue
        refused = record_store.impossible(record, read)
        yield Said(seen_at, read.principal, read.interest, refused)
