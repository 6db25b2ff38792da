"""Column types that keep every digit, on SQLite and PostgreSQL alike, sums and order included.

SQLite has no exact decimal type, so a value is kept there as text of fixed width whose order is the
order of the numbers: a sign digit, then the number in its smallest unit, negative ones as their
complement. PostgreSQL keeps numeric.
"""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cached_property
from itertools import repeat
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate


def encode(value: Decimal, *, digits: int, places: int) -> str:
    """Give the sortable text of `value`. Raises ValueError if it does not fit without losing a
    digit.
    """
    units = value.scaleb(places)
    whole = int(units)
    if units != whole or abs(whole) >= 10**digits:
        raise ValueError(f"{value} does not fit {digits - places} digits and {places} places")
    return _encode_units(whole, digits)


def _encode_units(units: int, digits: int) -> str:
    return f"1{units:0{digits}d}" if units >= 0 else f"0{10**digits + units:0{digits}d}"


def decode(text: str, *, places: int) -> Decimal:
    """Read back what `encode` wrote."""
    if text[0] == "1":
        whole = len(text) - places
        return Decimal(f"{text[1:whole]}.{text[whole:]}")
    return Decimal(int(text[1:]) - 10 ** (len(text) - 1)).scaleb(-places)


class ExactDecimalField(models.Field):
    """A Decimal of `integer_digits` before the point and `places` behind it, kept to the last
    digit.

    Comparisons and ordering work in the database, and sums do with `ExactSum`; arithmetic with
    F() does not on SQLite.
    """

    description = "Exact decimal number"

    def __init__(
        self, *args: Any, integer_digits: int = 22, places: int = 8, **kwargs: Any
    ) -> None:
        self.integer_digits = integer_digits
        self.places = places
        super().__init__(*args, **kwargs)

    @property
    def digits(self) -> int:
        """All digits, before and behind the point."""
        return self.integer_digits + self.places

    @cached_property
    def _step(self) -> tuple[Decimal, Context]:
        """The smallest unit, and a context that refuses what has more digits than the field."""
        context = Context(prec=self.digits, traps=[Inexact, InvalidOperation])
        return Decimal(1).scaleb(-self.places), context

    def all_fit(self, values: Iterable[Decimal | None]) -> bool:
        """Whether the field keeps every digit of each of them."""
        step, context = self._step
        known = [value for value in values if value is not None]
        try:
            return all(map(Decimal.is_finite, map(context.quantize, known, repeat(step))))
        except (Inexact, InvalidOperation):
            return False

    def deconstruct(self) -> tuple[str, str, list, dict]:
        """Tell migrations how to make this field again."""
        name, path, args, kwargs = super().deconstruct()
        kwargs |= {"integer_digits": self.integer_digits, "places": self.places}
        return name, path, args, kwargs

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Numeric on PostgreSQL, fixed-width text elsewhere."""
        if connection.vendor == "postgresql":
            return f"numeric({self.digits}, {self.places})"
        return f"varchar({self.digits + 1})"

    def to_python(self, value: Any) -> Decimal | None:
        """Give a Decimal with exactly the field's places, or None."""
        if value is None or value == "":
            return None
        if isinstance(value, float):
            raise ValidationError("A float has lost digits already; give a Decimal or text.")
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
        except ArithmeticError as exc:
            raise ValidationError("Enter a number.") from exc
        if not number.is_finite():
            raise ValidationError("Enter a number.")
        try:
            return decode(
                encode(number, digits=self.digits, places=self.places), places=self.places
            )
        except ValueError as exc:
            raise ValidationError(str(exc)) from exc

    def get_prep_value(self, value: Any) -> Decimal | None:
        """Refuse what would lose a digit."""
        value = super().get_prep_value(value)
        if value is None or hasattr(value, "resolve_expression"):
            return value
        return self.to_python(value)

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """Encode for the engine."""
        if not prepared:
            value = self.get_prep_value(value)
        if value is None or connection.vendor == "postgresql" or not isinstance(value, Decimal):
            return value
        return encode(value, digits=self.digits, places=self.places)

    def from_db_value(
        self, value: Any, expression: Any, connection: BaseDatabaseWrapper
    ) -> Decimal | None:
        """Decode from the engine."""
        if value is None or isinstance(value, Decimal):
            return value
        return decode(value, places=self.places)

    def value_to_string(self, obj: models.Model) -> str:
        """Plain digits, for serialisers."""
        value = self.value_from_object(obj)
        return "" if value is None else format(value, "f")

    def formfield(self, **kwargs: Any) -> forms.Field:
        """A decimal input of the same size."""
        limits = {"max_digits": self.digits, "decimal_places": self.places}
        return super().formfield(**({"form_class": forms.DecimalField} | limits | kwargs))


