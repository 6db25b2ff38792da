"""The statement of an account's month: a page to read and to print, and the same as a file.

Thin: reads the query, asks the services, formats, renders. Never asks an exchange.
"""

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account
from loans.services import exports, stating
from loans.services.statement import Statement
from loans.services.statement_query import Wanted, read_wanted
from loans.views import statement_rows


@require_safe
def statement(request: HtmxHttpRequest) -> HttpResponse:
    """A month of an account, from what was owed at its beginning to what was owed at its end."""
    now = timezone.now()
    zone = timezone.get_current_timezone()
    accounts = stating.used_first(Account.objects.visible_to(request.user))
    wanted = read_wanted(request.GET, accounts=accounts, now=now, zone=zone)
    context = {"now": now, "accounts": accounts, "wanted": wanted, "kind": "statement"}
    if wanted.account:
        months = stating.months_of(wanted.account, now=now, zone=wanted.zone)
        present = set() if "month" in wanted.errors else {wanted.month}
        context["months"] = sorted({*months, *present}, reverse=True)
        context["venue_band"] = "live" if wanted.account.is_real_money else "paper"
    if wanted.account and not wanted.errors:
        context["statement"] = _state(wanted)
    status = 422 if wanted.errors else 200
    with timezone.override(wanted.zone):  # a link shows everybody what its maker saw
        if made := context.get("statement"):
            context |= statement_rows.present(made, now=now, reader_zone=str(zone))
        return render_page(request, "loans/statement.html", context, status=status)


@require_safe
def statement_csv(request: HtmxHttpRequest) -> HttpResponse:
    """The same lines as a file."""
    now = timezone.now()
    zone = timezone.get_current_timezone()
    accounts = stating.used_first(Account.objects.visible_to(request.user))
    wanted = read_wanted(request.GET, accounts=accounts, now=now, zone=zone)
    if wanted.errors or not wanted.account:
        lines = [f"{name}: {sentence}" for name, sentence in wanted.errors.items()]
        text = "\n".join(["This file was not made.", *(lines or ["You have no account."]), ""])
        return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
    made = _state(wanted)
    lines = exports.joined(statement_rows.file_lines(made), head=statement_rows.file_head(made))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = exports.safe_name("statement", made.account.label, str(made.month), str(made.zone))
    response.headers["Content-Disposition"] = content_disposition_header(True, f"{name}.csv")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _state(wanted: Wanted) -> Statement:
    return stating.state(
        wanted.account,
        wanted.month,
        zone=wanted.zone,
        as_of=wanted.as_of,
        with_now=not wanted.is_fixed,
    )
