"""Charges in runs are the charges of the definition, to the last digit, whatever happens."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loans import charging, exact, replay
from loans.repaying import Repayment, Repayments
from loans.replay import Hours, Loan, RateFrom, VenueRates

START = datetime(2026, 3, 1, 6, 40, 12, 345678, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIVE = json.loads((Path(__file__).parent / "fixtures" / "observed_live.json").read_text())

AMOUNTS = st.decimals(min_value="0.00000001", max_value="999999999999.99999999", places=8)
RATES = st.decimals(min_value="0.00000001", max_value="0.05", places=10)
# Whole hours and minutes are where mistakes at the borders show.
AFTER = st.one_of(
    st.integers(0, 60).map(lambda hours: hours * HOUR),
    st.integers(0, 3600).map(lambda minutes: timedelta(minutes=minutes)),
    st.timedeltas(timedelta(), timedelta(hours=60)),
)
LATE = st.sampled_from([timedelta(), replay.SEEN_LATE])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Loan], list[Repayment], VenueRates]:
    """Loans of one slot, repayments that may pay parts of several of them, rates that move."""
    loans = [
        Loan(f"L{number}", START + after, amount, rate)
        for number, (after, amount, rate) in enumerate(
            draw(st.lists(st.tuples(AFTER, AMOUNTS, RATES), min_size=1, max_size=4))
        )
    ]
    shares = st.integers(1, 120).map(lambda percent: Decimal(percent) / 100)
    repayments = []
    for number, (after, share) in enumerate(draw(st.lists(st.tuples(AFTER, shares), max_size=6))):
        amount = exact.times(draw(st.sampled_from(loans)).principal, share)
        whole = amount.quantize(Decimal("1e-8"), rounding="ROUND_UP")
        repayments.append(Repayment(f"R{number}", START + after, whole))
    seen = [
        RateFrom(START + after, rate) for after, rate in draw(st.lists(st.tuples(AFTER, RATES)))
    ]
    return (
        sorted(loans, key=lambda one: (one.at, one.key)),
        sorted(repayments, key=lambda one: (one.at, one.key)),
        VenueRates(sorted(seen, key=lambda one: one.at)),
    )


@settings(max_examples=300, deadline=None)
@given(history=histories(), until=AFTER, hours=st.sampled_from(list(Hours)), late=LATE)
def test_runs_are_the_charges_of_the_definition(
    history: tuple, until: timedelta, hours: Hours, late: timedelta
) -> None:
    loans, repayments, rates = history
    queue = Repayments(repayments)
    for loan in loans:
        asked = {"hours": hours, "until": START + until, "rates": rates, "late": late}
        parts = queue.pay(loan)

        defined = list(replay.charges(loan, parts, **asked))
        spans = replay.spans(loan, parts, **asked)

        assert [span.charge(n) for span in spans for n in range(span.count)] == defined
        assert exact.total(span.total for span in spans) == exact.total(
            charge.amount for charge in defined
        )


@settings(max_examples=200, deadline=None)
@given(history=histories(), hours=st.sampled_from(list(Hours)), since=AFTER, width=AFTER)
def test_sums_at_any_instant_are_those_of_the_definition(
    history: tuple, hours: Hours, since: timedelta, width: timedelta
) -> None:
    [loan, *_], repayments, rates = history
    parts, start, end = Repayments(repayments).pay(loan), START + since, START + since + width
    made = charging.runs(
        (
            charging.microseconds(loan.at),
            exact.units(loan.principal),
            charging.hourly_units(loan.daily_rate),
        ),
        [(charging.microseconds(part.at), exact.units(part.principal)) for part in parts],
        by_clock=hours is Hours.CLOCK,
        until=charging.microseconds(START + timedelta(hours=80)),
        rates=rates.units,
    )
    until = START + timedelta(hours=80)
    defined = list(replay.charges(loan, parts, hours=hours, until=until, rates=rates))

    sums = list(
        charging.Sums(made).between(charging.microseconds(start), charging.microseconds(end))
    )

    before = exact.total(charge.amount for charge in defined if charge.at <= start)
    expected = [before]
    for charge in defined:
        if start < charge.at <= end:
            expected.append(exact.plus(expected[-1], charge.amount))
    assert [exact.from_units(value) for value in sums] == expected


def captured() -> list[tuple[str, str]]:
    """Principal and interest of every loan that was captured live with both."""
    rows = [row for seen in LIVE["borrow_records"] for row in seen["rows"]]
    return [
        (row["borrow_amount"], row["interest"]) for row in rows if Decimal(row["interest"] or 0) > 0
    ]


@pytest.mark.parametrize(("principal", "interest"), captured())
def test_every_charge_captured_live_is_one_run_of_one_hour(principal: str, interest: str) -> None:
    daily = Decimal(LIVE["pairs"]["quote"]["daily_interest"])

    [run] = charging.runs(
        (0, exact.units(Decimal(principal)), charging.hourly_units(daily)),
        (),
        by_clock=False,
        until=charging.HOUR - 1,
    )

    assert exact.from_units(run.amount) == Decimal(interest)
    assert run.count == 1


def test_ten_thousand_hours_are_one_run() -> None:
    made = charging.runs(
        (17, 10**22, charging.hourly_units(Decimal("0.00055"))),
        (),
        by_clock=False,
        until=17 + 10_000 * charging.HOUR,
    )

    assert [run.count for run in made] == [1, 10_000]
    assert charging.total(made) == 10_001 * (10**22 * 229166 // 10**10)


@given(st.integers(-(10**30), 10**30).map(lambda whole: exact.from_units(whole)))
def test_units_keep_every_digit(amount: Decimal) -> None:
    assert exact.from_units(exact.units(amount)) == amount


def test_units_refuse_what_they_would_cut() -> None:
    with pytest.raises(ValueError, match="more than 8 places"):
        exact.units(Decimal("0.000000001"))
