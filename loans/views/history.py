"""The history pages: what was borrowed, what was repaid, and how complete that is proven to be.

Thin: reads the query, asks the services, formats, renders. Never asks an exchange.
"""

from django.http import HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, answer_fragment, asked_fragment, render_page
from loans.models import Kind
from loans.services import certificates, history, loading
from loans.services.filters import HistoryFilter
from loans.views import history_filter, history_rows, history_table
from loans.views.who import accounts_of


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
        "quiet": sum(row.is_quiet for row in streams),
        "unread": sum(row.is_unread for row in streams),
        "loads": history_rows.load_rows(loading.loads(accounts, now=now)),
        "is_awaited": loading.is_awaited(accounts),
        "has_live": any(account.is_real_money for account in accounts),
    }
    return render_page(request, "loans/history.html", context, partials=("history-now",))


@require_safe
def records(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    """The list of one kind of record, as filtered."""
    chosen = _chosen(request)
    fragment = asked_fragment(request, (history_table.WHOLE, history_table.ROWS))
    context = {"kind": str(kind), "chosen": chosen}
    if not chosen.accounts and fragment is None:
        return render_page(request, "loans/history_list.html", context)
    page = history.list_page(kind, chosen, after=request.GET.get("after", ""))
    rows = history_table.rows(kind, page, chosen, request)
    if fragment == history_table.ROWS:
        return answer_fragment("".join(rows))
    now = timezone.now()
    certificate = certificates.certify(
        chosen.chosen,
        kinds=[kind],
        symbols=chosen.symbols or None,
        since=chosen.since,
        until=chosen.until,
        now=now,
        pairs_of=chosen.accounts if fragment is None else (),
    )
    table = history_table.table(
        kind,
        chosen,
        rows,
        totals=history.totals(kind, chosen),
        certificate=certificate,
        now=now,
        is_fragment=fragment is not None,
    )
    if fragment == history_table.WHOLE:
        return answer_fragment("".join(table))
    context |= {
        "filter_row": history_filter.filter_row(request.path, chosen, certificate.pairs, now=now),
        "table": SafeString("".join(table)),
    }
    return render_page(request, "loans/history_list.html", context)


def _chosen(request: HtmxHttpRequest) -> HistoryFilter:
    return history.read(
        request.GET, accounts=accounts_of(request), zone=timezone.get_current_timezone()
    )