class AmountField(ExactDecimalField):
    """An amount of a currency: 22 digits before the point, 8 places."""


class TotalField(ExactDecimalField):
    """A sum of amounts: 32 digits before the point, for ten billion of the largest; 8 places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **({"integer_digits": 32, "places": 8} | kwargs))


class RateField(ExactDecimalField):
    """A rate as a fraction (0.00055 is 0.055 %): 8 digits before the point, 16 places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **({"integer_digits": 8, "places": 16} | kwargs))


# Eleven digits a part: SQLite's integers hold the sum of ninety million of them.
PART = 11
PART_BASE = 10**PART
FIRST_PART = 18  # and of nine of these, which hold digits that few values have


class ExactSum(Aggregate):
    """SUM over an exact column, exact on both engines; None over no rows."""

    function = "SUM"
    name = "ExactSum"

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple:
        """Sum a column in parts that SQLite adds as integers, and join them once a group.

        Anything but a plain column goes through the slower EXACT_SUM.
        """
        source = self.get_source_expressions()[0]
        digits = getattr(source.output_field, "digits", 0)
        if self.filter is not None or self.distinct or not digits:
            return self.as_sql(compiler, connection, function="EXACT_SUM", **extra)
        column, params = compiler.compile(source)
        parts = [f"SUM({part})" for part in parts_of(column, digits, connection.vendor)]
        return f"EXACT_JOIN({digits}, {', '.join(parts)})", [*params] * len(parts)


def parts_of(column: str, digits: int, vendor: str) -> list[str]:
    """A column of so many digits as SQL of plain numbers, each of which may be added up: on
    PostgreSQL the value itself; on SQLite integers, of which the last stands for the column's last
    eleven digits in its smallest unit, and each before it for eleven digits more.
    """
    if vendor == "postgresql":
        return [column]
    # As numbers, all texts are one followed by `digits` zeros more than their values.
    first = _digits_of_first_part(digits)
    parts = [f"CAST(SUBSTR({column}, 1, {1 + first}) AS INTEGER) - {10**first}"]
    return parts + [
        f"CAST(SUBSTR({column}, {start}, {PART}) AS INTEGER)"
        for start in range(2 + first, 2 + digits, PART)
    ]


def is_huge(column: str, digits: int) -> str:
    """Whether a value cannot be told by the parts behind the first alone, as SQL for SQLite."""
    first = _digits_of_first_part(digits)
    return f"{column} NOT BETWEEN '1{'0' * first}' AND '1{'1':0>{first}}'"


def _digits_of_first_part(digits: int) -> int:
    return digits - max(0, -(-(digits - FIRST_PART) // PART)) * PART


def units_of_parts(parts: Iterable[int | None]) -> int:
    """What the parts of a sum come to, in the column's smallest unit; 0 of none."""
    units = 0
    for part in parts:
        units = units * PART_BASE + (part or 0)
    return units


class _ExactSumOfText:
    """SQLite aggregate over encoded texts of one width; the result is encoded with ten digits of
    room.
    """

    def __init__(self) -> None:
        self.units = 0
        self.width = 0

    def step(self, text: str | None) -> None:
        if text is None:
            return
        self.width = len(text) - 1
        self.units += int(text[1:]) - (10**self.width if text[0] == "0" else 0)

    def finalize(self) -> str | None:
        if not self.width:
            return None
        return encode(Decimal(self.units), digits=self.width + 10, places=0)


def _join_sums(digits: int, *parts: int | None) -> str | None:
    """The encoded sum from the sums of its parts; None of none."""
    return None if parts[0] is None else _encode_units(units_of_parts(parts), digits + 10)


def _plus(one: str, other: str) -> str:
    """The encoded sum of two encoded values of one width. Raises ValueError if it is wider."""
    zero = 10 ** (len(one) - 1)  # as numbers, all texts are so much more than their values
    total = int(one) + int(other) - zero
    if not 0 < total < 2 * zero:
        raise ValueError(f"a sum has more than {len(one) - 1} digits")
    return f"{total:0{len(one)}d}"


def register_exact_sum(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Give a new SQLite connection the exact sums."""
    if connection.vendor == "sqlite":
        connection.connection.create_aggregate("EXACT_SUM", 1, _ExactSumOfText)
        connection.connection.create_function("EXACT_JOIN", -1, _join_sums, deterministic=True)
        connection.connection.create_function("EXACT_PLUS", 2, _plus, deterministic=True)
