"""Rendering the borrow, repay and confirm pages: contexts in words and ready figures.

Shared by the views that show the form and those that take the confirmation. Nothing here places
an instruction or asks a venue.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse

from loans import formatting, venues
from loans.forms.trade import Choice, TradeForm, amount_problem
from loans.htmx import HtmxHttpRequest, asked_fragment, render_page
from loans.models import Instruction, Kind, State, Venue
from loans.services import confirmations, obstacles, quotes, tags, words
from loans.services.confirmations import Confirmation
from loans.services.obstacles import Obstacle
from loans.services.quotes import Preview, Quote
from loans.views.who import has_proved_lately

FORM_PARTIALS = ("trade-panel", "trade-quote")
RISK_LEVELS = {"1": "low", "2": "medium", "3": "high"}


def see_other(url: str) -> HttpResponse:
    """Send the browser on with 303: what follows is a GET, whatever came before."""
    return HttpResponse(status=303, headers={"Location": url})


def page_url(kind: str, **fields: object) -> str:
    """The form page of a kind, filled in."""
    known = {name: value for name, value in fields.items() if value}
    url = reverse(f"loans:{kind}")
    return f"{url}?{urlencode(known)}" if known else url


def band_of(venue: str) -> str:
    """The band of a page about one account."""
    return "live" if Venue(venue).is_real_money else "paper"


@dataclass(frozen=True, kw_only=True)
class Portion:
    """A button that fills in part of the most: its words, the exact text, and the page with it."""

    words: str
    amount: str
    href: str


def form_page(
    request: HtmxHttpRequest,
    form: TradeForm,
    *,
    now: datetime,
    typed: str = "",
    status: int = 200,
    notice: str = "",
    taken: Instruction | None = None,
) -> HttpResponse:
    """The form with everything known about the choice beside it."""
    choice, quote = form.choice, form.quote
    context = {
        "kind": choice.kind,
        "is_borrow": choice.kind == Kind.BORROW,
        "form": form,
        "choice": choice,
        "typed": typed,
        "notice": notice,
        "taken": taken,
        "now": now,
        "page_url": page_url(choice.kind),
        "venue_band": band_of(choice.account.venue) if choice.account else "",
        "is_beside_form": asked_fragment(request, FORM_PARTIALS) == "trade-quote",
        **_quote_context(request, choice, quote, typed, is_said=form.is_bound),
    }
    return render_page(request, "loans/trade.html", context, partials=FORM_PARTIALS, status=status)


def _quote_context(
    request: HtmxHttpRequest, choice: Choice, quote: Quote | None, typed: str, *, is_said: bool
) -> dict[str, object]:
    """`is_said` means that the form itself says beside the field what is wrong."""
    if quote is None:
        return {"quote": None, "obstacles": (), "portions": (), "problem": ""}
    in_the_way_now = in_the_way(request, quote)
    is_blocked = any(one.blocks for one in in_the_way_now)
    problem = amount_problem(typed) if typed else ""
    preview = None
    if typed and not problem:
        preview = quote.preview(Decimal(typed))
        problem = "" if is_blocked else quotes.refusal(quote, preview.amount)
    return {
        "quote": quote,
        "obstacles": in_the_way_now,
        "is_blocked": is_blocked,
        "portions": _portions(choice, quote),
        "preview": preview,
        # What cannot be done has no cost, and leaves nothing owed.
        "forecast": None if problem or is_blocked else preview,
        "problem": "" if is_said else problem,
        "bar_words": _bar_words(quote, preview),
        "risk_level": RISK_LEVELS.get(quote.margin.risk_level, "") if quote.margin else "",
    }


def in_the_way(request: HtmxHttpRequest, quote: Quote) -> list[Obstacle]:
    """What is in the way of whoever asks, what blocks first."""
    return obstacles.found(quote, person=request.user, bounds=venues.money_bounds())


def _bar_words(quote: Quote, preview: Preview | None) -> str:
    if preview is None or not quote.most:
        return ""
    most = formatting.grouped(quote.most)
    rest = "that you can borrow" if quote.kind == Kind.BORROW else "that you can repay"
    return f"{formatting.grouped(preview.amount)} of {most} {quote.currency} {rest}"


def _portions(choice: Choice, quote: Quote) -> list[Portion]:
    slot = {
        "account": choice.account.pk,
        "symbol": quote.market.symbol,
        "currency": quote.currency,
    }
    return [
        Portion(words=text, amount=amount, href=page_url(choice.kind, **slot, amount=amount))
        for text, amount in quote.portions()
    ]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a valid form asks for, with the quote it was held against."""

    quote: Quote
    amount: Decimal
    cap: Decimal | None
    repay_all: bool

    @classmethod
    def of(cls, form: TradeForm) -> "Asked":
        """Read a valid form."""
        amount = form.cleaned_data["amount"]
        cap = form.quote.repay_cap if form.repay_all else None
        return cls(quote=form.quote, amount=amount, cap=cap, repay_all=form.repay_all)


