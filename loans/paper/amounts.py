"""Exact amounts: reading them from the wire, cutting them to eight places, writing them back.

Rounding happens here and nowhere else in this package.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation

from loans.paper.refusals import invalid, missing

ZERO = Decimal(0)
SATOSHI = Decimal("0.00000001")
TENTH_PLACE = Decimal("0.0000000001")

# Wide enough for any product of two amounts; the usual 28 digits would round large ones in silence.
EXACT = Context(prec=90)

_ROUNDINGS = {"floor": ROUND_FLOOR, "up": ROUND_CEILING, "half_up": ROUND_HALF_UP}
_LARGEST_EXPONENT = 19


def floor8(value: Decimal) -> Decimal:
    """Cut to 8 decimal places, towards minus infinity."""
    return value.quantize(SATOSHI, ROUND_FLOOR, EXACT)


def floor10(value: Decimal) -> Decimal:
    """Cut to 10 decimal places, as the exchange keeps its hourly rate."""
    return value.quantize(TENTH_PLACE, ROUND_FLOOR, EXACT)


def round8(value: Decimal, rounding: str) -> Decimal:
    """Bring to 8 decimal places; `rounding` is "floor", "up" or "half_up"."""
    return value.quantize(SATOSHI, _ROUNDINGS[rounding], EXACT)


def divide(value: Decimal, by: Decimal) -> Decimal:
    """Divide with 90 digits, so that a cut afterwards is right."""
    return EXACT.divide(value, by)


def product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply without losing a digit."""
    return EXACT.multiply(left, right)


def wire(value: Decimal, *, trimmed: bool = False) -> str:
    """Write with 8 decimal places; trimmed of zeros, as in the documentation's samples."""
    text = format(floor8(value), "f")
    return text.rstrip("0").rstrip(".") if trimmed else text


def parse_amount(value: object, name: str = "amount") -> Decimal:
    """Read an amount of a request: a positive number with at most 8 decimal places.

    Text and JSON numbers are taken, exponents too (the official SDK writes a float 1e-08 that way).
    Raises: Refusal 50000 where it is missing, 50021 where it is not such a number.
    """
    if value is None or value == "":
        raise missing(name)
    amount = _decimal(value)
    if amount is None or not amount.is_finite() or amount <= 0:
        raise invalid(name)
    if amount.adjusted() > _LARGEST_EXPONENT or floor8(amount) != amount:
        raise invalid(name)
    return floor8(amount)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    if isinstance(value, str) and (value != value.strip() or "_" in value or len(value) > 64):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None
