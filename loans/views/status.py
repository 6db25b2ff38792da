"""How the site is doing, for people and for machines."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from loans.bitmart.limits import LIMITS
from loans.htmx import HtmxHttpRequest, render_page
from loans.services import status

BEARER = "Bearer "


@require_safe
def index(request: HtmxHttpRequest) -> HttpResponse:
    """Feeds with their ages, signs of life, what is undecided; more for administrators."""
    now, person = timezone.now(), request.user
    context = {
        "now": now,
        "feeds": status.feed_rows(person, now),
        "parts": status.parts(now),
        "undecided": status.undecided(person),
        "bounds": _bounds(),
    }
    if person.is_staff:
        context |= {
            "refused": status.refused_rows(),
            "versions": status.versions(),
            "call_limits": LIMITS.items(),
            "places": {"Paper": settings.PAPER_BASE_URL, "BitMart": settings.BITMART_BASE_URL},
        }
    return render_page(request, "loans/status.html", context, partials=("status-now",))


@require_safe
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """The gauges as Prometheus text, for whoever sends the token; not there without one set."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if not token:
        raise Http404
    if not constant_time_compare(given, BEARER + token):
        answer = HttpResponse("a token is needed\n", content_type="text/plain", status=401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(_exposition(timezone.now()), content_type="text/plain; version=0.0.4")


def _exposition(now: datetime) -> str:
    lines = []
    for name, rows in status.gauges(now).items():
        lines.append(f"# TYPE marginsite_{name} gauge")
        lines += [f"marginsite_{name}{_labels(labels)} {value}" for labels, value in rows]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _bounds() -> list[tuple[str, str, object]]:
    """The money path's bounds: what each is for, the setting, its seconds."""
    return [
        ("The exchange takes a request for", "MONEY_EXPIRY_SECONDS", settings.MONEY_EXPIRY_SECONDS),
        (
            "then carries it out within",
            "MONEY_PROCESSING_SECONDS",
            settings.MONEY_PROCESSING_SECONDS,
        ),
        ("and lists it within", "MONEY_VISIBILITY_SECONDS", settings.MONEY_VISIBILITY_SECONDS),
        (
            "An instruction waits in the queue for",
            "MONEY_QUEUE_SECONDS",
            settings.MONEY_QUEUE_SECONDS,
        ),
        ("A confirm page holds for", "CONFIRM_MAX_SECONDS", settings.CONFIRM_MAX_SECONDS),
    ]
