"""Debts and loans as ready strings for their pages. Presentation only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from loans import formatting
from loans.models import MarginAccount
from loans.services.open_replays import Labels, slot_of
from loans.services.overview import Sum, Whole
from loans.services.position import Position, Slot

LEVELS = {"1": ("ok", "low risk"), "2": ("warn", "medium risk"), "3": ("bad", "high risk")}
FIGURES_PERIOD = 60
RATE_PLACES = 4


@dataclass(frozen=True, slots=True)
class DebtRow:
    """One debt as the table prints it; `_recorded` figures are the records', below the others."""

    position: Position
    owed: SafeString
    principal: SafeString
    principal_recorded: SafeString
    interest: SafeString
    interest_recorded: SafeString
    drift: SafeString
    replay: SafeString
    cost: SafeString
    cost_of_month: SafeString
    rate_now: SafeString
    rate_then: SafeString
    since: SafeString
    loans: str
    loan_href: str
    risk: SafeString
    incomplete: str
    query: str
    may_trade: bool


def debt_rows(
    positions: Iterable[Position],
    labels: Mapping[Slot, Labels],
    *,
    tradable: set,
    now: datetime,
) -> list[DebtRow]:
    """The debts as strings."""
    return [
        _debt(one, labels.get(slot_of(one)), may_trade=one.account.pk in tradable, now=now)
        for one in positions
    ]


def _debt(one: Position, labels: Labels | None, *, may_trade: bool, now: datetime) -> DebtRow:
    source = "isolated account, by the exchange" if one.exchange else "our records"
    age = formatting.age(
        one.as_of, now=now, period_seconds=FIGURES_PERIOD, source=source, focusable=True
    )
    return DebtRow(
        position=one,
        owed=formatting.amount(one.owed, one.currency),
        principal=formatting.amount(one.principal),
        principal_recorded=_recorded(one, one.recorded.principal),
        interest=formatting.amount(one.interest),
        interest_recorded=_recorded(one, one.recorded.interest),
        drift=_drift(one),
        replay=replay_chip(one, labels),
        cost=formatting.amount(one.cost_per_day),
        cost_of_month=formatting.amount(one.cost_of_month),
        rate_now=formatting.percent(one.rate_now, places=RATE_PLACES),
        rate_then=_then(one.rates_then),
        since=_since(one, now),
        loans=_loans(one),
        loan_href=_loan_href(one),
        risk=risk_chip(one.margin, age=age),
        incomplete=_incomplete(one),
        query=urlencode(
            {"account": one.account.pk, "symbol": one.symbol, "currency": one.currency}
        ),
        may_trade=may_trade,
    )


def _recorded(one: Position, figure: Decimal) -> SafeString:
    """The records' figure below the exchange's; words where there is no other."""
    if one.exchange is None:
        return SafeString("by the records")
    return formatting.amount(figure)


def _loans(one: Position) -> str:
    if not one.open_loans:
        return "no loan known"
    count = f"{len(one.open_loans)}{'+' if one.has_more_loans else ''}"
    return f"{count} loan{'' if count == '1' else 's'}"


def replay_chip(one: Position, labels: Labels | None) -> SafeString:
    """What the replay says of the open loans, in a word and its colour."""
    if labels is None:
        if not one.open_loans:
            return SafeString("")
        return SafeString('<span class="chip" title="Too many loans at once">not replayed</span>')
    if labels.differ:
        words = f"replay: {labels.differ} of {labels.loans} differ"
        if labels.difference is not None:
            words = f"replay off by {signed(labels.difference)}"
        return format_html('<span class="chip chip-bad">{}</span>', words)
    if labels.agree == labels.loans:
        return SafeString('<span class="chip chip-ok" title="To 1e-8">replay agrees</span>')
    if labels.agree:
        words = f"replay agrees on {labels.agree} of {labels.loans}"
    else:
        words = "replay cannot tell"
    return format_html('<span class="chip">{}</span>', words)


def _then(rates: tuple[Decimal, Decimal] | None) -> SafeString:
    if rates is None:
        return formatting.UNKNOWN
    low, high = rates
    shown = formatting.percent(low, places=RATE_PLACES)
    if low == high:
        return shown
    return format_html("{} – {}", shown, formatting.percent(high, places=RATE_PLACES))


def _since(one: Position, now: datetime) -> SafeString:
    """How long the oldest open loan runs."""
    if one.since is None:
        return formatting.UNKNOWN
    return format_html(
        '<time class="num" datetime="{}" title="since {}">{}</time>',
        one.since.isoformat(),
        formatting.both_zones(one.since),
        formatting.duration_words(formatting.whole_seconds(now, one.since)),
    )


def _loan_href(one: Position) -> str:
    if len(one.open_loans) == 1:
        return reverse("loans:loan", args=[one.open_loans[0].uuid])
    query = {"account": one.account.pk, "symbol": one.symbol, "currency": one.currency}
    return f"{reverse('loans:history_borrows')}?{urlencode(query)}"


def _drift(one: Position) -> SafeString:
    """The exchange's figures less the records', in words where they do not matter."""
    if one.exchange is None:
        return SafeString('<span class="caption">no figure from the exchange</span>')
    parts = [
        (name, drift)
        for name, drift in (("principal", one.principal_drift), ("interest", one.interest_drift))
        if drift
    ]
    if not parts:
        return SafeString('<span class="chip chip-ok">agrees</span>')
    tone, title = " flag", "The exchange's figure less the records'"
    if one.agrees:
        tone, title = "", f"{title}: as far apart as the age of the records explains"
    return format_html_join(
        SafeString("<br>"),
        '<span class="num{}" title="{}">{}</span> <span class="caption">{}</span>',
        ((tone, title, signed(drift), name) for name, drift in parts),
    )


