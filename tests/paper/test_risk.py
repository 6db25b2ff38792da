"""What may be borrowed, the risk rate, and the price of liquidation."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loans.paper import risk
from loans.paper.risk import Position


def position(base: str, quote: str, base_debt: str = "0", quote_debt: str = "0") -> Position:
    return Position(*map(Decimal, (base, quote, base_debt, quote_debt)), price=Decimal(20_000))


def test_without_debt_the_rate_is_the_sentinel_and_there_is_no_price() -> None:
    free = position("1", "100")

    assert risk.rate_text(free) == "999.00"
    assert risk.level(free, Decimal("1.15")) == "1"
    assert risk.liquidate_price(free, Decimal("1.15")) is None


def test_both_sides_may_borrow_equity_times_leverage_less_one() -> None:
    assert risk.borrowable_value(position("0", "33.78"), 5) == Decimal("135.12")


def test_what_is_owed_lowers_what_may_be_borrowed() -> None:
    assert risk.borrowable_value(position("0", "1100", quote_debt="1000"), 5) == Decimal("-0") + 0
    assert risk.borrowable_value(position("0", "1500", quote_debt="1000"), 5) == 1000


@pytest.mark.parametrize(
    ("assets", "rate", "level"),
    [("1600", "1.60", "1"), ("1300", "1.30", "2"), ("1200", "1.20", "3")],
)
def test_the_rate_is_assets_over_debt_and_the_level_follows_it(
    assets: str, rate: str, level: str
) -> None:
    owing = position("0", assets, quote_debt="1000")

    assert risk.rate_text(owing) == rate
    assert risk.level(owing, Decimal("1.15")) == level


amounts = st.decimals("0.00000001", "1000000", places=8)


@given(base=amounts, quote=amounts, base_debt=amounts, quote_debt=amounts)
def test_at_the_price_of_liquidation_the_rate_is_the_liquidation_rate(
    base: Decimal, quote: Decimal, base_debt: Decimal, quote_debt: Decimal
) -> None:
    limit = Decimal("1.15")
    price = risk.liquidate_price(
        Position(base, quote, base_debt, quote_debt, Decimal(20_000)), limit
    )

    if price is None:
        assert base == limit * base_debt
    elif price > 1:
        there = risk.rate(Position(base, quote, base_debt, quote_debt, price))
        slope = abs(base - limit * base_debt) / (base_debt * price + quote_debt)
        assert there is not None
        assert abs(there - limit) <= slope * Decimal("0.00000002") + Decimal("1e-20")
