"""What is owed now, debt by debt, and the story of one loan.

Thin: asks the services, formats, renders. Never asks an exchange, never moves money.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, BorrowRecord
from loans.services import (
    certificates,
    exports,
    forecasts,
    loan_costs,
    loan_story,
    open_replays,
    overview,
    twins,
)
from loans.services.position import Position
from loans.services.positions import positions
from loans.views import loan_rows, story_rows

CHARGE_HEAD = ["hours", "number", "charged_at", "principal", "daily_rate", "charge", "so_far"]


@require_safe
@login_required
def loans(request: HtmxHttpRequest) -> HttpResponse:
    """Every debt: by the exchange's word, and beside it by our records."""
    now = timezone.now()
    accounts = list(Account.objects.visible_to(request.user))
    tradable = set(Account.objects.tradable_by(request.user).values_list("pk", flat=True))
    debts = positions(accounts, now=now)
    context = {
        "now": now,
        "accounts": accounts,
        "debts": loan_rows.debt_rows(
            debts, open_replays.label(debts, now=now), tradable=tradable, now=now
        ),
        "sums": loan_rows.sum_rows(overview.sums(debts), now=now),
        "twice": twins.counted_twice(accounts),
        "certificate": certificates.certify(accounts),
        "unread": _unread(accounts, debts),
        "may_trade": bool(tradable),
    }
    return render_page(request, "loans/loans.html", context, partials=("loan-table",))


def _unread(accounts: Sequence[Account], debts: Sequence[Position]) -> str:
    """The accounts of which nothing is known yet, by name; those without a key tell nothing."""
    kept = [account for account in accounts if account.removed_at is None]
    unread = overview.never_read(kept, debts, overview.freshness(kept))
    return ", ".join(account.label for account in unread)


@require_safe
@login_required
def loan(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """The story of one loan."""
    now = timezone.now()
    record = _record(request, uuid)
    story = loan_story.tell(record, now=now)
    can_trade = Account.objects.tradable_by(request.user).filter(pk=record.account_id).exists()
    forecast = forecasts.ask(
        story, request.GET.get("until", ""), zone=timezone.get_current_timezone()
    )
    context = {
        "now": now,
        "record": record,
        "venue_band": "live" if record.account.is_real_money else "paper",
        "can_trade": can_trade,
        "together": loan_costs.decide_quickly(account=record.account, now=now),
        **story_rows.present(story),
        **story_rows.present_forecast(forecast, record.currency),
    }
    status = 422 if forecast.error else 200
    return render_page(request, "loans/loan.html", context, status=status)


@require_safe
@login_required
def charges_csv(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """Every charge of one loan's replay as a file."""
    record = _record(request, uuid)
    story = loan_story.tell(record, now=timezone.now())
    zone = timezone.get_current_timezone()

    def lines() -> Iterator[list[str]]:
        for hours, number, charge, so_far in loan_story.ledger(story):
            figures = (charge.principal, charge.daily_rate, charge.amount, so_far)
            cells = [exports.number_cell(figure) for figure in figures]
            yield [
                hours.name.lower(),
                str(number),
                exports.time_cell(charge.at, zone),
                *cells,
            ]

    response = StreamingHttpResponse(
        exports.joined(lines(), head=CHARGE_HEAD), content_type="text/csv; charset=utf-8"
    )
    name = exports.safe_name("charges", record.symbol, record.currency, record.record_id)
    response.headers["Content-Disposition"] = content_disposition_header(True, f"{name}.csv")
    return response


def _record(request: HtmxHttpRequest, uuid: UUID) -> BorrowRecord:
    """The loan, if the person may see it."""
    visible = BorrowRecord.objects.filter(account__in=Account.objects.visible_to(request.user))
    return get_object_or_404(visible.select_related("account"), uuid=uuid)
