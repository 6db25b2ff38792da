"""The rates a venue was seen to ask, of many pairs at once. Reads only."""

from collections.abc import Collection
from datetime import datetime

from loans import replay
from loans.models import RateChange, Side


def seen_rates(
    venue: str, symbols: Collection[str], *, until: datetime
) -> dict[tuple[str, str], replay.VenueRates]:
    """Every rate seen up to an instant, oldest first, by pair and currency. One query."""
    found: dict[tuple[str, str], list[replay.RateFrom]] = {}
    rows = RateChange.objects.filter(
        market__venue=venue, market__symbol__in=symbols, at__lte=until
    ).order_by("at", "id")
    columns = ("market__symbol", "side", "market__base", "market__quote", "at", "daily_rate")
    for symbol, side, base, quote, at, daily_rate in rows.values_list(*columns):
        currency = base if side == Side.BASE else quote
        found.setdefault((symbol, currency), []).append(replay.RateFrom(at, daily_rate))
    return {key: replay.VenueRates(seen) for key, seen in found.items()}
