"""What a pair's account is worth, what it may still borrow, and when it would be liquidated.

Arithmetic only; all values are in the pair's quote currency.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext

from loans.paper.amounts import EXACT, ZERO, floor8

NO_DEBT = "999.00"
_CENT = Decimal("0.01")
# A rate closer to liquidation than this is high, or medium; the bounds are not documented.
_HIGH_MARGIN = Decimal("0.10")
_MEDIUM_MARGIN = Decimal("0.35")


@dataclass(frozen=True, slots=True)
class Position:
    """Assets and debts of one pair, and the price of its base."""

    base_assets: Decimal
    quote_assets: Decimal
    base_debt: Decimal
    quote_debt: Decimal
    price: Decimal

    @property
    def assets(self) -> Decimal:
        """Everything in the account, borrowed coins included."""
        return EXACT.fma(self.base_assets, self.price, self.quote_assets)

    @property
    def debt(self) -> Decimal:
        """Principal and interest owed."""
        return EXACT.fma(self.base_debt, self.price, self.quote_debt)


def borrowable_value(position: Position, max_leverage: int) -> Decimal:
    """What may still be borrowed: equity x (leverage - 1), less what is owed already."""
    with localcontext(EXACT):
        equity = position.assets - position.debt
        return max(ZERO, equity * (max_leverage - 1) - position.debt)


def covered(position: Position, max_leverage: int) -> bool:
    """Whether equity still bears the debt at full leverage."""
    with localcontext(EXACT):
        equity = position.assets - position.debt
        return not position.debt or position.debt <= equity * (max_leverage - 1)


def rate(position: Position) -> Decimal | None:
    """Assets over debt; None without debt."""
    if not position.debt:
        return None
    return EXACT.divide(position.assets, position.debt)


def rate_text(position: Position) -> str:
    """As the exchange writes it: two places, 999.00 without debt."""
    found = rate(position)
    if found is None or found > Decimal(NO_DEBT):
        return NO_DEBT
    return str(found.quantize(_CENT, ROUND_FLOOR, EXACT))


def level(position: Position, liquidate_rate: Decimal) -> str:
    """ "1" low, "2" medium, "3" high."""
    found = rate(position)
    if found is None or found >= liquidate_rate + _MEDIUM_MARGIN:
        return "1"
    return "2" if found >= liquidate_rate + _HIGH_MARGIN else "3"


def liquidate_price(position: Position, liquidate_rate: Decimal) -> Decimal | None:
    """The price of the base at which the risk rate meets the liquidation rate.

    Solves (B p + Q) / (dB p + dQ) = L. Negative means that no price reaches it; None means no debt,
    or that the price plays no part.
    """
    if not position.debt:
        return None
    with localcontext(EXACT):
        slope = position.base_assets - liquidate_rate * position.base_debt
        if not slope:
            return None
        return floor8((liquidate_rate * position.quote_debt - position.quote_assets) / slope)
