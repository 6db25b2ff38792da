"""The replay gives what was really charged: the captured charges, the paper exchange's books."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans import exact, replay
from loans.paper import interest as paper
from loans.repaying import Repayment, Repayments
from loans.replay import Basis, Hours, Label, Loan, RateFrom, Told, VenueRates

START = datetime(2026, 3, 1, 6, 40, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIVE_RATE = Decimal("0.00055")
RATES = st.sampled_from([Decimal(text) for text in ("0.0003", "0.00055", "0.0006", "0.001")])
AMOUNTS = st.decimals(min_value="0.00000001", max_value="99999999999.12345678", places=8)


def loan(principal: str | None = "20", *, key: str = "A", at: datetime = START) -> Loan:
    return Loan(key, at, None if principal is None else Decimal(principal), LIVE_RATE)


def told(*figures: tuple[timedelta, str]) -> list[Told]:
    return [Told(START + after, Decimal(interest)) for after, interest in figures]


def sum_of(charges: Iterable[replay.Charge]) -> Decimal:
    return exact.total(charge.amount for charge in charges)


def place(loans: list[Loan], repayments: list[Repayment]) -> tuple[dict, Decimal]:
    """What was repaid of each loan, and what found none."""
    queue = Repayments(sorted(repayments, key=lambda one: (one.at, one.key)))
    in_order = sorted(loans, key=lambda one: (one.at, one.key))
    return {one.key: queue.pay(one) for one in in_order}, queue.finish()


@pytest.mark.parametrize(
    ("principal", "charge"), [("15", "0.00034374"), ("20", "0.00045833"), ("100", "0.00229166")]
)
@pytest.mark.parametrize("hours", list(Hours))
def test_the_captured_charges_are_replayed(principal: str, charge: str, hours: Hours) -> None:
    seconds_later = START + timedelta(seconds=8)

    made = replay.charges(loan(principal), (), hours=hours, until=seconds_later)

    assert [one.amount for one in made] == [Decimal(charge)]


def test_the_two_readings_part_at_the_full_hour() -> None:
    until = START + timedelta(minutes=25)

    by_clock = list(replay.charges(loan(), (), hours=Hours.CLOCK, until=until))
    by_loan = list(replay.charges(loan(), (), hours=Hours.ANNIVERSARY, until=until))

    assert [len(by_clock), len(by_loan)] == [2, 1]
    assert by_clock[1].at == datetime(2026, 3, 1, 7, tzinfo=UTC)


def test_a_loan_taken_on_the_full_hour_is_not_charged_twice() -> None:
    full = datetime(2026, 3, 1, 7, tzinfo=UTC)

    assert replay.next_charge(full, hours=Hours.CLOCK, after=full) == full + HOUR


def test_repayments_pay_the_oldest_loan_first_and_only_loans_taken_by_then() -> None:
    loans = [loan("10", key="A"), loan("10", key="B", at=START + HOUR)]
    repayments = [
        Repayment("R1", START + timedelta(minutes=30), Decimal(4)),
        Repayment("R2", START + 2 * HOUR, Decimal(9)),
    ]

    parts, left_over = place(loans, repayments)

    assert [(part.repayment, part.principal) for part in parts["A"]] == [
        ("R1", Decimal(4)),
        ("R2", Decimal(6)),
    ]
    assert [part.principal for part in parts["B"]] == [Decimal(3)]
    assert left_over == 0


def test_a_repayment_that_finds_no_loan_is_left_over() -> None:
    _, left_over = place([loan("10")], [Repayment("R", START - HOUR, Decimal(4))])

    assert left_over == Decimal(4)


def test_a_repaid_loan_is_charged_no_more() -> None:
    parts, _ = place([loan()], [Repayment("R", START + 3 * HOUR, Decimal(20))])

    made = replay.charges(loan(), parts["A"], hours=Hours.ANNIVERSARY, until=START + 90 * HOUR)

    assert len(list(made)) == 4


def test_a_figure_told_late_or_early_within_the_booking_time_agrees() -> None:
    figures = told((timedelta(seconds=2), "0"), (HOUR + timedelta(seconds=90), "0.00045833"))

    assert replay.compare(loan(), (), told=figures).label is Label.AGREES


def test_a_loan_that_is_not_charged_on_is_seen_to_differ() -> None:
    figures = told((timedelta(seconds=8), "0.00045833"), (5 * HOUR, "0.00045833"))

    verdict = replay.compare(loan(), (), told=figures)

    assert verdict.label is Label.DIFFERS
    assert verdict.difference == Decimal("0.00045833") * -4


def test_a_difference_that_a_gap_may_explain_is_not_blamed() -> None:
    verdict = replay.compare(loan(), (), told=told((HOUR, "7")), doubt="The rates were not seen.")

    assert verdict.label is Label.CANNOT_TELL
    assert verdict.reason == "The rates were not seen."


def test_a_fall_to_zero_is_a_change_of_story_and_no_charge() -> None:
    figures = told((timedelta(seconds=8), "0.00045833"), (9 * HOUR, "0"))

    assert replay.compare(loan(), (), told=figures).label is Label.AGREES


@pytest.mark.parametrize("principal", [None, "20"])
def test_nothing_told_is_nothing_to_agree_with(principal: str | None) -> None:
    assert replay.compare(loan(principal), (), told=[]).label is Label.CANNOT_TELL


def test_a_rate_that_stayed_while_the_venues_moved_is_found() -> None:
    rates = [RateFrom(START + timedelta(minutes=90), Decimal("0.001"))]
    figures = told((2 * HOUR + timedelta(minutes=30), str(Decimal("0.00045833") * 3)))

    verdict = replay.compare(loan(), (), told=figures, rates=VenueRates(rates))

    assert verdict.label is Label.AGREES
    assert verdict.ways == (replay.Way(Hours.ANNIVERSARY, Basis.BORROW),)


@dataclass
class Step:
    minutes: int
    share: int
    rate: Decimal


STEPS = st.lists(
    st.builds(
        Step,
        minutes=st.integers(min_value=1, max_value=400),
        share=st.integers(min_value=0, max_value=100),
        rate=RATES,
    ),
    max_size=12,
)


def ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(principal=AMOUNTS, steps=STEPS, hours=st.sampled_from(list(Hours)))
def test_the_replay_agrees_with_the_paper_exchanges_books(
    principal: Decimal, steps: list[Step], hours: Hours
) -> None:
    """Rates move and parts are repaid at any minute; the books and the replay stay one."""
    rates = [RateFrom(START, LIVE_RATE)]
    book = paper.Loan(
        id=1,
        account=1,
        symbol="BTC_USDT",
        currency="USDT",
        answer_id="",
        record_id="A",
        principal=principal,
        outstanding=principal,
        charged=Decimal(0),
        paid=Decimal(0),
        daily_rate=LIVE_RATE,
        opened_ms=ms(START),
        charged_until_ms=ms(START) - 1,
        closed_ms=None,
        visible_ms=ms(START),
    )

    def rate_at(symbol: str, currency: str, at_ms: int) -> Decimal:
        return next(one.daily_rate for one in reversed(rates) if ms(one.at) <= at_ms)

    at, repayments, numbers = START, [], count()
    for step in steps:
        at += timedelta(minutes=step.minutes)
        paper.accrue(book, ms(at), rate_at=rate_at, hours=hours.name.lower())
        part = exact.times(book.outstanding, Decimal(step.share)) / 100
        part = part.quantize(Decimal("1e-8"), rounding="ROUND_DOWN")
        if part:
            repayments.append(Repayment(f"R{next(numbers)}", at, part))
            book.outstanding = exact.minus(book.outstanding, part)
            book.closed_ms = None if book.outstanding else ms(at)
        rates.append(RateFrom(at + timedelta(seconds=1), step.rate))
    end = at + 5 * HOUR
    paper.accrue(book, ms(end), rate_at=rate_at, hours=hours.name.lower())
    own = Loan("A", START, principal, LIVE_RATE)
    parts, _ = place([own], repayments)

    made = replay.charges(own, parts["A"], hours=hours, until=end, rates=VenueRates(rates))

    assert sum_of(made) == book.charged
    assert replay.outstanding(own, parts["A"], at=end) == book.outstanding


@given(st.lists(st.tuples(AMOUNTS, st.integers(0, 500), st.booleans()), max_size=30))
def test_no_principal_is_lost_when_repayments_are_placed(
    rows: list[tuple[Decimal, int, bool]],
) -> None:
    loans, repayments = [], []
    for number, (amount, minutes, is_loan) in enumerate(rows):
        at = START + timedelta(minutes=minutes)
        if is_loan:
            loans.append(Loan(f"L{number}", at, amount, LIVE_RATE))
        else:
            repayments.append(Repayment(f"R{number}", at, amount))

    parts, left_over = place(loans, repayments)

    paid = exact.total(part.principal for found in parts.values() for part in found)
    assert exact.plus(paid, left_over) == exact.total(one.principal for one in repayments)
    for one in loans:
        left = replay.outstanding(one, parts[one.key], at=START + 10**4 * HOUR)
        assert 0 <= left <= (one.principal or 0)