def confirm_page(
    request: HtmxHttpRequest,
    asked: Asked,
    *,
    now: datetime,
    status: int = 200,
    notice: str = "",
    token: str = "",
    seen: Confirmation | None = None,
    untick: bool = False,
) -> HttpResponse:
    """What will be sent, what it costs and changes; with `token` the same page once more.

    `seen` is what an earlier page showed: differences to it are named. `untick` says that a box
    which has to be ticked was not.
    """
    quote = asked.quote
    holder = obstacles.open_in_slot(quote)
    context = {
        "kind": quote.kind,
        "is_borrow": quote.kind == Kind.BORROW,
        "asked": asked,
        "quote": quote,
        "preview": quote.preview(asked.amount),
        "sent_amount": formatting.digits(asked.amount, grouped=False),
        "sentence": words.sentence(
            kind=quote.kind,
            amount=asked.amount,
            currency=quote.currency,
            symbol=quote.market.symbol,
            label=quote.account.label,
            is_real_money=quote.account.is_real_money,
        ),
        "button": words.button(
            kind=quote.kind,
            amount=asked.amount,
            currency=quote.currency,
            is_real_money=quote.account.is_real_money,
            whole=asked.repay_all,
        ),
        "obstacles": in_the_way(request, quote),
        "beside": holder,
        "asks_for_password": not has_proved_lately(request),
        "twin": obstacles.recent_twin(quote, asked.amount),
        "untick": untick,
        "changes": _changes(asked, seen),
        "notice": notice,
        "now": now,
        "token": token or _new_token(request, asked, now),
        "again": _again(asked),
        "tagged": _tagged(asked, now),
        "back_url": page_url(quote.kind, **_again(asked)),
        "page_url": page_url(quote.kind),
        "confirm_url": reverse(f"loans:confirm_{quote.kind}"),
        "wait_seconds": formatting.plain(settings.CONFIRM_MIN_SECONDS),
        "venue_band": band_of(quote.account.venue),
        "risk_level": RISK_LEVELS.get(quote.margin.risk_level, "") if quote.margin else "",
    }
    return render_page(request, "loans/confirm.html", context, status=status)


def _again(asked: Asked) -> dict[str, str]:
    """The fields that ask for the same once more."""
    fields = {
        "account": str(asked.quote.account.pk),
        "symbol": asked.quote.market.symbol,
        "currency": asked.quote.currency,
    }
    if asked.repay_all:
        return fields | {"repay_all": "1"}
    return fields | {"amount": formatting.plain(asked.amount)}


def _tagged(asked: Asked, now: datetime) -> dict[str, str] | None:
    """The fields that ask for an amount which tells this one from others' on the same account."""
    quote = asked.quote
    if asked.repay_all:
        return None
    amount = tags.offer(
        account=quote.account,
        kind=quote.kind,
        symbol=quote.market.symbol,
        currency=quote.currency,
        amount=asked.amount,
        highest=quote.most,
        now=now,
    )
    return _again(asked) | {"amount": formatting.plain(amount)} if amount else None


def _new_token(request: HtmxHttpRequest, asked: Asked, now: datetime) -> str:
    quote = asked.quote
    return Confirmation(
        person=str(request.user.pk),
        session=confirmations.session_mark(request.session.session_key),
        account=str(quote.account.pk),
        kind=quote.kind,
        symbol=quote.market.symbol,
        currency=quote.currency,
        amount=asked.amount,
        amount_cap=asked.cap,
        repay_all=asked.repay_all,
        rate_shown=quote.daily_rate,
        owed_shown=quote.debt.total,
        nonce=confirmations.new_nonce(),
        shown_at=now,
    ).text()


def _changes(asked: Asked, seen: Confirmation | None) -> list[tuple[str, str, str]]:
    """What is different from the page seen before, as (what, before, now)."""
    if seen is None:
        return []
    quote, unit = asked.quote, f" {asked.quote.currency}"
    pairs = [
        (
            "Rate a day",
            formatting.percent_text(seen.rate_shown),
            formatting.percent_text(quote.daily_rate),
        ),
        (
            "Owed now",
            formatting.plain(seen.owed_shown) + unit,
            formatting.plain(quote.debt.total) + unit,
        ),
        (
            "Amount",
            formatting.plain(seen.amount) + unit,
            formatting.plain(asked.amount) + unit,
        ),
    ]
    return [(what, before, after) for what, before, after in pairs if before != after]


def needs_tick(quote: Quote, amount: Decimal, ticked: set[str]) -> bool:
    """Whether something unusual has not been ticked: an equal one just now, or one beside it."""
    holder = obstacles.open_in_slot(quote)
    beside = holder is not None and holder.state in (State.UNKNOWN, State.NEEDS_HUMAN)
    if beside and "in_addition" not in ticked:
        return True
    return obstacles.recent_twin(quote, amount) is not None and "again" not in ticked
