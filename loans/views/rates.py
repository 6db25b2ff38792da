"""What borrowing costs: the table of all pairs and sides, by currency, and the page of a pair."""

from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, Feed, Venue
from loans.services import lights, rates_file
from loans.services import pair as pairs
from loans.services import rates as offers_of
from loans.services.rates import Offer
from loans.views.pair_rows import change_rows, chart, debt_rows, side_cards
from loans.views.rates_query import MAX_ROWS, ROWS, RatesQuery
from loans.views.rates_rows import (
    SPARK_SPAN,
    Viewpoint,
    currency_rows,
    rate_row,
)

SPANS = {
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "1y": timedelta(days=365),
}
USUAL_SPAN = "7d"
CHANGES = 50


@require_safe
@login_required
def rates(request: HtmxHttpRequest) -> HttpResponse:
    """Every pair and side of a venue, or every currency with where it is cheapest."""
    now = timezone.now()
    venues = _venues(request)
    accounts = _accounts(request, venues[0])
    query = RatesQuery(request.GET, venue=venues[0], accounts=accounts)
    found = _found(query, now=now)
    shown = _by_currency if query.by_currency and not query.wanted.currency else _by_pair
    context = {
        "query": query,
        "sort": query.sort,
        "venues": sorted(venues),
        "venue": venues[0],
        "venue_band": _band(venues[0]),
        "now": now,
        "account": query.account,
        "amount": query.amount_words,
        "cost_head": f"{query.amount_words} for {query.hours} h",
        **shown(query, found, now=now),
    }
    return render_page(request, "loans/rates.html", context, partials=("rate-table", "rate-rows"))


def _found(query: RatesQuery, *, now: datetime) -> list[Offer]:
    found = offers_of.offers(query.wanted, account=query.account)
    if query.sort.removeprefix("-") != "change":
        return offers_of.ordered(found, query.sort)
    ago = offers_of.day_ago_rates(query.venue, now=now)
    return offers_of.ordered_by_change(found, ago, backwards=query.sort.startswith("-"))


@require_safe
@login_required
def rates_csv(request: HtmxHttpRequest) -> HttpResponse:
    """All rows of the table that the same query shows, as a file."""
    now, venue = timezone.now(), _venues(request)[0]
    query = RatesQuery(request.GET, venue=venue, accounts=_accounts(request, venue))
    text = rates_file.rates_csv(_found(query, now=now), venue=venue)
    name = f"rates-{venue}-{now:%Y%m%dT%H%M%SZ}.csv"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=disposition)


def _by_pair(query: RatesQuery, found: list[Offer], *, now: datetime) -> dict[str, object]:
    page, after = offers_of.page_of(found, after=query.asked("after") or "", rows=query.rows)
    best, open_to_me = _best(query, found)
    seen = _viewpoint(query, page, now=now)
    return {
        "rows": [rate_row(offer, seen) for offer in page],
        "best": rate_row(best, seen) if best else None,
        "open": rate_row(open_to_me, seen) if open_to_me else None,
        "count": len(found),
        "after": after,
        "next_rows": min(query.rows + ROWS, MAX_ROWS) if query.rows < MAX_ROWS else None,
        "feed": seen.feed,
        "watched": offers_of.watched_since(seen.tracks, now=now),
    }


def _by_currency(query: RatesQuery, found: list[Offer], *, now: datetime) -> dict[str, object]:
    groups = offers_of.by_currency(found)
    page = groups[: query.rows]
    seen = _viewpoint(query, [group.cheapest for group in page], now=now)
    return {
        "currencies": currency_rows(page, seen),
        "count": len(groups),
        "next_rows": query.rows + ROWS if query.rows < min(len(groups), MAX_ROWS) else None,
        "feed": seen.feed,
        "watched": offers_of.watched_since(seen.tracks, now=now),
    }


def _best(query: RatesQuery, found: list[Offer]) -> tuple[Offer | None, Offer | None]:
    """Where one currency is compared: the cheapest offer, and the cheapest open to the account."""
    if not (query.wanted.currency and found):
        return None, None
    cheapest_first = offers_of.ordered(found, "daily")
    open_to_me = (offer for offer in cheapest_first if offer.can_be_borrowed)
    return offers_of.cheapest_of(cheapest_first), next(open_to_me, None)


def _viewpoint(query: RatesQuery, shown: list[Offer], *, now: datetime) -> Viewpoint:
    markets = {offer.market_id for offer in shown}
    return Viewpoint(
        now=now,
        amount=query.amount,
        hours=query.hours,
        account=query.account,
        venue=query.venue,
        feed=_feed(query.venue),
        tracks=offers_of.tracks(markets, since=now - SPARK_SPAN),
    )


def _feed(venue: str) -> Feed | None:
    return Feed.objects.filter(venue=venue, account=None, name=Feed.Name.PAIRS).first()


def _accounts(request: HtmxHttpRequest, venue: str) -> list[Account]:
    """The person's accounts at a venue whose figures may be shown, the usual one first."""
    visible = Account.objects.visible_to(request.user).connected()
    return lights.sound_first(list(visible.filter(venue=venue).order_by("label", "pk")))


def _venues(request: HtmxHttpRequest) -> list[str]:
    """Venues with rates, the one to show first: the one asked for, else where the person's keys
    are, real money before paper.
    """
    known = offers_of.venues_with_rates() or [Venue.PAPER]
    mine = set(Account.objects.kept().visible_to(request.user).values_list("venue", flat=True))
    asked = request.GET.get("venue")
    return sorted(
        known, key=lambda venue: (venue != asked, venue not in mine, venue == Venue.PAPER, venue)
    )


def _band(venue: str) -> str:
    return "live" if Venue(venue).is_real_money else "paper"


@require_safe
@login_required
def rate(request: HtmxHttpRequest, symbol: str) -> HttpResponse:
    """One pair: both sides, how their rates went, what the person owes there."""
    now = timezone.now()
    market = pairs.market_of(symbol, venues=_venues(request))
    if market is None:
        raise Http404("No such pair")
    accounts = _accounts(request, market.venue)
    query = RatesQuery(request.GET, venue=market.venue, accounts=accounts)
    span = request.GET.get("span") if request.GET.get("span") in SPANS else USUAL_SPAN
    since = now - SPANS[span]
    last = request.GET.get("after", "")
    changes, more = pairs.changes(
        market, before_id=int(last) if last.isdecimal() and len(last) < 19 else None, rows=CHANGES
    )
    seen = _viewpoint(query, [], now=now)
    tracks = pairs.rate_tracks(market, since=since)
    marks = pairs.loan_marks(accounts, market, since=since)
    context = {
        "market": market,
        "venue_band": _band(market.venue),
        "now": now,
        "query": query,
        "sides": side_cards(market, seen, pairs.borrowable_by(accounts, market)),
        "debts": debt_rows(pairs.debts(accounts, market), market),
        "span": span,
        "spans": list(SPANS),
        "chart": chart(market, tracks, marks, since=since, now=now),
        "changes": change_rows(changes),
        "after": changes[-1].id if more else None,
        "feed": seen.feed,
    }
    return render_page(request, "loans/rate.html", context, partials=("rate-changes",))
