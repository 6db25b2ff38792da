"""What borrowing costs: the offers of a venue, how they moved, and the order people ask for.

Reads only; never calls a venue. Rates are fractions per day.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from django.db.models import Expression, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from loans import interest
from loans.models import Account, AccountTerms, Market, RateChange, Terms

DAY = timedelta(days=1)
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
Track = list[tuple[datetime, Decimal]]
SideKey = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which offers to show; empty fields ask for everything."""

    venue: str
    words: str = ""
    currency: str = ""
    side: str = ""
    enabled_only: bool = False
    borrowable_only: bool = False


@dataclass(slots=True)
class Offer:
    """One side of one pair, with what the chosen account may borrow of it (None: not known)."""

    market_id: int
    side: str
    symbol: str
    currency: str
    daily_rate: Decimal
    min_borrow: Decimal
    max_borrow: Decimal
    max_leverage: Decimal | None
    enabled: bool
    differs_by_key: bool
    as_of: datetime
    borrowable: Decimal | None = None

    @property
    def key(self) -> str:
        """What names this offer in a query and in the page."""
        return f"{self.symbol}:{self.side}"

    @property
    def side_key(self) -> SideKey:
        """What names this offer in a track of rates."""
        return self.market_id, self.side

    @property
    def is_plausible(self) -> bool:
        """Whether the rate lies where real ones have been seen."""
        return interest.is_plausible(self.daily_rate)

    @property
    def can_be_borrowed(self) -> bool:
        """Whether the chosen account could borrow the minimum here now."""
        return self.enabled and self.borrowable is not None and self.borrowable >= self.least

    @property
    def least(self) -> Decimal:
        """The smallest amount that is more than nothing."""
        return max(self.min_borrow, interest.UNIT)


SORTS: dict[str, Callable[[Offer], Any]] = {
    "symbol": lambda offer: (offer.symbol, offer.side),
    "currency": lambda offer: (offer.currency, offer.symbol),
    "daily": lambda offer: offer.daily_rate,
    "borrowable": lambda offer: offer.borrowable,
    "min": lambda offer: offer.min_borrow,
    "max": lambda offer: offer.max_borrow,
    "leverage": lambda offer: offer.max_leverage,
    "enabled": lambda offer: not offer.enabled,
    "age": lambda offer: _FAR - offer.as_of,
}
# These say the same about a side as its daily rate does, so they sort like it.
SORTS |= dict.fromkeys(("hourly", "apr", "apy", "cost"), SORTS["daily"])
# In the order of an offer's fields.
COLUMNS = (
    "market_id",
    "side",
    "market__symbol",
    "currency",
    "daily_rate",
    "min_borrow",
    "max_borrow",
    "market__max_leverage",
    "market__enabled",
    "differs_by_key",
    "as_of",
)


def venues_with_rates() -> list[str]:
    """Venues of which any pair is known, in a fixed order."""
    return list(Market.objects.order_by("venue").values_list("venue", flat=True).distinct())


def currencies_of(venue: str) -> list[str]:
    """Every currency that can be borrowed at the venue, by name."""
    found = Terms.objects.filter(market__venue=venue).order_by("currency")
    return list(found.values_list("currency", flat=True).distinct())


def offers(wanted: Wanted, *, account: Account | None) -> list[Offer]:
    """All offers that match, in no particular order."""
    borrowable = _borrowable(account)
    found = [
        Offer(*row, borrowable=borrowable.get(row[:2]))
        for row in _matching(wanted).values_list(*COLUMNS)
    ]
    if wanted.borrowable_only:
        return [offer for offer in found if offer.can_be_borrowed]
    return found


def day_ago_rates(venue: str, *, now: datetime) -> dict[SideKey, Decimal]:
    """What each side's rate was 24 hours ago, where it was watched then.

    Reads every side of the venue: for the order by change only. A page's own rows have theirs in
    their tracks.
    """
    return _rates_then(venue, _rate_at(now - DAY))


def _rates_then(venue: str, then: Expression) -> dict[SideKey, Decimal]:
    """An earlier rate of each side, where there is one."""
    terms = Terms.objects.filter(market__venue=venue).annotate(then=then)
    rows = terms.exclude(then=None).values_list("market_id", "side", "then")
    return {(market_id, side): rate for market_id, side, rate in rows}


def _matching(wanted: Wanted) -> QuerySet[Terms]:
    terms = Terms.objects.filter(market__venue=wanted.venue)
    for word in wanted.words.upper().replace("/", " ").replace("-", " ").split():
        terms = terms.filter(Q(market__symbol__contains=word) | Q(currency__contains=word))
    if wanted.currency:
        terms = terms.filter(currency=wanted.currency)
    if wanted.side:
        terms = terms.filter(side=wanted.side)
    if wanted.enabled_only or wanted.borrowable_only:
        terms = terms.filter(market__enabled=True)
    return terms


def _rate_at(at: datetime) -> Subquery:
    """The daily rate that held at an instant, beside each row of terms."""
    before = RateChange.objects.filter(
        market=OuterRef("market"), side=OuterRef("side"), at__lte=at
    ).order_by("-at", "-id")
    return Subquery(before.values("daily_rate")[:1])


def _first_rate() -> Subquery:
    """The daily rate that was seen first, beside each row of terms."""
    seen = RateChange.objects.filter(market=OuterRef("market"), side=OuterRef("side"))
    return Subquery(seen.order_by("at", "id").values("daily_rate")[:1])


