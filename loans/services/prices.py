"""Last prices of a venue's pairs, for values in a common currency. Public: no key is needed."""

from datetime import datetime

from django.db import transaction

from loans.bitmart.client import Client
from loans.models import Market
from loans.services import refused
from loans.services.changed_rows import unfit, write_changed

SOURCE = "quotation/tickers"


def refresh_prices(*, client: Client, venue: str, now: datetime) -> int:
    """Write prices that changed; how many did.

    A pair without trades for a day is not listed: its price keeps its age.
    Raises: ReadError.
    """
    listing = client.tickers()
    refused.keep(listing.refused, venue=venue, source=SOURCE, now=now)
    prices = {
        ticker.symbol: ticker.last
        for ticker in listing.rows
        if not unfit(Market, {"last_price": ticker.last})
    }
    with transaction.atomic():
        markets = list(Market.objects.filter(venue=venue, symbol__in=prices))
        changed = [market for market in markets if market.last_price != prices[market.symbol]]
        for market in changed:
            market.last_price = prices[market.symbol]
        write_changed(changed, ("last_price",))
        Market.objects.filter(pk__in=[market.pk for market in markets]).update(price_as_of=now)
    return len(changed)
