"""The switches of a key and of the whole site: each a button that posts, and nothing else."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from loans import tasks
from loans.forms.keys import ModeForm
from loans.htmx import HtmxHttpRequest
from loans.models import Account, Kind
from loans.services import keys, paper_keys, rights, stops
from loans.services.audit import By
from loans.services.keys import Declined
from loans.tasks.bell import ring
from loans.views.keys import see_other
from loans.views.who import has_proved_lately, prove_again, who

Deed = Callable[[Account, By], str]


@require_POST
def act(request: HtmxHttpRequest, pk: UUID, deed: str) -> HttpResponse:
    """Throw one switch of a key that the person runs, and say what that means."""
    account = get_object_or_404(keys.run_by(request.user), pk=pk)
    if deed not in DEEDS:
        raise Http404
    needs_proof = deed in LOOSENING and account.is_real_money
    if needs_proof and not has_proved_lately(request):
        return prove_again(request, then=reverse("loans:key", args=[pk]))
    try:
        with transaction.atomic():
            words = DEEDS[deed](account, who(request, timezone.now()))
    except Declined as exc:
        messages.error(request, str(exc))
    else:
        messages.success(request, words)
    return see_other("loans:key", pk) if "page" in request.POST else see_other("loans:keys")


@require_POST
def change_mode(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Say whether anything else moves money on this exchange account."""
    account = get_object_or_404(keys.run_by(request.user), pk=pk)
    form = ModeForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the two.")
    elif account.is_real_money and not has_proved_lately(request):
        return prove_again(request, then=reverse("loans:key", args=[pk]))
    else:
        mode = Account.Mode(form.cleaned_data["mode"])
        try:
            keys.change_mode(account, mode=mode, by=who(request, timezone.now()))
        except keys.Declined as exc:
            messages.error(request, str(exc))
        else:
            messages.success(request, f"{account.label}: {mode.label.lower()}.")
    return see_other("loans:key", pk)


@require_POST
def act_on_site(request: HtmxHttpRequest, deed: str) -> HttpResponse:
    """Throw the switch for everything; administrators only."""
    if not request.user.is_staff:
        raise PermissionDenied
    if deed not in SITE_DEEDS:
        raise Http404
    if deed in LOOSENING and not has_proved_lately(request):
        return prove_again(request, then=reverse("loans:keys"))
    reason = request.POST.get("reason", "").strip()[:200]
    messages.success(request, SITE_DEEDS[deed](who(request, timezone.now()), reason))
    return see_other("loans:keys")


def _check(account: Account, by: By) -> str:
    if not keys.ask_check(account, by=by):
        raise Declined(f"{account.label} is being checked already, or is disabled.")
    transaction.on_commit(lambda: ring(tasks.check_key, str(account.pk)))
    return f"{account.label} is being checked."


def _probe(account: Account, by: By) -> str:
    by.record("probes_asked", account)
    transaction.on_commit(lambda: ring(tasks.probe_account, str(account.pk)))
    return "The exchange is being probed; nothing but reads is sent. Reload in a moment."


def _probe_expiry(account: Account, by: By) -> str:
    if sentence := rights.refusal(person=by.person, account=account, kind=Kind.BORROW):
        raise Declined(sentence)
    by.record("expiry_probe_asked", account)
    transaction.on_commit(lambda: ring(tasks.probe_expiry, str(account.pk)))
    return "A borrow of nothing with a time 61 seconds old is being sent. Reload in a moment."


def _retry(account: Account, by: By) -> str:
    if paper_keys.retry(account, by=by):
        transaction.on_commit(lambda: ring(tasks.connect_paper_key, str(account.pk)))
    return "The paper exchange is asked again."


def _disable(account: Account, by: By) -> str:
    keys.disable(account, by=by)
    return (
        f"{account.label} is disabled: nothing is called with its key but to look up what was sent."
    )


def _enable(account: Account, by: By) -> str:
    keys.enable(account, by=by)
    transaction.on_commit(lambda: ring(tasks.check_key, str(account.pk)))
    return f"{account.label} is enabled and being checked."


def _stop(account: Account, by: By) -> str:
    stops.stop_account(account, by=by)
    return f"{account.label} is stopped: nothing is sent. What was sent is still looked up."


def _release(account: Account, by: By) -> str:
    stops.release_account(account, by=by)
    return f"{account.label} is released."


def _repay_only(account: Account, by: By) -> str:
    stops.set_account_repay_only(account, on=True, by=by)
    return f"{account.label} repays, and does not borrow."


def _borrow_again(account: Account, by: By) -> str:
    stops.set_account_repay_only(account, on=False, by=by)
    return f"{account.label} may borrow again."


def _allow_money(account: Account, by: By) -> str:
    keys.allow_money(account, allowed=True, by=by)
    return f"{account.label} may borrow and repay."


def _forbid_money(account: Account, by: By) -> str:
    keys.allow_money(account, allowed=False, by=by)
    return f"{account.label} only reads now."


DEEDS: dict[str, Deed] = {
    "check": _check,
    "retry": _retry,
    "disable": _disable,
    "enable": _enable,
    "stop": _stop,
    "release": _release,
    "repay-only": _repay_only,
    "borrow-again": _borrow_again,
    "allow-money": _allow_money,
    "forbid-money": _forbid_money,
    "probe": _probe,
    "probe-expiry": _probe_expiry,
}


def _stop_site(by: By, reason: str) -> str:
    stops.stop_site(by=by, reason=reason)
    return "Everything is stopped: nothing is sent. What was sent is still looked up."


def _release_site(by: By, reason: str) -> str:
    stops.release_site(by=by)
    return "The stop is released."


def _site_repay_only(by: By, reason: str) -> str:
    stops.set_site_repay_only(on=True, by=by)
    return "Everybody repays, and nobody borrows."


def _site_borrow_again(by: By, reason: str) -> str:
    stops.set_site_repay_only(on=False, by=by)
    return "Everybody may borrow again."


SITE_DEEDS: dict[str, Callable[[By, str], str]] = {
    "stop": _stop_site,
    "release": _release_site,
    "repay-only": _site_repay_only,
    "borrow-again": _site_borrow_again,
}

# What lets more happen than before, or signs a borrow, asks for proof; what lets less happen never
# waits for it.
LOOSENING = frozenset({"release", "borrow-again", "allow-money", "enable", "probe-expiry"})