def _borrowable(account: Account | None) -> dict[SideKey, Decimal]:
    if account is None:
        return {}
    rows = AccountTerms.objects.filter(account=account)
    found = rows.values_list("market_id", "side", "borrowable")
    return {(market_id, side): amount for market_id, side, amount in found}


def moved_most(venue: str, *, now: datetime, count: int) -> list[tuple[Offer, Decimal]]:
    """The sides that can be borrowed and whose rates moved most within a day, up or down; since
    they are watched where that is less.
    """
    ago = _rates_then(venue, Coalesce(_rate_at(now - DAY), _first_rate()))
    moved = []
    for offer in offers(Wanted(venue=venue, enabled_only=True), account=None):
        share = day_change(offer.daily_rate, ago.get(offer.side_key))
        if share:
            moved.append((offer, share))
    moved.sort(key=lambda pair: (-abs(pair[1]), pair[0].key))
    return moved[:count]


def ordered(found: Iterable[Offer], sort: str) -> list[Offer]:
    """Sorted by `field` or `-field`; what is not known comes last either way, ties by pair."""
    return _sorted_by(found, SORTS[sort.removeprefix("-")], backwards=sort.startswith("-"))


def ordered_by_change(
    found: Iterable[Offer], ago: Mapping[SideKey, Decimal], *, backwards: bool
) -> list[Offer]:
    """Sorted by how much the rate changed since it was what `ago` says."""
    return _sorted_by(
        found, lambda o: day_change(o.daily_rate, ago.get(o.side_key)), backwards=backwards
    )


def _sorted_by(
    found: Iterable[Offer], field: Callable[[Offer], Any], *, backwards: bool
) -> list[Offer]:
    by_name = sorted(found, key=SORTS["symbol"])
    keyed = [(field(offer), offer) for offer in by_name]
    known = [pair for pair in keyed if pair[0] is not None]
    known.sort(key=itemgetter(0), reverse=backwards)
    unknown = [offer for key, offer in keyed if key is None]
    return [offer for _, offer in known] + unknown


def day_change(rate: Decimal, ago: Decimal | None) -> Decimal | None:
    """The relative change against an earlier rate; None if that is not known or was nothing."""
    return (rate - ago) / ago if ago else None


def rate_in(track: Track, at: datetime) -> Decimal | None:
    """What a track says the rate was at an instant; None before it begins."""
    return next((rate for since, rate in reversed(track) if since <= at), None)


def page_of(found: Sequence[Offer], *, after: str, rows: int) -> tuple[list[Offer], str]:
    """The next rows behind the offer named `after`, and the name to go on from (empty: the end)."""
    start = next((i + 1 for i, offer in enumerate(found) if offer.key == after), 0)
    page = list(found[start : start + rows])
    return page, page[-1].key if start + rows < len(found) else ""


def tracks(markets: Collection[int], *, since: datetime) -> dict[SideKey, Track]:
    """How each side's rate went since an instant, from what held then (if it is known) on."""
    found: dict[SideKey, Track] = {}
    then = Terms.objects.filter(market__in=markets).annotate(then=_rate_at(since))
    for market_id, side, rate in then.values_list("market_id", "side", "then"):
        found[market_id, side] = [(since, rate)] if rate is not None else []
    later = RateChange.objects.filter(market__in=markets, at__gt=since).order_by("at", "id")
    for market_id, side, at, rate in later.values_list("market_id", "side", "at", "daily_rate"):
        found.setdefault((market_id, side), []).append((at, rate))
    return found


def watched_since(found: Mapping[SideKey, Track], *, now: datetime) -> datetime | None:
    """Since when these rates are known at all, if that is less than a day; else None."""
    first = min((track[0][0] for track in found.values() if track), default=None)
    return first if first and now - first < DAY else None


def samples(track: Track, *, since: datetime, now: datetime, count: int) -> list[Decimal]:
    """The rate at `count` evenly spaced instants from when it is first known up to now."""
    if not track:
        return []
    since = max(since, track[0][0])
    step = (now - since) / (count - 1)
    values, place = [], 0
    for index in range(count):
        at = since + step * index
        while place < len(track) and track[place][0] <= at:
            place += 1
        if place:
            values.append(track[place - 1][1])
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyOffers:
    """One currency: where it is cheapest, how far the rates reach, and on how many pairs."""

    currency: str
    cheapest: Offer
    dearest: Offer
    pairs: int


def by_currency(found: Iterable[Offer]) -> list[CurrencyOffers]:
    """One row a currency; those on most pairs come first, then by name.

    Only plausible rates of enabled pairs compete for the cheapest, if there are any.
    """
    groups: dict[str, list[Offer]] = {}
    for offer in found:
        groups.setdefault(offer.currency, []).append(offer)
    rows = [_summed_up(currency, group) for currency, group in groups.items()]
    return sorted(rows, key=lambda row: (-row.pairs, row.currency))


def _summed_up(currency: str, group: list[Offer]) -> CurrencyOffers:
    cheapest_first = ordered(group, "daily")
    return CurrencyOffers(
        currency=currency,
        cheapest=cheapest_of(cheapest_first),
        dearest=cheapest_first[-1],
        pairs=len(group),
    )


def cheapest_of(cheapest_first: Sequence[Offer]) -> Offer:
    """The first that is open and plausible; the very first if none is."""
    real = (offer for offer in cheapest_first if offer.enabled and offer.is_plausible)
    return next(real, cheapest_first[0])
