"""The history pages: what was borrowed, what was repaid, and how complete that is proven to be.

Thin: reads the query, asks the services, formats, renders. Never asks an exchange.
"""

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, asked_fragment, render_page
from loans.models import Kind
from loans.services import certificates, history, loading, twins
from loans.services.filters import HistoryFilter
from loans.views import history_filter, history_rows
from loans.views.who import accounts_of

PARTS = ("history-table",)


@require_safe
def landing(request: HtmxHttpRequest) -> HttpResponse:
    """Where the history starts: what is proven complete, per account and pair."""
    now = timezone.now()
    accounts = accounts_of(request)
    streams = history_rows.stream_rows(certificates.streams_of(accounts))
    context = {
        "now": now,
        "accounts": accounts,
        "certificate": certificates.certify(accounts),
        "pairs": [row for row in streams if row.is_shown],
        "quiet": sum(not row.needs_a_look and not row.has_rows for row in streams),
        "unread": sum(row.is_unread for row in streams),
        "loads": history_rows.load_rows(loading.loads(accounts, now=now)),
        "is_awaited": loading.is_awaited(accounts),
        "has_live": any(account.is_real_money for account in accounts),
    }
    return render_page(request, "loans/history.html", context, partials=("history-now",))


@require_safe
def records(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    """The list of one kind of record, as filtered."""
    now = timezone.now()
    chosen = _chosen(request)
    after = request.GET.get("after", "")
    is_fragment = asked_fragment(request, PARTS) is not None
    page = history.list_page(kind, chosen, after=after)
    totals = history.totals(kind, chosen)
    context = {
        "now": now,
        "kind": str(kind),
        "chosen": chosen,
        "sort": chosen.sort,
        "page": page,
        "marked": sum(name in chosen.errors for name in history_filter.FIELDS),
        "shown": str(len(page.rows)),
        "bad_place": bool(after) and history.order_of(kind, chosen.sort).read(after) is None,
        "lines": history_rows.lines(kind, page.rows, chosen),
        "totals": history_rows.total_lines(kind, totals),
        "twice": twins.counted_twice(chosen.chosen),
        "row_count": f"{sum(total.count for total in totals):,}",
        "certificate": certificates.certify(
            chosen.chosen, kinds=[kind], symbols=chosen.symbols or None
        ),
        "filter_row": "" if is_fragment else history_filter.filter_row(request.path, chosen),
        "errors_beside": history_filter.errors_beside(chosen) if is_fragment else "",
        "is_fragment": is_fragment,
    }
    return render_page(request, "loans/history_list.html", context, partials=PARTS)


def _chosen(request: HtmxHttpRequest) -> HistoryFilter:
    return history.read(
        request.GET, accounts=accounts_of(request), zone=timezone.get_current_timezone()
    )
