"""Listings of one pair's records that are proven complete for a span, or said not to be."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from loans.bitmart.client import Client
from loans.bitmart.responses import Listing
from loans.models import Kind
from loans.services.matching import Listed, distinct, is_whole

PAGE = 100
PAD = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was listed, whether it is everything since the asked instant, and the venue's clock."""

    records: tuple[Listed, ...]
    is_complete: bool
    venue_now: datetime | None
    how: str
    by_window: bool = False  # rests on the exchange applying the times it is asked for


def list_since(client: Client, *, symbol: str, kind: str, since: datetime) -> Evidence:
    """List what a pair has since `since`, by at most three calls.

    1. Unfiltered: short, or reaching back beyond `since` in order: complete.
    2. Otherwise a window from `since`, believed only if it is short and the same form of call has
       given back a known record for its own second (units, filters and bounds work as we think).

    Raises: ReadError as the client does.
    """
    ask = client.borrow_records if kind == Kind.BORROW else client.repay_records
    page: Listing = ask(symbol, size=PAGE)
    records, _ = distinct(page)
    if any(record.symbol != symbol for record in records):
        return Evidence(tuple(records), False, page.exchange_at, "rows of another pair")
    if is_whole(page, since=since):
        how = "the whole list" if page.is_short else "the list back to before the signing"
        return Evidence(tuple(records), True, page.exchange_at, how)
    if page.refused or not records:
        return Evidence(tuple(records), False, page.exchange_at, "unreadable rows")
    return _windowed(ask, symbol=symbol, since=since, seen=records)


def _windowed(
    ask: Callable[..., Listing], *, symbol: str, since: datetime, seen: list[Listed]
) -> Evidence:
    known = min(seen, key=lambda record: record.at)
    control = ask(symbol, start=known.at - PAD, end=known.at + PAD, size=PAGE)
    filters_work = any(record.record_id == known.record_id for record in distinct(control)[0])
    filters_work &= all(abs(r.at - known.at) <= 2 * PAD for r in distinct(control)[0])
    newest = max(record.at for record in seen)
    window = ask(symbol, start=since - PAD, end=max(newest, since) + timedelta(days=1), size=PAGE)
    records, consistent = distinct(window)
    complete = filters_work and consistent and window.is_short and not window.refused
    complete &= all(record.symbol == symbol for record in records)
    everything = {record.record_id: record for record in [*seen, *records]}
    how = "a short window, with a known record as control"
    return Evidence(tuple(everything.values()), complete, window.exchange_at, how, by_window=True)