def signed(value: Decimal) -> str:
    """An amount with its sign, for differences."""
    return f"{'+' if value > 0 else '−'}{formatting.digits(abs(value))}"


def _incomplete(one: Position) -> str:
    """Why the history is incomplete, with the likely place; empty where it is not."""
    reason = one.incomplete_because
    if not reason:
        return ""
    likely = _likely(one)
    return f"{reason[0].upper()}{reason[1:]}" + (f"; likely {likely}." if likely else ".")


def _likely(one: Position) -> str:
    """Where the missing record is likely to be, in the person's zone."""
    gap = one.gap
    if gap is None:
        return f"after {formatting.local_text(one.recorded.as_of)}" if one.recorded.as_of else ""
    if gap.starts_at and gap.ends_at:
        span = (formatting.local_text(at) for at in (gap.starts_at, gap.ends_at))
        return f"in the gap of the {gap.kind} records from {' to '.join(span)}"
    if gap.ends_at:
        return f"before {formatting.local_text(gap.ends_at)}, where the records were not read"
    return f"where the {gap.kind} records were not read to the end yet"


def risk_chip(margin: MarginAccount | None, *, age: SafeString | str = "") -> SafeString:
    """Risk as the exchange gives it, never computed: level, rate, age, liquidation price."""
    if margin is None or margin.risk_rate is None:
        return format_html("{} {}", formatting.UNKNOWN, age)
    if not margin.has_debt:
        return format_html(
            '<span class="caption" title="The exchange gives a risk rate as where nothing is owed">'
            "hardly anything owed</span> {}",
            age,
        )
    tone, words = LEVELS.get(margin.risk_level, ("", f"level {margin.risk_level or 'not told'}"))
    shown = format_html(
        '<span class="chip{}">{}</span> <span title="Risk rate">{}</span> {}',
        f" chip-{tone}" if tone else "",
        words,
        plain_figure(margin.risk_rate),
        age,
    )
    return shown + (_liquidation(margin) if margin.liquidate_price is not None else "")


def _liquidation(margin: MarginAccount) -> SafeString:
    """The price as given; one below nothing is the exchange's way to say that none is reached."""
    price = formatting.grouped(margin.liquidate_price).replace("-", "−")
    at_rate = margin.liquidate_rate
    title = f"when the risk rate falls to {formatting.plain(at_rate)}" if at_rate else ""
    words = f"liquidation at {price}"
    if margin.is_beyond_liquidation:
        title, words = f"the exchange gives {price}", "no price liquidates it"
    return format_html(
        '<br class="wide-only"> <span class="caption num" title="{}">{}</span>', title, words
    )


def plain_figure(value: Decimal | None) -> SafeString:
    """A ratio as told, with two places at least, so that it does not jump about."""
    if value is None:
        return formatting.UNKNOWN
    return format_html('<span class="num">{}</span>', formatting.digits(value, places=2))


@dataclass(frozen=True, slots=True)
class SumRow:
    """What is owed in one currency, as strings."""

    venue: str
    currency: str
    owed: SafeString
    interest: SafeString
    cost: SafeString
    value: str
    is_priced: bool
    debts: int
    missing: int
    age: SafeString
    own_age: SafeString
    own_price_age: SafeString


def sum_rows(sums: Sequence[Sum], *, now: datetime) -> list[SumRow]:
    """Sums as strings; `own_` ages are empty where the one in the list's head tells enough."""
    read = [one.as_of for one in sums]
    priced = [one.price.as_of for one in sums if one.price and one.price.as_of]
    return [
        SumRow(
            venue=one.venue,
            currency=one.currency,
            owed=formatting.amount(one.owed, one.currency),
            interest=formatting.amount(one.interest, one.currency),
            cost=formatting.amount(one.cost_per_day, one.currency),
            value=about(one.value, is_estimate=one.currency != "USDT"),
            is_priced=one.price is not None,
            debts=one.debts,
            missing=one.missing,
            age=formatting.age(one.as_of, now=now, period_seconds=FIGURES_PERIOD, focusable=True),
            own_age=_own_age(one.as_of, read, now=now, source="figures"),
            own_price_age=_own_age(one.price.as_of, priced, now=now, source="last price")
            if one.price and one.price.as_of
            else SafeString(""),
        )
        for one in sums
    ]


def _own_age(
    at: datetime | None, all_of_them: Iterable[datetime | None], *, now: datetime, source: str
) -> SafeString:
    """The age of a figure that is more than a period older than the newest in its list."""
    newest = max((one for one in all_of_them if one), default=now)
    if at and newest - at <= timedelta(seconds=FIGURES_PERIOD):
        return SafeString("")
    return formatting.age(at, now=now, source=source, focusable=True)


def about(value: Decimal | None, *, is_estimate: bool = True) -> str:
    """A value in USDT for orientation: two places, more below one, `≈` unless it is exact."""
    if value is None:
        return "no price known"
    places = 2 if abs(value) >= 1 or not value else 8
    return f"{'≈ ' if is_estimate else ''}{value:,.{places}f}"


def whole_words(whole: Whole) -> dict[str, str]:
    """The sum over everything, as strings."""
    return {
        "owed": about(whole.owed, is_estimate=whole.is_estimate),
        "cost": about(whole.cost_per_day, is_estimate=whole.is_estimate),
        "unpriced": ", ".join(whole.unpriced),
    }
