"""Sums, differences and products that never lose a digit, whatever context the thread has.

Python's own `+` on Decimals rounds to 28 digits, which a total of large amounts passes. Nothing in
here rounds: `loans.interest` is the only place that does.
"""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact

# Trapping Inexact makes a lost digit an error instead of a wrong figure.
_CONTEXT = Context(prec=120, traps=[Inexact])
ZERO = Decimal("0E-8")
PLACES = 8
_UNIT = Decimal(1).scaleb(-PLACES)


def plus(one: Decimal, other: Decimal) -> Decimal:
    """The exact sum."""
    return _CONTEXT.add(one, other)


def minus(one: Decimal, other: Decimal) -> Decimal:
    """The exact difference."""
    return _CONTEXT.subtract(one, other)


def times(one: Decimal, other: Decimal) -> Decimal:
    """The exact product, with the places of both factors."""
    return _CONTEXT.multiply(one, other)


def total(values: Iterable[Decimal | None]) -> Decimal:
    """The exact sum of all that are known; 0 over none."""
    result = ZERO
    for value in values:
        if value is not None:
            result = _CONTEXT.add(result, value)
    return result


def units(value: Decimal) -> int:
    """An amount as a whole number of 1e-8. Raises ValueError where it has more places."""
    scaled = _CONTEXT.scaleb(value, PLACES)
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"{value} has more than {PLACES} places")
    return whole


def from_units(whole: int) -> Decimal:
    """The amount of so many 1e-8."""
    return _CONTEXT.multiply(whole, _UNIT)
