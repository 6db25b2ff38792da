"""What needs attention now, each with a way out."""

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from loans.htmx import HtmxHttpRequest, render_page
from loans.services import attention


@require_safe
def index(request: HtmxHttpRequest) -> HttpResponse:
    """Everything that needs this person now, the most urgent first."""
    now = timezone.now()
    context = {"now": now, "needs": attention.needs(request.user, now)}
    return render_page(request, "loans/alerts.html", context, partials=("needs",))
