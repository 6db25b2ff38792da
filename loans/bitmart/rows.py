"""Reads one field of one row the exchange sent, or says why the row cannot be used.

Everything becomes exact here: Decimal from text, aware UTC instants, ids as text. It must not
guess: what is neither documented nor seen from the live exchange is a reason to refuse the row.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException

from loans.bitmart.errors import plain

Row = Mapping[str, object]

AMOUNT_PLACES = 8
INTEGER_DIGITS = 20
ID_LENGTH = 64
_STEP = Decimal(1).scaleb(-AMOUNT_PLACES)
_EXPONENT_LIMIT = 30
# Room for 20 integer digits and 30 places, whatever context the calling thread has.
_EXACT = Context(prec=64)
_NUMBER = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?([eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[0-9]{1,18}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Contradiction C8: seconds by the documentation, milliseconds from the live exchange. This many
# milliseconds is March 1973, this many seconds the year 5138: no loan lies on the wrong side.
_MILLISECONDS_FROM = 10**11
_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_EXCERPT_LENGTH = 300
_RAW_LENGTH = 8192


class BadRow(ValueError):
    """This row cannot be used; the text says which field and why, quoting nothing."""


def amount(row: Row, name: str, *, may_be_negative: bool = False) -> Decimal:
    """An amount of money: at most 20 integer digits, exactly 8 places."""
    value = _finite(row, name)
    if value < 0 and not may_be_negative:
        raise BadRow(f"{name} is negative")
    exact = value.quantize(_STEP, context=_EXACT)
    if exact != value:
        raise BadRow(f"{name} has more than {AMOUNT_PLACES} places")
    return exact if exact else abs(exact)


def amount_or_none(row: Row, name: str) -> Decimal | None:
    """An amount that the exchange may not know yet; None for null, and where it is left out."""
    return None if row.get(name) is None else amount(row, name)


def rate(row: Row, name: str) -> Decimal:
    """A fraction, a price or a ratio: not negative, as many places as were sent."""
    value = _finite(row, name)
    if value < 0:
        raise BadRow(f"{name} is negative")
    return value


def number_or_none(row: Row, name: str) -> Decimal | None:
    """A number of either sign; None for null, and where it is left out."""
    return None if row.get(name) is None else _finite(row, name)


def instant(row: Row, name: str) -> datetime:
    """A point in time from seconds or milliseconds, told apart by magnitude (C8)."""
    count = whole(row, name)
    unit = "milliseconds" if count >= _MILLISECONDS_FROM else "seconds"
    try:
        moment = _EPOCH + timedelta(**{unit: count})
    except OverflowError as exc:
        raise BadRow(f"{name} is no plausible time") from exc
    if not _EARLIEST <= moment < _LATEST:
        raise BadRow(f"{name} is no plausible time")
    return moment


def whole(row: Row, name: str) -> int:
    """A whole number that is not negative, as a JSON number or as the text of one: a row reads
    alike before and after it was kept (`storable`).
    """
    value = field(row, name)
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        value = _decimal(value, name)
    # The exponent first: written out, a zero with a huge one is as many digits long.
    if isinstance(value, Decimal) and value.is_finite() and _has_small_exponent(value):
        value = int(value) if value == value.to_integral_value() else value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise BadRow(f"{name} is not a whole number")


def identifier(row: Row, name: str) -> str:
    """An opaque id (C11): 1 to 64 visible characters; a JSON integer is taken as its digits."""
    value = field(row, name)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        value = str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH:
        raise BadRow(f"{name} is not an id of 1 to {ID_LENGTH} characters")
    if not value.isprintable() or any(sign.isspace() for sign in value):
        raise BadRow(f"{name} has characters that no id has")
    return value


def word(row: Row, name: str, *, limit: int = 32) -> str:
    """A coin or a short label: letters of any script, digits and a few signs; blanks around it
    are none of it.
    """
    value = field(row, name)
    value = value.strip(" ") if isinstance(value, str) else value
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise BadRow(f"{name} is not a text of 1 to {limit} characters")
    if not all(sign.isalnum() or sign in "._$-" for sign in value):
        raise BadRow(f"{name} has characters that no name has")
    return value


def symbol(row: Row, name: str = "symbol") -> str:
    """A trading pair, BASE_QUOTE."""
    value = word(row, name, limit=40)
    base, _, quote = value.rpartition("_")
    if not base or not quote:
        raise BadRow(f"{name} is not a trading pair")
    return value


def flag(row: Row, name: str) -> bool:
    """A JSON boolean, nothing else."""
    value = field(row, name)
    if not isinstance(value, bool):
        raise BadRow(f"{name} is neither true nor false")
    return value


def nested(row: Row, name: str) -> Row:
    """An object within the row."""
    value = field(row, name)
    if not isinstance(value, Mapping):
        raise BadRow(f"{name} is not an object")
    return value


def field(row: Row, name: str) -> object:
    """The field as decoded; a missing field is not the same as null."""
    try:
        return row[name]
    except KeyError:
        raise BadRow(f"{name} is missing") from None


def storable(row: Row) -> dict[str, object]:
    """The row as received, fit for a JSON column: fractions as text, nothing databases refuse."""
    try:
        text = json.dumps(row, default=_as_text, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise BadRow("the row cannot be stored") from exc
    if len(text) > _RAW_LENGTH:
        raise BadRow(f"the row is longer than {_RAW_LENGTH} characters")
    if "\\u0000" in text:
        raise BadRow("the row holds a null character")
    return json.loads(text)


def excerpt(item: object) -> str:
    """The beginning of a refused row, cleaned, for an administrator to read."""
    try:
        text = json.dumps(item, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(item).__name__} that cannot be written"
    return plain(text, limit=_EXCERPT_LENGTH)


def _finite(row: Row, name: str) -> Decimal:
    value = _decimal(field(row, name), name)
    if not value.is_finite():
        raise BadRow(f"{name} is not a finite number")
    if not _has_small_exponent(value) or len(value.as_tuple().digits) > _EXACT.prec:
        raise BadRow(f"{name} is out of range")
    if value and value.adjusted() >= INTEGER_DIGITS:
        raise BadRow(f"{name} has more than {INTEGER_DIGITS} integer digits")
    return value


def _has_small_exponent(value: Decimal) -> bool:
    return abs(int(value.as_tuple().exponent)) <= _EXPONENT_LIMIT


def _decimal(value: object, name: str) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        try:
            return Decimal(value)
        except DecimalException as exc:
            raise BadRow(f"{name} is not a number") from exc
    raise BadRow(f"{name} is not a number")


def _as_text(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    raise TypeError(type(value).__name__)
