"""The history pages: what was borrowed, what was repaid, and how complete that is proven to be.

Thin: reads the query, asks the services, formats, renders. Never asks an exchange.
"""

import re
from collections.abc import Mapping

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, Kind
from loans.services import certificates, exports, history, loading
from loans.services.filters import HistoryFilter
from loans.views import history_rows

FIELDS = ("q", "account", "symbol", "currency", "from", "to")
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NAMES = {Kind.BORROW: "borrows", Kind.REPAY: "repays"}


@require_safe
def landing(request: HtmxHttpRequest) -> HttpResponse:
    """Where the history starts: what is proven complete, per account and pair."""
    now = timezone.now()
    accounts = list(Account.objects.visible_to(request.user))
    streams = history_rows.stream_rows(certificates.streams_of(accounts))
    context = {
        "now": now,
        "accounts": accounts,
        "certificate": certificates.certify(accounts),
        "pairs": [row for row in streams if row.is_shown],
        "quiet": sum(not row.needs_a_look and not row.has_rows for row in streams),
        "unread": sum(row.is_unread for row in streams),
        "loads": history_rows.load_rows(loading.loads(accounts, now=now)),
    }
    return render_page(request, "loans/history.html", context, partials=("history-now",))


@require_safe
def records(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    """The list of one kind of record, as filtered."""
    now = timezone.now()
    chosen = _chosen(request)
    after = request.GET.get("after", "")
    page = history.list_page(kind, chosen, after=after)
    totals = history.totals(kind, chosen)
    context = {
        "now": now,
        "kind": str(kind),
        "chosen": chosen,
        "sort": chosen.sort,
        "page": page,
        "bad_place": bool(after) and history.order_of(kind, chosen.sort).read(after) is None,
        "rows": history_rows.present(kind, page.rows, chosen),
        "totals": history_rows.present_totals(totals),
        "row_count": f"{sum(total.count for total in totals):,}",
        "certificate": certificates.certify(
            chosen.chosen, kinds=[kind], symbols=chosen.symbols or None
        ),
        **_form(chosen),
        "csv_url": reverse(f"loans:history_{NAMES[kind]}_csv"),
    }
    return render_page(request, "loans/history_list.html", context, partials=("history-table",))


@require_safe
def records_csv(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    """The same rows as a file, streamed."""
    chosen = _chosen(request)
    if chosen.errors:
        return HttpResponse(_refusal(chosen.errors), status=400, content_type="text/plain")
    response = StreamingHttpResponse(
        exports.csv_pieces(kind, chosen), content_type="text/csv; charset=utf-8"
    )
    name = exports.file_name(kind, chosen, ending="csv")
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _chosen(request: HtmxHttpRequest) -> HistoryFilter:
    accounts = Account.objects.visible_to(request.user)
    return history.read(request.GET, accounts=accounts, zone=timezone.get_current_timezone())


def _form(chosen: HistoryFilter) -> dict[str, object]:
    """What the filter row needs: its lists, with the present choice always among them, and fields
    that can hold what was typed.
    """
    symbols = certificates.symbols_with_rows(chosen.accounts)
    currencies = sorted({part for symbol in symbols for part in symbol.rsplit("_", 1)})
    return {
        "symbols": _with(symbols, chosen.symbol),
        "currencies": _with(currencies, chosen.currency),
        "from_type": _date_type(chosen, "from"),
        "to_type": _date_type(chosen, "to"),
        "filter_errors": [(name, chosen.errors.get(name, "")) for name in FIELDS],
    }


def _with(names: list[str], present: str) -> list[str]:
    return names if not present or present in names else sorted([*names, present])


def _date_type(chosen: HistoryFilter, name: str) -> str:
    """A date field cannot show an instant or a slip; a text field can."""
    typed = chosen.typed[name]
    fits = not typed or (DATE.fullmatch(typed) and name not in chosen.errors)
    return "date" if fits else "text"


def _refusal(errors: Mapping[str, str]) -> str:
    lines = [f"{name}: {sentence}" for name, sentence in errors.items()]
    return "\n".join(["This file was not made, because the filter cannot be read.", *lines, ""])
