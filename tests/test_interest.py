"""Interest as the exchange charges it, to the last digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans import interest

DAILY = Decimal("0.00055")
START = datetime(2026, 11, 1, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("principal", "charge"), [("15", "0.00034374"), ("20", "0.00045833"), ("100", "0.00229166")]
)
def test_the_captured_charges_are_reproduced(principal: str, charge: str) -> None:
    assert interest.hourly_charge(Decimal(principal), DAILY) == Decimal(charge)


@pytest.mark.parametrize(
    ("after", "hours"),
    [
        (timedelta(seconds=-1), 0),
        (timedelta(0), 1),
        (timedelta(minutes=59, seconds=59), 1),
        (timedelta(hours=1), 2),
        (timedelta(days=1), 25),
    ],
)
def test_the_first_hour_starts_with_the_loan(after: timedelta, hours: int) -> None:
    assert interest.started_hours(START, START + after) == hours


def test_one_rate_has_four_faces() -> None:
    assert interest.hourly_rate(DAILY) == Decimal("0.0000229166")
    assert interest.apr(DAILY) == Decimal("0.20075")
    assert interest.apy(DAILY) == Decimal("0.2222517008")
    assert interest.cost(Decimal(1000), DAILY, hours=24) == Decimal("0.54999840")


def test_a_yearly_rate_out_of_all_measure_is_none() -> None:
    assert interest.apy(Decimal("0.05")) > Decimal("54_000_000")
    assert interest.apy(Decimal("0.06")) is None
    assert interest.apy(Decimal("99999999.9999999999999999")) is None


def test_the_documents_invented_rate_is_flagged_and_real_ones_are_not() -> None:
    assert not interest.is_plausible(Decimal("0.05"))
    assert interest.is_plausible(DAILY)


@given(
    st.decimals("0.00000001", "99999999999999999999.99999999", places=8),
    st.decimals("0", "0.05", places=8),
)
def test_a_charge_is_never_above_the_exact_one(principal: Decimal, daily: Decimal) -> None:
    charge = interest.hourly_charge(principal, daily)

    assert charge <= principal * daily / 24
    assert charge == charge.quantize(Decimal("1e-8"))
