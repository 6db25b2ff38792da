"""Prices and lending rates as a pure function of a seed and the time: same seed, same story.

Nothing is stored. Prices wander on several scales at once, from a minute to a month; rates stand
still for hours, as the live ones do, and most of them at 0.055 % a day. Tests may pin either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b

from loans.paper.amounts import SATOSHI, divide, floor8, product
from loans.paper.catalogue import CURRENCIES, PAIRS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

USUAL_DAILY_RATE = Decimal("0.00055")
_MILLION = 1_000_000
# (length of a step, largest move in millionths): a minute, an hour, a day, a week, a month.
_SCALES = (
    (60_000, 600),
    (HOUR_MS, 4_000),
    (DAY_MS, 18_000),
    (7 * DAY_MS, 45_000),
    (30 * DAY_MS, 80_000),
)
_PRICE_STEP_MS = 5_000
# Where the other rates stand, per cent of sides in front: the live range is 0.0003 to 0.002 a day.
_RATE_LADDER = (
    (66, USUAL_DAILY_RATE),
    (76, Decimal("0.0006")),
    (83, Decimal("0.001")),
    (89, Decimal("0.0004")),
    (94, Decimal("0.0008")),
    (98, Decimal("0.0015")),
    (100, Decimal("0.002")),
)
_PINNED_RATES = {
    ("BTC_USDT", "BTC"): USUAL_DAILY_RATE,
    ("BTC_USDT", "USDT"): USUAL_DAILY_RATE,
    ("ETH_USDT", "USDT"): USUAL_DAILY_RATE,
    ("AAVE_USDT", "AAVE"): Decimal("0.001"),
    ("THETA_USDT", "THETA"): Decimal("0.0006"),
}


@dataclass(slots=True)
class Market:
    """What the seed says, under what is pinned: `prices` by currency, `rates` by pair side."""

    seed: int
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    rates: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)

    def value(self, currency: str, at_ms: int) -> Decimal:
        """Price of one unit of a currency in USDT."""
        if currency in self.prices:
            return self.prices[currency]
        return _value(self.seed, currency, at_ms // _PRICE_STEP_MS)

    def price(self, symbol: str, at_ms: int) -> Decimal:
        """Price of a pair's base in its quote."""
        pair = PAIRS[symbol]
        return divide(self.value(pair.base, at_ms), self.value(pair.quote, at_ms))

    def daily_rate(self, symbol: str, currency: str, at_ms: int) -> Decimal:
        """What borrowing `currency` on `symbol` costs a day, as a fraction."""
        pinned = self.rates.get((symbol, currency))
        if pinned is not None:
            return pinned
        stand_ms = _rate_period(self.seed, symbol, currency)
        return _rate(self.seed, symbol, currency, at_ms // stand_ms)


@lru_cache(maxsize=4096)
def _value(seed: int, currency: str, step: int) -> Decimal:
    usual = CURRENCIES[currency].usual_price
    if currency == "USDT":
        return usual
    at_ms = step * _PRICE_STEP_MS
    move = sum(
        reach * _wave(seed, currency, length_ms, at_ms) // _MILLION for length_ms, reach in _SCALES
    )
    if currency == "USDC":
        move //= 100
    return product(usual, divide(Decimal(_MILLION + move), Decimal(_MILLION))).normalize()


def _wave(seed: int, currency: str, length_ms: int, at_ms: int) -> int:
    """A wandering line between -1,000,000 and 1,000,000, straight between its random corners."""
    step, offset = divmod(at_ms, length_ms)
    start = _corner(seed, currency, length_ms, step)
    end = _corner(seed, currency, length_ms, step + 1)
    return start + (end - start) * offset // length_ms


@lru_cache(maxsize=8192)
def _corner(seed: int, currency: str, length_ms: int, step: int) -> int:
    return draw(seed, "price", currency, length_ms, step) % (2 * _MILLION + 1) - _MILLION


@lru_cache(maxsize=1024)
def _rate_period(seed: int, symbol: str, currency: str) -> int:
    """How long a side's rate stands at least: two to twelve hours."""
    return (2 + draw(seed, "period", symbol, currency) % 11) * HOUR_MS


@lru_cache(maxsize=1024)
def _usual_rate(seed: int, symbol: str, currency: str) -> Decimal:
    if (symbol, currency) in _PINNED_RATES:
        return _PINNED_RATES[symbol, currency]
    place = draw(seed, "ladder", symbol, currency) % 100
    return next(rate for bound, rate in _RATE_LADDER if place < bound)


@lru_cache(maxsize=16384)
def _rate(seed: int, symbol: str, currency: str, stand: int) -> Decimal:
    """The usual rate; in one stand of 20 (of 3, if unusual) some steps of 5 % beside it."""
    usual = _usual_rate(seed, symbol, currency)
    if (symbol, currency) in _PINNED_RATES:
        return floor8(usual)
    one_in = 20 if usual == USUAL_DAILY_RATE else 3
    dice = draw(seed, "rate", symbol, currency, stand)
    if dice % one_in:
        return floor8(usual)
    steps = dice // one_in % 9 - 3
    return max(floor8(product(usual, Decimal(100 + 5 * steps).scaleb(-2))), SATOSHI)


def draw(seed: int, *what: object) -> int:
    """A number below 2**64 that depends on nothing but its arguments."""
    text = "|".join(map(str, (seed, *what)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
