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


def test_where_something_is_in_doubt_only_the_last_digit_agrees() -> None:
    exact, near = told((HOUR, "0.00091666")), told((HOUR, "0.00091667"))

    for figures, doubt, label in (
        (exact, "", Label.AGREES),
        (exact, "The rates were not seen.", Label.AGREES),
        (near, "", Label.AGREES),
        (near, "The rates were not seen.", Label.CANNOT_TELL),
    ):
        verdict = replay.compare(loan(), (), told=figures, doubt=doubt)
        assert verdict.label is label
        assert verdict.difference == (None if figures is exact else Decimal("1e-8"))


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


@pytest.mark.parametrize("hours", list(Hours))
@pytest.mark.parametrize("lag", [timedelta(), replay.BOOKING_LAG - timedelta(seconds=1)])
def test_a_charge_may_be_booked_some_minutes_late(hours: Hours, lag: timedelta) -> None:
    """Until then the figure is that of the hour before; afterwards it is behind."""
    due = replay.next_charge(START, hours=hours, after=START + HOUR)
    before = sum_of(replay.charges(loan(), (), hours=hours, until=due - timedelta(seconds=1)))

    in_time = replay.compare(loan(), (), told=[Told(due + lag, before)])
    late = replay.compare(loan(), (), told=[Told(due + replay.BOOKING_LAG, before)])

    assert hours in in_time.fits
    assert hours not in late.fits


def test_a_clock_of_ours_that_is_behind_is_no_difference() -> None:
    figures = told((HOUR - timedelta(seconds=8), str(Decimal("0.00045833") * 2)))

    assert Hours.ANNIVERSARY in replay.compare(loan(), (), told=figures).fits


def test_a_hundred_millionth_off_agrees_and_two_differ() -> None:
    def label(interest: str) -> Label:
        return replay.compare(loan(), (), told=told((timedelta(minutes=9), interest))).label

    assert label("0.00045834") is label("0.00045832") is Label.AGREES
    assert label("0.00045835") is label("0.00045831") is Label.DIFFERS


def test_the_way_that_meets_every_digit_comes_before_one_that_is_off_by_the_least() -> None:
    """At one hundred-millionth an hour both readings agree, and only one is exact."""
    small = loan("0.0005")  # 0.00000001 an hour

    verdict = replay.compare(small, (), told=told((timedelta(minutes=40), "0.00000002")))

    assert verdict.fits == (Hours.CLOCK, Hours.ANNIVERSARY)
    assert verdict.way().hours is Hours.CLOCK
    assert verdict.way(Hours.ANNIVERSARY).hours is Hours.ANNIVERSARY


@pytest.mark.parametrize(
    ("seen_after", "basis"),
    [(timedelta(seconds=40), Basis.EARLIER), (timedelta(minutes=10), Basis.SEEN)],
)
def test_a_rate_may_have_begun_before_it_was_seen(seen_after: timedelta, basis: Basis) -> None:
    rates = VenueRates([RateFrom(START + HOUR + seen_after, Decimal("0.0011"))])
    second = Decimal("0.00091666") if basis is Basis.EARLIER else Decimal("0.00045833")
    figures = told((HOUR + timedelta(minutes=9), str(Decimal("0.00045833") + second)))

    verdict = replay.compare(loan(), (), told=figures, rates=rates)

    assert replay.Way(Hours.ANNIVERSARY, basis) in verdict.ways


def test_a_repayment_pays_interest_first_and_then_the_oldest_loan() -> None:
    """As the exchange splits it, so it is placed: only its principal takes loans down."""
    books = [
        paper.Loan(
            *(number, 1, "BTC_USDT", "USDT", "", f"{number}"),
            *(Decimal(10), Decimal(10), Decimal(2), Decimal(0), LIVE_RATE),
            *(ms(START) + number, ms(START) + number, None, ms(START)),
        )
        for number in range(2)
    ]
    split = paper.split(Decimal(17), books)
    principal = exact.total(part.principal for part in split)

    parts, _ = place(
        [loan("10", key=str(n), at=START + timedelta(milliseconds=n)) for n in range(2)],
        [Repayment("R", START + HOUR, principal)],
    )

    assert exact.total(part.interest for part in split) == 4
    assert [exact.total(part.principal for part in parts[str(n)]) for n in range(2)] == [
        part.principal for part in split
    ]


def test_single_charges_are_found_in_their_spans() -> None:
    rates = VenueRates([RateFrom(START + 3 * HOUR, Decimal("0.001"))])
    asked = {"hours": Hours.CLOCK, "until": START + 9 * HOUR, "rates": rates}
    defined = list(replay.charges(loan(), (), **asked))

    found = replay.Charges(replay.spans(loan(), (), **asked))

    assert list(found) == defined
    assert len(found) == len(defined)
    assert [found[n] for n in range(-len(defined), len(defined))] == [*defined, *defined]
    assert found[: -4 - 1 : -1] == defined[: -4 - 1 : -1]
    with pytest.raises(IndexError):
        found[len(defined)]
