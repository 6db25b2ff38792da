"""The rate table as a file: exactly the offers of the page, every one of them, figures in full."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC

from loans import interest
from loans.services.exports import number_cell, text_cell, time_cell
from loans.services.rates import Offer

HEAD = (
    "venue",
    "symbol",
    "side",
    "currency",
    "daily_rate",
    "hourly_rate",
    "apr",
    "apy",
    "min_borrow",
    "max_borrow",
    "borrowable",
    "max_leverage",
    "enabled",
    "plausible",
    "differs_by_key",
    "as_of",
)


def rates_csv(found: Iterable[Offer], *, venue: str) -> str:
    """CSV by RFC 4180; rates are fractions (0.00055 is 0.055 % a day), times are UTC."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(HEAD)
    lines.writerows(_line(offer, venue) for offer in found)
    return text.getvalue()


def _line(offer: Offer, venue: str) -> list[str]:
    rate = offer.daily_rate
    rates = (rate, interest.hourly_rate(rate), interest.apr(rate), interest.apy(rate))
    limits = (offer.min_borrow, offer.max_borrow, offer.borrowable, offer.max_leverage)
    claims = (offer.enabled, offer.is_plausible, offer.differs_by_key)
    return [
        *(text_cell(name) for name in (venue, offer.symbol, offer.side, offer.currency)),
        *(number_cell(figure) for figure in (*rates, *limits)),
        *("yes" if claim else "no" for claim in claims),
        time_cell(offer.as_of, UTC),
    ]
