"""How this exchange behaves where the facts contradict each other, or are not known.

One switch for each contradiction of the fact sheet that a caller could meet (C1 to C11, named
below; C7 is about the words of order errors, which no loan meets), for what is not documented, and
for the limits a test wants to move. The defaults follow what was captured live.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from loans.paper.catalogue import CURRENCIES, PAIRS
from loans.paper.store import Store

# Name -> what it may be; the first is the default.
CHOICES: Mapping[str, tuple[object, ...]] = {
    "keyed_signature": ("ignored", "empty", "query"),  # C1: what a GET signs, if anyone looked
    "record_limit": (150, 60),  # C2
    "remaining": ("used", "left"),  # C3
    "ban_scope": ("key", "ip"),  # C4
    "missing_permission": (30012, 30011),  # C5
    "status_59001": (400, 500),  # C6
    "record_time": ("milliseconds", "seconds"),  # C8
    "hourly_display": ("floor", "up", "half_up"),  # C9
    "repaid_records": ("kept", "zero"),  # C10
    "ids": ("different", "same"),  # C11
    "query_unit": ("milliseconds", "seconds"),
    "bounds": ("inclusive", "exclusive"),
    "record_order": ("newest", "oldest", "shuffled"),
    "out_of_range_n": ("refuse", "clamp"),
    "amounts": ("padded", "trimmed"),
    "interest_amount": ("shown", "null"),
    "interest_hours": ("anniversary", "clock"),
    "interest_rate": ("current", "at_borrow"),
    "repay_order": ("interest_first", "loan_by_loan", "principal_first"),
    "service_status": ("int", "string"),
    "error_data": ("object", "null"),
    "trace": ("modern", "uuid", "na"),
    "maintenance": (False, True),
    "lending": ("open", "ended"),  # the wind-down: every pair is disabled; what is owed stays
    "limits": ("on", "off"),
    "limit_window": ("fixed", "sliding"),
}
# Name -> (default, smallest, largest).
NUMBERS: Mapping[str, tuple[int, int, int]] = {
    "interest_null_seconds": (0, 0, 3599),  # 2024: no interest yet 178 seconds after the borrow
    "served_seconds": (0, 0, 10**9),  # how far back record windows may begin; 0: without end
    "default_span_days": (0, 0, 3650),  # P3: what a list without bounds goes back; 0: all
    "expiry_seconds": (60, 1, 86_400),
    "ban_after": (10, 1, 10_000),  # refusals for the rate within a minute, before 418
    "ban_seconds": (120, 0, 86_400),
}
# Figures a test pins: pools and prices by currency, rates by pair and currency.
FIGURES = ("pools", "prices", "rates")

Rates = dict[tuple[str, str], Decimal]


@dataclass(frozen=True, slots=True)
class Switches:
    """One immutable setting of all switches."""

    values: Mapping[str, Any]
    pools: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]
    rates: Mapping[tuple[str, str], Decimal]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def load(store: Store, *, expiry_seconds: int | None = None) -> Switches:
    """The switches as they stood before the restart, else the defaults."""
    saved = store.setting("switches")
    chosen = dict(saved) if isinstance(saved, dict) else {}
    if expiry_seconds is not None:
        chosen["expiry_seconds"] = expiry_seconds
    return build(chosen)


def merged(store: Store, changes: Mapping[str, object]) -> dict[str, object]:
    """What is chosen now, with `changes` over it; null puts a switch back to its default."""
    saved = store.setting("switches")
    chosen = {**(saved if isinstance(saved, dict) else {}), **changes}
    return {name: value for name, value in chosen.items() if value is not None}


def build(chosen: Mapping[str, object]) -> Switches:
    """Defaults with `chosen` over them. Raises: ValueError."""
    unknown = set(chosen) - set(CHOICES) - set(NUMBERS) - set(FIGURES)
    if unknown:
        raise ValueError(f"unknown switch: {', '.join(sorted(unknown))}")
    values: dict[str, object] = {name: allowed[0] for name, allowed in CHOICES.items()}
    values |= {name: bounds[0] for name, bounds in NUMBERS.items()}
    for name, value in chosen.items():
        if name in CHOICES:
            values[name] = _choice(name, value)
        elif name in NUMBERS:
            values[name] = _number(name, value)
    return Switches(
        values=values,
        pools=_by_currency("pools", chosen.get("pools")),
        prices=_by_currency("prices", chosen.get("prices")),
        rates=_rates(chosen.get("rates")),
    )


def shown(switches: Switches) -> dict[str, object]:
    """As JSON."""
    rates: dict[str, dict[str, str]] = {}
    for (symbol, currency), rate in switches.rates.items():
        rates.setdefault(symbol, {})[currency] = format(rate, "f")
    return {
        **switches.values,
        "pools": {code: format(figure, "f") for code, figure in switches.pools.items()},
        "prices": {code: format(figure, "f") for code, figure in switches.prices.items()},
        "rates": rates,
    }


def _choice(name: str, value: object) -> object:
    allowed = CHOICES[name]
    for option in allowed:
        if type(value) is type(option) and value == option:
            return value
    raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}")


def _number(name: str, value: object) -> int:
    _, smallest, largest = NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise ValueError(f"{name} is a whole number from {smallest} to {largest}")
    return value


def _by_currency(name: str, figures: object) -> dict[str, Decimal]:
    if figures is None:
        return {}
    if not isinstance(figures, dict) or not set(figures) <= set(CURRENCIES):
        raise ValueError(f"{name} is an object of currencies and figures")
    return {code: _figure(name, value) for code, value in figures.items()}


def _rates(figures: object) -> Rates:
    if figures is None:
        return {}
    if not isinstance(figures, dict) or not set(figures) <= set(PAIRS):
        raise ValueError("rates is an object of pairs, each an object of currencies and rates")
    return {
        (symbol, code): figure
        for symbol, sides in figures.items()
        for code, figure in _by_currency("rates", sides).items()
    }


def _figure(name: str, value: object) -> Decimal:
    try:
        figure = Decimal(str(value))
    except InvalidOperation as exc:
        raise ValueError(f"{name}: {value} is not a figure") from exc
    if not figure.is_finite() or figure < 0 or (name == "prices" and not figure):
        raise ValueError(f"{name}: {value} is not a figure")
    return figure
