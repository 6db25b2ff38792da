"""Arithmetic of interest, and nothing else: Decimal in, Decimal out, no clock, no database.

Rates are fractions per day (0.00055 is 0.055 % a day). This is the only module that rounds.
"""

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

HOURS_PER_DAY = 24
DAYS_PER_YEAR = 365
UNIT = Decimal("1e-8")
RATE_PLACES = 10
RATE_UNIT = Decimal(1).scaleb(-RATE_PLACES)
HOUR = timedelta(hours=1)
# A daily rate outside this band is shown and flagged, never rescaled: 0.05 a day is the documents'
# invented sample.
PLAUSIBLE_DAILY = (Decimal("0.000001"), Decimal("0.02"))
# Beyond this the yearly rate with compounding says nothing to anybody: reached at 5.8 % a day.
MOST_APY = Decimal("1e9")
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def floor8(value: Decimal) -> Decimal:
    """Round towards zero to 8 places: what the exchange does with every charge."""
    return value.quantize(UNIT, rounding=ROUND_DOWN, context=_WIDE)


def hourly_rate(daily_rate: Decimal) -> Decimal:
    """A day's rate over 24, towards zero to 10 places: the factor that fits every captured charge.

    The exchange displays it with 8 places, and that displayed one does not reproduce its charges.
    """
    return _WIDE.divide(daily_rate, Decimal(HOURS_PER_DAY)).quantize(
        RATE_UNIT, rounding=ROUND_DOWN, context=_WIDE
    )


def hourly_charge(principal: Decimal, daily_rate: Decimal) -> Decimal:
    """What one started hour costs, in the loan's currency: `floor8(principal x floor10(daily /
    24))`.
    """
    return floor8(_WIDE.multiply(principal, hourly_rate(daily_rate)))


def started_hours(since: datetime, until: datetime) -> int:
    """How many hours have started; the first starts with the loan itself. 0 before `since`."""
    if until < since:
        return 0
    return (until - since) // HOUR + 1


def cost(principal: Decimal, daily_rate: Decimal, *, hours: int) -> Decimal:
    """What a loan costs over that many started hours at one rate, without compounding."""
    return hourly_charge(principal, daily_rate) * hours


def apr(daily_rate: Decimal) -> Decimal:
    """The yearly rate without compounding, as a fraction."""
    return _WIDE.multiply(daily_rate, Decimal(DAYS_PER_YEAR))


def apy(daily_rate: Decimal) -> Decimal | None:
    """The yearly rate if every day's interest were borrowed too, as a fraction, to 10 places; None
    beyond `MOST_APY`, where it is out of all measure.
    """
    grown = _WIDE.power(_WIDE.add(1, daily_rate), DAYS_PER_YEAR) - 1
    return grown.quantize(RATE_UNIT, context=_WIDE) if grown <= MOST_APY else None


def is_plausible(daily_rate: Decimal) -> bool:
    """Whether a daily rate lies where real ones have been seen."""
    low, high = PLAUSIBLE_DAILY
    return low <= daily_rate <= high


def ceil8(value: Decimal) -> Decimal:
    """Round away from zero to 8 places; for caps, never for charges."""
    return value.quantize(UNIT, rounding=ROUND_CEILING, context=_WIDE)
