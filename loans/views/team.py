"""The team page: who sees which account, and sharing."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from loans.forms.shares import RoleForm, ShareForm
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, AccountShare
from loans.services import keys, shares, team_list
from loans.services.keys import Declined
from loans.services.rights import has_second_factor
from loans.views.keys import see_other
from loans.views.who import has_proved_lately, prove_again, who


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HtmxHttpRequest) -> HttpResponse:
    """Who sees what; on POST share one more account."""
    form = ShareForm(
        request.POST or None,
        accounts=keys.run_by(request.user),
        colleagues=shares.colleagues_of(request.user),
        initial={"account": request.GET.get("account")},
    )
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        if _needs_proof(request, fields["account"]):
            return prove_again(request, then=reverse("loans:team"))
        try:
            _grant(request, fields["account"], fields["person"], fields["role"])
        except Declined as exc:
            form.add_error("person", str(exc))
        else:
            return see_other("loans:team")
    context = {
        "now": timezone.now(),
        "form": form,
        "rows": team_list.shared_accounts(request.user),
        "roles": shares.OFFERED.items(),
        "people": _people() if request.user.is_staff else [],
    }
    wrong = form.is_bound and not form.is_valid()
    return render_page(request, "loans/team.html", context, status=422 if wrong else 200)


@require_POST
def change(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Give a share another role, or end it."""
    mine = AccountShare.objects.filter(account__in=keys.run_by(request.user))
    share = get_object_or_404(mine.select_related("account", "person"), pk=pk)
    if "end" in request.POST:
        shares.revoke(share, by=who(request, timezone.now()))
        messages.success(request, f"{share.person} does not see {share.account} any more.")
        return see_other("loans:team")
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles.")
    elif _needs_proof(request, share.account):
        return prove_again(request, then=reverse("loans:team"))
    else:
        _grant(request, share.account, share.person, form.cleaned_data["role"])
    return see_other("loans:team")


def _needs_proof(request: HtmxHttpRequest, account: Account) -> bool:
    return account.is_real_money and not has_proved_lately(request)


def _grant(request: HtmxHttpRequest, account: Account, person: User, role: str) -> None:
    by = who(request, timezone.now())
    shares.grant(account, person=person, role=AccountShare.Role(role), by=by)
    messages.success(
        request, f"{person} is now {AccountShare.Role(role).name.lower()} of {account}."
    )


def _people() -> list[tuple[User, bool]]:
    return [(person, has_second_factor(person)) for person in team_list.people()]
