"""The Keys pages: what is connected, adding, replacing and removing. Nothing here calls a venue:
a worker does, and the page follows it.
"""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loans import tasks, venues
from loans.forms.keys import AddKeyForm, CredentialsForm, LabelForm, ModeForm
from loans.forms.shares import ShareForm
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, SiteState, Venue
from loans.services import key_cards, keys, loading, paper_keys, shares
from loans.services.keys import Declined, TooMany
from loans.tasks.bell import ring
from loans.views import history_rows
from loans.views.who import has_proved_lately, prove_again, take_kept, who

SECRETS = ("access_key", "secret", "memo")
KEPT_IF_WRONG = "For your safety the key is not shown again: please put it in once more."
NOT_KEPT = "It is you. For your safety the key was not kept meanwhile: please put it in once more."
PLAIN = ("label", "allow_money")  # what of a new key is no secret


def see_other(name: str, *args: object) -> HttpResponse:
    """Go on to a page after a POST."""
    response = HttpResponseRedirect(reverse(name, args=args))
    response.status_code = 303
    return response


@require_safe
def index(request: HtmxHttpRequest) -> HttpResponse:
    """Every key that the person has or may use."""
    now = timezone.now()
    found = key_cards.cards(request.user, now=now)
    context = {
        "now": now,
        "cards": found,
        "is_waiting": any(card.is_waiting for card in found),
        "removed": key_cards.removed(request.user),
        "site": SiteState.load(),
    }
    return render_page(request, "loans/keys.html", context, partials=("key-cards",))


@require_safe
def page(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """One key: its lights, its switches, and with whom it is shared."""
    now = timezone.now()
    visible = Account.objects.visible_to(request.user).kept()
    account = get_object_or_404(visible, pk=pk)
    context = {
        "now": now,
        "card": key_cards.card(account, request.user, now=now),
        "accounts": [account],
        "venue_band": _band(account),
        "is_probed": venues.is_probed(account),
        "loads": history_rows.load_rows(loading.loads([account], now=now)),
        "label_form": LabelForm(initial={"label": account.label}),
        "mode_form": ModeForm(initial={"mode": account.mode}),
        "share_form": ShareForm(
            accounts=keys.run_by(request.user), colleagues=shares.colleagues_of(request.user)
        ),
    }
    return render_page(request, "loans/key.html", context, partials=("key-card",))


@require_POST
def connect_paper(request: HtmxHttpRequest) -> HttpResponse:
    """One click: a worker asks the paper exchange for a key with balances and a past."""
    try:
        with transaction.atomic():
            account = paper_keys.ask(by=who(request, timezone.now()))
            transaction.on_commit(lambda: ring(tasks.connect_paper_key, str(account.pk)))
    except TooMany as exc:
        messages.error(request, str(exc))
    return see_other("loans:keys")


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HtmxHttpRequest) -> HttpResponse:
    """Add a key that the person has."""
    wanted = request.POST.get("venue") or request.GET.get("venue", "")
    if wanted == Venue.BITMART and not has_proved_lately(request):
        keep = {name: request.POST[name] for name in PLAIN if request.POST.get(name)}
        then = f"{reverse('loans:key_add')}?venue={Venue.BITMART}"
        return prove_again(request, then=then, keep=keep)
    kept = take_kept(request)
    named = {"venue": wanted or Venue.PAPER, "label": request.GET.get("label", "")}
    form = AddKeyForm(request.POST or None, initial=named | kept)
    if request.method == "POST" and form.is_valid():
        try:
            account = _add(request, form)
        except TooMany as exc:
            form.add_error(None, str(exc))
        except Declined as exc:
            form.add_error("access_key", str(exc))
        else:
            messages.success(request, f"{account.label} is added and being checked.")
            return see_other("loans:keys")
    context = {"site": SiteState.load(), "note": NOT_KEPT if kept else ""}
    if wanted == Venue.BITMART:
        context["venue_band"] = "live"
    return _form_page(request, "loans/key_add.html", form, context)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def replace(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Put another key, or a corrected one, into an account that keeps its history."""
    account = get_object_or_404(keys.owned_by(request.user), pk=pk)
    if account.is_real_money and not has_proved_lately(request):
        return prove_again(request, then=request.path)
    form = CredentialsForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _replace(request, account, form)
        except Declined as exc:
            form.add_error(None, str(exc))
        else:
            messages.success(request, f"{account.label} has its new key, which is being checked.")
            return see_other("loans:key", account.pk)
    return _form_page(
        request, "loans/key_replace.html", form, {"account": account, "venue_band": _band(account)}
    )


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Say what removing means; on POST destroy the key and keep the history."""
    account = get_object_or_404(keys.owned_by(request.user), pk=pk)
    if account.is_real_money and not has_proved_lately(request):
        return prove_again(request, then=request.path)
    declined = ""
    if request.method == "POST":
        try:
            keys.remove(account, by=who(request, timezone.now()))
        except Declined as exc:
            declined = str(exc)
        else:
            messages.success(request, f"The key of {account.label} is destroyed.")
            return see_other("loans:keys")
    context = {"account": account, "declined": declined, "venue_band": _band(account)}
    return render_page(request, "loans/key_remove.html", context, status=409 if declined else 200)


@require_POST
def rename(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Give an account another name."""
    account = get_object_or_404(keys.run_by(request.user), pk=pk)
    form = LabelForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"The name was not changed: {form.errors['label'][0]}")
        return redirect("loans:key", pk)
    keys.rename(account, label=form.cleaned_data["label"], by=who(request, timezone.now()))
    messages.success(request, "The name is changed.")
    return see_other("loans:key", pk)


def _add(request: HtmxHttpRequest, form: AddKeyForm) -> Account:
    fields = form.cleaned_data
    with transaction.atomic():
        account = keys.add(
            venue=Venue(fields["venue"]),
            label=fields["label"],
            credentials=fields["credentials"],
            allow_money=fields["allow_money"],
            sealing=_sealing(),
            by=who(request, timezone.now()),
        )
        _check_soon(account)
    return account


def _replace(request: HtmxHttpRequest, account: Account, form: CredentialsForm) -> None:
    with transaction.atomic():
        keys.replace(
            account,
            credentials=form.cleaned_data["credentials"],
            sealing=_sealing(),
            by=who(request, timezone.now()),
        )
        _check_soon(account)


def _check_soon(account: Account) -> None:
    transaction.on_commit(lambda: ring(tasks.check_key, str(account.pk)))


def _sealing() -> keys.Sealing:
    return keys.Sealing(venues.keyring(), settings.FINGERPRINT_PEPPER)


def _band(account: Account) -> str:
    return "live" if account.is_real_money else "paper"


def _form_page(
    request: HtmxHttpRequest, template: str, form: CredentialsForm, context: dict[str, object]
) -> HttpResponse:
    """The form again; what was typed is kept, except the key."""
    wrong = form.is_bound and not form.is_valid()
    context["form"] = form
    if form.is_bound:
        context["note"] = KEPT_IF_WRONG
    return render_page(request, template, context, status=422 if wrong else 200)
