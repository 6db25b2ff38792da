"""The four usual ways to keep up with a listing, each as it is often written. Each loses records.

They read the same exchanges at the same instants as the product does; where none of them lost
anything, the exchanges would prove nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from loans.bitmart.responses import Listing
from loans.services.windows import instant_of
from tests.proofs.random_exchange import BEGIN_MS, EPOCH, MS, V_MS, RandomExchange

Way = Callable[[RandomExchange, Iterable[int]], set[str]]
BEGIN = EPOCH + BEGIN_MS * MS


def _now(exchange: RandomExchange, at_ms: int) -> datetime:
    exchange.now_ms = max(exchange.now_ms, at_ms)
    return EPOCH + exchange.now_ms * MS


def _ids(page: Listing) -> set[str]:
    return {row.record_id for row in page.rows}


def _split(exchange: RandomExchange, lo: datetime, hi: datetime) -> set[str]:
    """Halves until a page is short: the one thing that this way does right."""
    page = exchange.page(lo, hi)
    if page.is_short or hi - lo <= MS:
        return _ids(page)
    middle = lo + (hi - lo) // (2 * MS) * MS
    return _split(exchange, lo, middle) | _split(exchange, middle + MS, hi)


def next_window_after_the_end(exchange: RandomExchange, instants: Iterable[int]) -> set[str]:
    """Each window begins where the one before ended."""
    seen, start = set(), BEGIN
    for at_ms in instants:
        end = _now(exchange, at_ms)
        seen |= _split(exchange, start, end)
        start = end + MS
    return seen


def one_page_is_enough(exchange: RandomExchange, instants: Iterable[int]) -> set[str]:
    """Since the last time, with an overlap, but one page of it."""
    seen, start = set(), BEGIN
    for at_ms in instants:
        end = _now(exchange, at_ms)
        seen |= _ids(exchange.page(start, end))
        start = end - timedelta(milliseconds=2 * V_MS)
    return seen


def backwards_from_the_oldest(exchange: RandomExchange, instants: Iterable[int]) -> set[str]:
    """Pages backwards, each ending just before the oldest record of the one before."""
    seen: set[str] = set()
    for at_ms in instants:
        end = _now(exchange, at_ms)
        while True:
            page = exchange.page(None, end)
            fresh = _ids(page) - seen
            seen |= fresh
            if page.is_short or not fresh:
                break
            end = min(map(instant_of, page.rows)) - MS
    return seen


def from_the_newest_on(exchange: RandomExchange, instants: Iterable[int]) -> set[str]:
    """Only what is newer than the newest record seen."""
    seen, start = set(), BEGIN
    for at_ms in instants:
        _now(exchange, at_ms)
        while True:
            page = exchange.page(start, None)
            fresh = _ids(page) - seen
            seen |= fresh
            if not fresh:
                break
            start = max(map(instant_of, page.rows)) + MS
    return seen


WAYS: Mapping[str, Way] = {
    "next window after the end": next_window_after_the_end,
    "one page is enough": one_page_is_enough,
    "backwards from the oldest": backwards_from_the_oldest,
    "from the newest on": from_the_newest_on,
}
