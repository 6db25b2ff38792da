"""The audit page: who did what, when and from where."""

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from loans.forms.audit import AuditFilterForm
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account
from loans.services import audit_list, keys
from loans.views import audit_rows
from loans.views.who import accounts_of


@require_safe
def index(request: HtmxHttpRequest) -> HttpResponse:
    """The events that this person may see, newest first."""
    person = request.user
    accounts = Account.objects.all() if person.is_staff else keys.run_by(person, removed_too=True)
    acted = audit_list.visible_to(person).values("actor_id")
    form = AuditFilterForm(
        request.GET,
        accounts=accounts.filter(owner__isnull=False),
        people=User.objects.filter(pk__in=acted).order_by("username"),
    )
    found = audit_list.page(person, form.wanted())
    context = {
        "now": timezone.now(),
        "form": form,
        "rows": audit_rows.rows(
            found.events, seen={account.pk for account in accounts_of(request)}
        ),
        "next_id": found.next_id,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
    }
    return render_page(request, "loans/audit.html", context, partials=("audit-rows",))
