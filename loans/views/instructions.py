"""Instructions: the list of them, and the page that follows one to its outcome.

Reads the database; the two things a person can do here, cancelling and deciding by hand, are
services. Nothing here asks the exchange.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zlib import crc32

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from loans import formatting, venues
from loans.forms.decision import DecisionForm
from loans.htmx import HtmxHttpRequest, asked_fragment, render_page
from loans.models import (
    BEFORE_SENDING,
    HAPPENED,
    Account,
    Instruction,
    InstructionEvent,
    Kind,
    State,
)
from loans.services import (
    debts,
    instruction_lists,
    obstacles,
    quotes,
    recovery,
    refusals,
    stories,
    words,
)
from loans.services import instructions as money
from loans.services.instruction_lists import GROUPS, Filters
from loans.views.trade_pages import band_of, page_url, see_other
from loans.views.who import has_proved_lately, prove_again, take_kept

STORY = "instruction-story"
LEFT_PERIOD, LEFT_WAIT = 5, timedelta(minutes=10)
AGAIN = frozenset(
    {
        State.NOT_SENT,
        State.REJECTED,
        State.EXPIRED,
        State.ABORTED,
        State.CANCELLED,
        State.NOT_EXECUTED,
        State.NOT_EXECUTED_BY_HAND,
    }
)
EVENT_TONES = {
    State.CONFIRMED: "ok",
    State.EXECUTED: "ok",
    State.EXECUTED_BY_HAND: "ok",
    State.UNKNOWN: "warn",
    State.ABORTED: "warn",
    State.NEEDS_HUMAN: "bad",
    State.REJECTED: "bad",
}


@require_safe
def instruction_list(request: HtmxHttpRequest) -> HttpResponse:
    """Everything this person may see, newest first."""
    filters = Filters.read(request.GET)
    page = instruction_lists.page(person=request.user, filters=filters)
    context = {
        "filters": filters,
        "rows": [_row(row) for row in page.rows],
        "next_cursor": page.next_cursor,
        "any_open": any(not row.is_final for row in page.rows),
        "accounts": Account.objects.visible_to(request.user),
        "groups": [(name, label) for name, (label, _) in GROUPS.items()],
        "states": State.choices,
        "kinds": Kind.choices,
        "now": timezone.now(),
    }
    return render_page(request, "loans/instructions.html", context, partials=("instruction-table",))


def _row(instruction: Instruction) -> dict[str, object]:
    return {
        "instruction": instruction,
        "href": reverse("loans:instruction", args=[instruction.pk]),
        "amount": formatting.amount(instruction.amount, instruction.currency),
        "at": formatting.instant(instruction.created_at),
    }


@require_safe
def instruction(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """One instruction, followed to its outcome.

    The page asks again with the mark of what it shows; nothing is sent while nothing has changed,
    so that what somebody types below is never swept away.
    """
    found, now = _visible(request, pk), timezone.now()
    if asked_fragment(request, (STORY,)) and request.GET.get("seen") == _mark(found, now):
        return HttpResponse(status=204)
    decision = _decision_form(request, found, initial=take_kept(request))
    context = _context(request, found, now=now, decision=decision)
    return render_page(request, "loans/instruction.html", context, partials=(STORY,))


def _visible(request: HtmxHttpRequest, pk: UUID) -> Instruction:
    """Give the instruction; for a stranger it does not exist."""
    rows = Instruction.objects.visible_to(request.user).select_related(
        "account", "requested_by", "borrow_record", "repay_record"
    )
    return get_object_or_404(rows, pk=pk)


def _to_act_on(request: HtmxHttpRequest, pk: UUID) -> Instruction:
    found = _visible(request, pk)
    if not _may_act(request, found):
        raise PermissionDenied("Only the owner, traders and managers of an account may do this.")
    return found


def _may_act(request: HtmxHttpRequest, found: Instruction) -> bool:
    return Account.objects.entrusted_to(request.user).filter(pk=found.account_id).exists()


def _context(
    request: HtmxHttpRequest,
    found: Instruction,
    *,
    now: datetime,
    decision: DecisionForm | None,
) -> dict[str, object]:
    facts = stories.Facts(
        now=now,
        horizon=venues.money_bounds().horizon,
        worker=_worker(found, now),
        limit=_limit(found, now),
    )
    story = stories.tell(found, facts)
    events = found.events.select_related("by").order_by("sequence")
    may_act, left = _may_act(request, found), _left(found)
    return {
        "instruction": found,
        "sentence": words.sentence_of(found),
        "story": story,
        "next_in": _next_in(story, now),
        "outcome": words.outcome(found),
        "events": [_event(event) for event in events],
        "may_act": may_act,
        "can_cancel": may_act and found.state in (State.AWAITING_APPROVAL, State.QUEUED),
        "candidates": _candidates(found),
        "decision": decision,
        "asks_for_password": decision is not None and not has_proved_lately(request),
        "again_url": _again_url(found) if may_act and found.state in AGAIN else "",
        "repay_all_is_better": found.code == 51006,
        "left": left,
        "polls": stories.polling_seconds(found) or _polls_for(left, found, now),
        "mark": _mark(found, now),
        "venue_band": band_of(found.account.venue),
        "now": now,
    }


def _next_in(story: stories.Story, now: datetime) -> str:
    """How long until the next step, or nothing; the page's script counts it down."""
    if story.next_at is None or story.next_at <= now:
        return ""
    minutes, seconds = divmod(formatting.whole_seconds(story.next_at, now), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _worker(found: Instruction, now: datetime) -> str:
    return obstacles.worker_sentence(now) if found.state in BEFORE_SENDING else ""


def _mark(found: Instruction, now: datetime) -> str:
    """Changes whenever the page has something new to say."""
    record = found.record.pk if found.record else 0
    rests = found.look_at is None
    words = crc32(f"{_worker(found, now)}{_left(found)}".encode())
    return f"{found.state}-{found.events.count()}-{found.looks}-{record}-{rests}-{words}"


def _event(event: InstructionEvent) -> dict[str, object]:
    moved = event.from_state != event.to_state
    return {
        "title": State(event.to_state).label if moved else "Noted",
        "tone": EVENT_TONES.get(State(event.to_state), "") if moved else "",
        "note": event.note,
        "at": event.at,
        "by": event.by,
    }


def _limit(found: Instruction, now: datetime) -> Decimal | None:
    """The figure that a refusal turns on, as last read."""
    if found.state != State.REJECTED:
        return None
    quote = quotes.of_instruction(found, now=now)
    if quote is None:
        return None
    figures = {
        "borrowable": quote.borrowable,
        "least": quote.min_borrow,
        "owed": quote.debt.total,
        "available": quote.available,
    }
    return refusals.passing_limit(found, figures)


def _again_url(found: Instruction) -> str:
    return page_url(
        found.kind,
        account=found.account_id,
        symbol=found.symbol,
        currency=found.currency,
        amount=formatting.plain(found.amount_confirmed),
    )


def _left(found: Instruction) -> dict[str, object] | None:
    """After repaying everything: what is still owed, once figures from after it are there."""
    if not (found.repay_all and found.state in HAPPENED):
        return None
    debt = debts.of_slot(account=found.account, symbol=found.symbol, currency=found.currency)
    is_newer = debt.as_of is not None and debt.as_of > found.settled_at
    return {"debt": debt, "is_newer": is_newer}


def _polls_for(left: dict[str, object] | None, found: Instruction, now: datetime) -> int | None:
    """Whether to ask again for the figures from after a repayment, which come within minutes."""
    is_awaited = left is not None and not left["is_newer"]
    return LEFT_PERIOD if is_awaited and now - found.settled_at < LEFT_WAIT else None


# --- What a person can do ----------------------------------------------------------------------


@require_POST
def cancel(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Take back an instruction that no worker has taken yet."""
    recovery.heed_journal(venues.journal(), now=timezone.now())
    found = _to_act_on(request, pk)
    try:
        money.cancel(
            instruction=found,
            person=request.user,
            now=timezone.now(),
            address=request.META.get("REMOTE_ADDR"),
        )
    except money.TooLate as late:
        messages.warning(request, str(late))
    else:
        messages.success(request, "Cancelled. Nothing was sent.")
    return see_other(reverse("loans:instruction", args=[pk]))


def _decision_form(
    request: HtmxHttpRequest, found: Instruction, *, initial: dict[str, str]
) -> DecisionForm | None:
    if found.state != State.NEEDS_HUMAN or not _may_act(request, found):
        return None
    return DecisionForm(records=_records(found), initial=initial)


def _records(found: Instruction) -> list[tuple[str, str]]:
    """The candidates in words; they are shown in full beside the form."""
    return [
        (
            str(candidate["record_id"]),
            f"{candidate['record_id']}: {candidate['amount']} {found.currency}",
        )
        for candidate in found.candidates
    ]


def _candidates(found: Instruction) -> list[dict[str, object]]:
    """The candidates with their figures as values, for the table."""
    return [
        candidate
        | {
            "amount": Decimal(candidate["amount"]),
            "at": datetime.fromisoformat(candidate["at"]),
        }
        for candidate in found.candidates
    ]


@require_POST
def decide(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Record what a person knows of an instruction that the records do not settle.

    It overrules the site's own caution, so the password is asked for; the typing stays.
    """
    found, now = _to_act_on(request, pk), timezone.now()
    if found.state != State.NEEDS_HUMAN:
        messages.warning(request, "It needs no decision any more.")
        return see_other(reverse("loans:instruction", args=[pk]))
    form = DecisionForm(request.POST, records=_records(found))
    if form.is_valid() and not has_proved_lately(request):
        then = reverse("loans:instruction", args=[pk])
        return prove_again(request, then=then, keep=form.cleaned_data)
    if form.is_valid():
        try:
            money.decide_by_hand(
                instruction=found,
                person=request.user,
                executed=form.executed,
                record_id=form.cleaned_data["record"] or None,
                reason=form.cleaned_data["reason"],
                now=now,
                address=request.META.get("REMOTE_ADDR"),
            )
        except money.TooLate as late:
            messages.warning(request, str(late))
            return see_other(reverse("loans:instruction", args=[pk]))
        except money.NotAllowed as why:
            form.add_error(None, str(why))
        else:
            return see_other(reverse("loans:instruction", args=[pk]))
    context = _context(request, found, now=now, decision=form)
    return render_page(request, "loans/instruction.html", context, status=422)
