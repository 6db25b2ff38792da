"""The story of one loan: what it was, what it cost by our replay and by the exchange's word, what
was repaid of it, what the exchange said of it over time, and which instruction caused it.

Reads only. Replays on demand; the arithmetic is `loans.replay`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from loans import exact, interest, replay
from loans.bitmart.readers import read_borrow_record
from loans.bitmart.rows import BadRow
from loans.models import (
    BorrowRecord,
    Instruction,
    Kind,
    Observation,
    RateChange,
    RepayRecord,
    Terms,
)

# A slot with more rows than this is not replayed while somebody waits for a page.
MOST_REPLAYED = 20_000
# A new rate is first seen this long after it began, at most, while the pairs are read each minute.
SEEN_LATE = timedelta(minutes=2)
TOO_MANY = "Too many loans share this balance to place the repayments while a page waits."
UNKNOWN_BESIDE = "Another loan here has no known principal: repayments may have paid that one."
LOAN_MISSING = "More was repaid here than the records show as borrowed: a loan is missing."


@dataclass(frozen=True, slots=True)
class Said:
    """What the exchange said of the loan at one time. None: it said nothing, or null."""

    at: datetime
    principal: Decimal | None
    interest: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything about one loan, as of `now`."""

    record: BorrowRecord
    now: datetime
    instruction: Instruction | None
    terms: Terms | None
    parts: tuple[replay.Part, ...]
    repayments: dict[str, RepayRecord]
    said: tuple[Said, ...]
    verdict: replay.Verdict
    hours: replay.Hours
    charges: tuple[replay.Charge, ...]
    is_placed: bool = True

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
        return exact.total(charge.amount for charge in self.charges)

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
    """Gather the story of a loan. A fixed number of queries."""
    loan = _loan(record)
    slot = {"account_id": record.account_id, "symbol": record.symbol, "currency": record.currency}
    terms = _terms(record)
    said = tuple(_said(record))
    told = [replay.Told(one.at, one.interest) for one in said if one.interest is not None]
    lent = list(BorrowRecord.objects.filter(**slot)[: MOST_REPLAYED + 1])
    repaid = list(RepayRecord.objects.filter(**slot)[: MOST_REPLAYED + 1])
    placed, doubt = _placed(lent, repaid)
    rates = _rates(terms, now)
    parts = placed.parts[loan.key] if placed else ()
    doubt = doubt or _rate_doubt(loan, rates, now)
    verdict = (
        replay.compare(loan, parts, told=told, rates=rates, doubt=doubt)
        if placed
        else replay.Verdict(replay.Label.CANNOT_TELL, doubt)
    )
    hours = verdict.fits[0] if verdict.fits else replay.Hours.ANNIVERSARY
    used = () if verdict.fixed_rate else rates
    return Story(
        record=record,
        now=now,
        instruction=Instruction.objects.filter(borrow_record=record).first(),
        terms=terms,
        parts=parts,
        repayments={one.record_id: one for one in repaid},
        said=said,
        verdict=verdict,
        hours=hours,
        charges=tuple(replay.charges(loan, parts, hours=hours, until=now, rates=used)),
        is_placed=placed is not None,
    )


def ledger(story: Story) -> Iterator[tuple[replay.Hours, int, replay.Charge, Decimal]]:
    """Every charge with its number and the sum so far, under each reading that is still open."""
    loan = _loan(story.record)
    rates = () if story.verdict.fixed_rate else _rates(story.terms, story.now)
    for hours in story.verdict.fits or tuple(replay.Hours):
        so_far = exact.ZERO
        made = replay.charges(loan, story.parts, hours=hours, until=story.now, rates=rates)
        for number, charge in enumerate(made, start=1):
            so_far = exact.plus(so_far, charge.amount)
            yield hours, number, charge, so_far


def _loan(record: BorrowRecord) -> replay.Loan:
    return replay.Loan(record.record_id, record.at, record.principal, record.daily_rate)


def _placed(
    lent: Sequence[BorrowRecord], repaid: Sequence[RepayRecord]
) -> tuple[replay.Placed | None, str]:
    """Where the slot's repayments went, and why that may be wrong."""
    if max(len(lent), len(repaid)) > MOST_REPLAYED:
        return None, TOO_MANY
    placed = replay.place(
        map(_loan, lent),
        [replay.Repayment(one.record_id, one.at, one.principal) for one in repaid],
    )
    if any(record.principal is None for record in lent):
        return placed, UNKNOWN_BESIDE
    if placed.left_over > 0:
        return placed, LOAN_MISSING
    return placed, ""


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


def _rates(terms: Terms | None, now: datetime) -> list[replay.RateFrom]:
    """Every rate the venue was seen to ask on this side, oldest first."""
    if terms is None:
        return []
    rows = RateChange.objects.filter(market=terms.market, side=terms.side, at__lte=now)
    return [
        replay.RateFrom(*row) for row in rows.order_by("at", "id").values_list("at", "daily_rate")
    ]


def _rate_doubt(loan: replay.Loan, rates: Sequence[replay.RateFrom], now: datetime) -> str:
    """Why the rates of the loan's hours are not known for sure; empty where they are."""
    if not rates or rates[0].at > loan.at:
        return "The rates of a part of its time were not seen."
    for rate in rates:
        if rate.at <= loan.at:
            continue
        for hours in replay.Hours:
            if replay.next_charge(loan.at, hours=hours, after=rate.at - SEEN_LATE) <= rate.at:
                return "The rate changed within two minutes of a charge."
    return ""


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
        yield Said(seen_at, read.principal, read.interest)
