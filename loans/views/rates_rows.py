"""Offers as ready strings: every figure formatted once, so that templates only print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from loans import formatting, interest
from loans.models import Account, Feed
from loans.services.rates import (
    DAY,
    CurrencyOffers,
    Offer,
    SideKey,
    Track,
    day_change,
    rate_in,
    samples,
)

SPARK_SPAN = timedelta(days=7)
SPARK_POINTS = 29
NO_DAY_YET = SafeString(
    '<span class="unknown" title="The rate of 24 hours ago is not known">–</span>'
)
SIDE_WORDS = {"base": "base", "quote": "quote"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewpoint:
    """What the figures of a page are seen with: the moment, the amount, the account, the feed."""

    now: datetime
    amount: Decimal
    hours: int
    account: Account | None
    venue: str
    feed: Feed | None
    tracks: Mapping[SideKey, Track]

    @property
    def period_seconds(self) -> int:
        """How often the rates are read."""
        return self.feed.period_seconds if self.feed else 60

    @property
    def problem(self) -> str:
        """Why rates may be old, in two words; empty while all is well."""
        return "exchange unreachable" if self.feed and self.feed.failures else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """One line of the rate table, as text."""

    id: str
    href: str
    ask: str
    symbol: str
    side: str
    currency: str
    enabled: bool
    plausible: bool
    differs: bool
    borrowable_now: bool
    hourly: SafeString
    daily: SafeString
    apr: SafeString
    apy: SafeString
    cost: SafeString
    change: SafeString
    spark: SafeString
    borrowable: SafeString
    minimum: str
    maximum: str
    leverage: str
    age: SafeString


def rate_row(offer: Offer, seen: Viewpoint) -> RateRow:
    """One offer as a line."""
    daily, track = offer.daily_rate, seen.tracks.get(offer.side_key, [])
    ask = {"symbol": offer.symbol, "currency": offer.currency}
    if seen.account:
        ask["account"] = str(seen.account.pk)
    return RateRow(
        id=f"rate-{offer.symbol}-{offer.side}",
        href=pair_href(offer.symbol, seen),
        ask=urlencode(ask),
        symbol=offer.symbol,
        side=SIDE_WORDS.get(offer.side, offer.side),
        currency=offer.currency,
        enabled=offer.enabled,
        plausible=offer.is_plausible,
        differs=offer.differs_by_key,
        borrowable_now=offer.can_be_borrowed,
        hourly=formatting.percent(interest.hourly_rate(daily), places=8),
        daily=formatting.percent(daily),
        apr=formatting.percent(interest.apr(daily), places=2),
        apy=formatting.percent(interest.apy(daily), places=2),
        cost=formatting.amount(interest.cost(seen.amount, daily, hours=seen.hours)),
        change=_change(daily, track, seen),
        spark=spark(offer.currency, track, seen),
        borrowable=formatting.amount(offer.borrowable),
        minimum=formatting.digits(offer.min_borrow, places=0),
        maximum=formatting.digits(offer.max_borrow, places=0),
        leverage=_leverage(offer.max_leverage),
        age=formatting.age(
            offer.as_of,
            now=seen.now,
            period_seconds=seen.period_seconds,
            source=" · ".join(filter(None, (f"pairs of {seen.venue}", seen.problem))),
        ),
    )


def pair_href(symbol: str, seen: Viewpoint) -> str:
    """The page of a pair, at the same venue and for the same amount."""
    query = urlencode(
        {"venue": seen.venue, "amount": formatting.plain(seen.amount), "hours": seen.hours}
    )
    return f"{reverse('loans:rate', args=[symbol])}?{query}"


def _change(daily: Decimal, track: Track, seen: Viewpoint) -> SafeString:
    ago = rate_in(track, seen.now - DAY)
    return NO_DAY_YET if ago is None else formatting.change(day_change(daily, ago))


def spark(currency: str, track: Track, seen: Viewpoint) -> SafeString:
    """How the rate went over the last seven days."""
    values = samples(track, since=seen.now - SPARK_SPAN, now=seen.now, count=SPARK_POINTS)
    if len(values) < 2:
        return formatting.sparkline([], label="")
    low, high = formatting.percent_text(min(values)), formatting.percent_text(max(values))
    known = seen.now - track[0][0]
    span = "seven days" if known >= SPARK_SPAN else _known_words(known)
    return formatting.sparkline(values, label=f"{currency} a day over {span}: from {low} to {high}")


def _known_words(known: timedelta) -> str:
    words = formatting.duration_words(known // timedelta(seconds=1))
    return "the moment since it is known" if words == "now" else f"the {words} it is known"


def _leverage(value: Decimal | None) -> str:
    return f"{formatting.plain(value)}×" if value is not None else "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyRow:
    """One line of the view by currency, as text."""

    currency: str
    pairs: int
    cheapest: RateRow
    dearest: SafeString


def currency_rows(found: Sequence[CurrencyOffers], seen: Viewpoint) -> list[CurrencyRow]:
    """Every currency with its cheapest offer."""
    return [
        CurrencyRow(
            currency=row.currency,
            pairs=row.pairs,
            cheapest=rate_row(row.cheapest, seen),
            dearest=formatting.percent(row.dearest.daily_rate),
        )
        for row in found
    ]
