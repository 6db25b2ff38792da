"""The borrow and repay pages: choose, type, look, confirm. The last step places an instruction.

No page here asks the exchange anything: figures come from what was last read, and the worker reads
them again before it sends.
"""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from loans import formatting, venues
from loans.forms.trade import OnlyLooking, TradeForm, Unreachable, choose
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, Instruction, Kind
from loans.services import confirmations, instructions
from loans.services.confirmations import Confirmation, TokenRefused, TooQuick
from loans.tasks import send_instruction
from loans.tasks.bell import ring
from loans.views.trade_pages import (
    Asked,
    confirm_page,
    form_page,
    in_the_way,
    needs_tick,
    page_url,
    see_other,
)
from loans.views.who import has_proved_lately, prove_again

WORSE_RATE = Decimal("1.01")  # the same bound as the worker's last look before sending
CHOSEN = ("account", "symbol", "currency", "amount")
UNTICKED = "Tick the box if you mean it. Nothing was placed."


@require_http_methods(["GET", "HEAD", "POST"])
def borrow(request: HtmxHttpRequest) -> HttpResponse:
    """Ask for a loan: the form, then what will be sent."""
    return _trade(request, Kind.BORROW)


@require_http_methods(["GET", "HEAD", "POST"])
def repay(request: HtmxHttpRequest) -> HttpResponse:
    """Repay a loan, in part or whole: the form, then what will be sent."""
    return _trade(request, Kind.REPAY)


@require_POST
def confirm_borrow(request: HtmxHttpRequest) -> HttpResponse:
    """Place the borrow that was shown."""
    return _confirm_or_look(request, Kind.BORROW)


@require_POST
def confirm_repay(request: HtmxHttpRequest) -> HttpResponse:
    """Place the repayment that was shown."""
    return _confirm_or_look(request, Kind.REPAY)


