"""The first page: what is owed, what it costs, what needs the person, and how fresh all of it is.

Thin: asks the services, formats, renders. Never asks an exchange.
"""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from loans import formatting
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, Venue
from loans.services import overview as figures
from loans.services import twins
from loans.services.attention import needs
from loans.services.position import Position
from loans.services.positions import positions
from loans.views import loan_rows


@require_safe
@login_required
def overview(request: HtmxHttpRequest) -> HttpResponse:
    """Everything that matters now, on one page."""
    now = timezone.now()
    accounts = list(Account.objects.visible_to(request.user).kept())
    if not accounts:
        context = {"now": now, "movers": _movers([Venue.PAPER], now=now)}
        return render_page(request, "loans/overview_empty.html", context)
    debts = positions(accounts, now=now)
    feeds = figures.freshness(accounts)
    unread = figures.never_read(accounts, debts, feeds)
    context = {
        "now": now,
        "needs": needs(request.user, now),
        "venues": _venues(debts, accounts, unread, now=now),
        "twice": twins.counted_twice(accounts),
        "by_account": _by_account(accounts, debts, unread, now=now),
        "movers": _movers(sorted({account.venue for account in accounts}), now=now),
        "instructions": figures.last_instructions(request.user),
        "feeds": feeds,
    }
    return render_page(request, "loans/overview.html", context, partials=("overview-body",))


def _venues(
    debts: Sequence[Position],
    accounts: Sequence[Account],
    unread: Sequence[Account],
    *,
    now: datetime,
) -> list[dict[str, object]]:
    """What is owed per venue: paper money and real money are never added up."""
    found = []
    for venue in sorted({Venue(account.venue) for account in accounts}):
        sums = figures.sums([debt for debt in debts if debt.account.venue == venue])
        whole = figures.whole(sums)
        found.append(
            {
                "venue": venue,
                "whole": loan_rows.whole_words(whole),
                "as_of": whole.as_of,
                "price_as_of": whole.price_as_of,
                "sums": loan_rows.sum_rows(sums, now=now),
                "unread": ", ".join(one.label for one in unread if one.venue == venue),
            }
        )
    return found


def _by_account(
    accounts: Sequence[Account],
    debts: Sequence[Position],
    unread: Sequence[Account],
    *,
    now: datetime,
) -> list[dict[str, object]]:
    return [
        {
            "account": one.account,
            "is_unread": one.account in unread,
            "debts": one.debts,
            **loan_rows.whole_words(one.whole),
            "risk": loan_rows.risk_chip(one.riskiest),
            "riskiest": one.riskiest,
            "as_of": one.figures.last_success_at if one.figures else None,
            "period": one.figures.period_seconds if one.figures else 60,
        }
        for one in figures.by_account(accounts, debts)
    ]


def _movers(venues: Sequence[str], *, now: datetime) -> list[dict[str, object]]:
    """The rates that moved most, as strings."""
    return [
        {
            "offer": mover.offer,
            "venue": venue,
            "rate": formatting.percent(mover.offer.daily_rate, places=4),
            "change": formatting.change(mover.change),
            "spark": formatting.sparkline(
                mover.went, label=f"{mover.offer.currency} on {mover.offer.symbol}, 24 hours"
            ),
        }
        for venue in venues
        for mover in figures.movers(venue, now=now)
    ][: figures.MOST_MOVED]