def _trade(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    now = timezone.now()
    posted = request.method == "POST"
    fields = request.POST if posted else request.GET
    asks = "show" not in fields if posted else _links_to_repay_all(kind, fields)
    try:
        if asks:
            return _ask(request, kind, fields, now=now)
        if posted:  # without script, "Show" only chooses
            return see_other(page_url(kind, **{name: fields.get(name, "") for name in CHOSEN}))
        return _blank(request, kind, fields, now=now)
    except OnlyLooking as why:
        return _only_looking(request, kind, str(why))


def _links_to_repay_all(kind: Kind, fields: QueryDict) -> bool:
    """Whether a link asks to look at repaying everything; like the post, that places nothing."""
    named = ("account", "symbol", "currency", "repay_all")
    return kind == Kind.REPAY and all(fields.get(name) for name in named)


def _only_looking(request: HtmxHttpRequest, kind: Kind, why: str) -> HttpResponse:
    context = {"kind": kind, "why": why, "page_url": page_url(kind)}
    return render_page(request, "loans/trade_refused.html", context, status=403)


def _blank(
    request: HtmxHttpRequest,
    kind: Kind,
    fields: QueryDict,
    *,
    now: datetime,
    status: int = 200,
    notice: str = "",
) -> HttpResponse:
    """The form, filled in as far as the query says."""
    choice = _choose(request, fields, kind, is_final=False)
    typed = fields.get("amount", "").strip()[:64]
    form = TradeForm(choice=choice, now=now, initial={"amount": typed})
    return form_page(request, form, now=now, typed=typed, status=status, notice=notice)


def _choose(request: HtmxHttpRequest, fields: QueryDict, kind: Kind, *, is_final: bool) -> object:
    try:
        return choose(fields, person=request.user, kind=kind, is_final=is_final)
    except Unreachable as exc:
        raise Http404("no such account") from exc


def _ask(
    request: HtmxHttpRequest,
    kind: Kind,
    fields: QueryDict,
    *,
    now: datetime,
    status: int = 200,
    **shown: object,
) -> HttpResponse:
    """Check what was typed and show what would be sent, or say what is in the way."""
    form = TradeForm(fields, choice=_choose(request, fields, kind, is_final=True), now=now)
    typed = fields.get("amount", "").strip()[:64]
    notice = str(shown.get("notice", ""))
    if not form.is_valid():
        status = 422 if status == 200 else status
        return form_page(request, form, now=now, typed=typed, status=status, notice=notice)
    obstacle = next((one for one in in_the_way(request, form.quote) if one.blocks), None)
    if obstacle:
        return form_page(
            request, form, now=now, typed=typed, status=409,
            notice=notice or obstacle.sentence, taken=obstacle.instruction,
        )  # fmt: skip
    return confirm_page(request, Asked.of(form), now=now, status=status, **shown)


def _confirm_or_look(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    try:
        return _confirm(request, kind)
    except OnlyLooking as why:
        return _only_looking(request, kind, str(why))


def _confirm(request: HtmxHttpRequest, kind: Kind) -> HttpResponse:
    """Place what the token says, or show the page anew with the reason why not.

    1. A token that placed already leads to its instruction, however old it is by now.
    2. It must be this person's, this session's, this kind's, and young; but not quicker than
       anybody reads.
    3. What is unusual must be ticked, and the rate must not have become worse. In addition to one
       that may have happened, the person has proved lately who they are.
    """
    now, token = timezone.now(), request.POST.get("token", "")
    try:
        seen = confirmations.read(token, person_id=request.user.pk)
        if placed := _placed(request, seen):
            return see_other(reverse("loans:instruction", args=[placed.pk]))
        confirmations.check(
            seen,
            kind=kind,
            session_key=request.session.session_key,
            now=now,
            min_seconds=settings.CONFIRM_MIN_SECONDS,
            max_seconds=settings.CONFIRM_MAX_SECONDS,
        )
    except TokenRefused as refused:
        return _anew(request, kind, seen=refused.seen, notice=str(refused), now=now)
    except TooQuick:
        least = formatting.plain(settings.CONFIRM_MIN_SECONDS)
        notice = (
            f"Nothing was placed: these figures were shown for less than {least} seconds. Look at "
            "them, then press once more."
        )
        return _same(request, kind, seen, token=token, notice=notice, now=now)
    return _place(request, kind, seen, token=token, now=now)


def _placed(request: HtmxHttpRequest, seen: Confirmation) -> Instruction | None:
    return Instruction.objects.filter(nonce=seen.nonce, requested_by=request.user).first()


def _place(
    request: HtmxHttpRequest, kind: Kind, seen: Confirmation, *, token: str, now: datetime
) -> HttpResponse:
    form = _form_of(request, kind, seen, now=now)
    ticked = {name for name in ("again", "in_addition") if request.POST.get(name)}
    if form.quote is None:
        return _anew(request, kind, seen=seen, notice="The pair cannot be shown now.", now=now)
    if form.quote.is_too_old or _is_worse(form, seen):
        notice = "The figures have changed or are too old. Nothing was placed; here they are anew."
        return _anew(request, kind, seen=seen, notice=notice, now=now)
    if needs_tick(form.quote, seen.amount, ticked):
        return _same(request, kind, seen, token=token, notice=UNTICKED, now=now, status=422)
    if "in_addition" in ticked and not has_proved_lately(request):
        return prove_again(request, then=page_url(kind, **_fields_of(seen).dict()))
    try:
        placed = _write(request, seen, now=now, in_addition="in_addition" in ticked)
    except instructions.SlotTaken as taken:
        return _taken(request, kind, seen, taken.instruction, now=now)
    except instructions.NotAllowed as why:
        return _anew(request, kind, seen=seen, notice=f"{why} Nothing was placed.", now=now)
    transaction.on_commit(lambda: ring(send_instruction, str(placed.pk)))
    return see_other(reverse("loans:instruction", args=[placed.pk]))


def _write(
    request: HtmxHttpRequest, seen: Confirmation, *, now: datetime, in_addition: bool
) -> Instruction:
    return instructions.place(
        person=request.user,
        account=Account.objects.get(pk=seen.account),
        kind=seen.kind,
        symbol=seen.symbol,
        currency=seen.currency,
        amount=seen.amount,
        amount_cap=seen.amount_cap,
        repay_all=seen.repay_all,
        rate_shown=seen.rate_shown,
        nonce=seen.nonce,
        now=now,
        expires_at=now + venues.money_bounds().queue,
        address=request.META.get("REMOTE_ADDR"),
        in_addition=in_addition,
    )


def _is_worse(form: TradeForm, seen: Confirmation) -> bool:
    """Whether a loan has become dearer than was shown; repaying is never held up by the rate."""
    return seen.kind == Kind.BORROW and form.quote.daily_rate > seen.rate_shown * WORSE_RATE


def _fields_of(seen: Confirmation) -> QueryDict:
    fields = QueryDict(mutable=True)
    for name in ("account", "symbol", "currency"):
        fields[name] = getattr(seen, name)
    if seen.repay_all:
        fields["repay_all"] = "1"
    else:
        fields["amount"] = format(seen.amount, "f")
    return fields


def _form_of(
    request: HtmxHttpRequest, kind: Kind, seen: Confirmation, *, now: datetime
) -> TradeForm:
    choice = _choose(request, _fields_of(seen), kind, is_final=True)
    return TradeForm(_fields_of(seen), choice=choice, now=now)


def _same(
    request: HtmxHttpRequest,
    kind: Kind,
    seen: Confirmation,
    *,
    token: str,
    notice: str,
    now: datetime,
    status: int = 200,
) -> HttpResponse:
    """The same page again with the same token."""
    form = _form_of(request, kind, seen, now=now)
    if form.quote is None:
        return _anew(request, kind, seen=seen, notice=notice, now=now)
    asked = Asked(
        quote=form.quote, amount=seen.amount, cap=seen.amount_cap, repay_all=seen.repay_all
    )
    return confirm_page(
        request, asked, now=now, status=status, notice=notice, token=token, untick=status == 422
    )


def _anew(
    request: HtmxHttpRequest, kind: Kind, *, seen: Confirmation | None, notice: str, now: datetime
) -> HttpResponse:
    """A fresh page with the figures of the old one: nothing typed is lost, nothing is placed."""
    fields = _fields_of(seen) if seen else request.POST
    if not (fields.get("amount") or fields.get("repay_all")):
        return _blank(request, kind, QueryDict(), now=now, status=409, notice=notice)
    return _ask(request, kind, fields, now=now, status=409, notice=notice, seen=seen)


def _taken(
    request: HtmxHttpRequest,
    kind: Kind,
    seen: Confirmation,
    holder: Instruction,
    *,
    now: datetime,
) -> HttpResponse:
    """Somebody was first in this slot: their instruction is linked, the typing is kept."""
    form = _form_of(request, kind, seen, now=now)
    typed = format(seen.amount, "f")
    notice = "Nothing was placed: another instruction is still open in this place."
    return form_page(request, form, now=now, typed=typed, status=409, notice=notice, taken=holder)
