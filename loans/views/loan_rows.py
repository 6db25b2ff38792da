"""Debts and loans as ready strings for their pages. Presentation only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from loans import formatting
from loans.models import Account, MarginAccount
from loans.services.overview import Sum, Whole
from loans.services.position import Position

LEVELS = {"1": ("ok", "low risk"), "2": ("warn", "medium risk"), "3": ("bad", "high risk")}
FIGURES_PERIOD = 60
RATE_PLACES = 4


@dataclass(frozen=True, slots=True)
class DebtRow:
    """One debt as the table prints it."""

    position: Position
    owed: SafeString
    principal: SafeString
    interest: SafeString
    cost: SafeString
    rate_now: SafeString
    rate_then: SafeString
    since: SafeString
    loans: str
    loan_href: str
    says_exchange: SafeString
    says_records: SafeString
    difference: SafeString
    age: SafeString
    risk: SafeString
    incomplete: str
    query: str
    may_trade: bool


def debt_rows(positions: Iterable[Position], *, tradable: set, now: datetime) -> list[DebtRow]:
    """The debts as strings."""
    return [_debt(one, may_trade=one.account.pk in tradable, now=now) for one in positions]


def _debt(one: Position, *, may_trade: bool, now: datetime) -> DebtRow:
    currency = one.currency
    told = one.exchange
    source = "isolated account, by the exchange" if told else "our records"
    return DebtRow(
        position=one,
        owed=formatting.amount(one.owed, currency),
        principal=formatting.amount(one.principal, currency),
        interest=formatting.amount(one.interest, currency),
        cost=formatting.amount(one.cost_per_day),
        rate_now=formatting.percent(one.rate_now, places=RATE_PLACES),
        rate_then=_then(one.rates_then),
        since=_since(one, now),
        loans=f"{len(one.open_loans)}{'+' if one.has_more_loans else ''}",
        loan_href=_loan_href(one),
        says_exchange=_pair(told.borrow_unpaid, told.interest_unpaid)
        if told
        else formatting.UNKNOWN,
        says_records=_pair(one.recorded.principal, one.recorded.interest),
        difference=_difference(one),
        age=formatting.age(
            one.as_of, now=now, period_seconds=FIGURES_PERIOD, source=source, focusable=True
        ),
        risk=risk_chip(one.margin, now=now),
        incomplete=_incomplete(one),
        query=urlencode(
            {"account": one.account.pk, "symbol": one.symbol, "currency": one.currency}
        ),
        may_trade=may_trade,
    )


def _pair(principal: Decimal, interest: Decimal) -> SafeString:
    """Principal over interest."""
    return format_html(
        '{}<br><span class="caption">{} {}</span>',
        formatting.amount(principal),
        "+" if interest >= 0 else "−",
        formatting.amount(abs(interest)),
    )


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
        '<time class="num" datetime="{}" title="{}">{}</time>',
        one.since.isoformat(),
        formatting.both_zones(one.since),
        formatting.duration_words(formatting.whole_seconds(now, one.since)),
    )


def _loan_href(one: Position) -> str:
    if len(one.open_loans) == 1:
        return reverse("loans:loan", args=[one.open_loans[0].uuid])
    query = {"account": one.account.pk, "symbol": one.symbol, "currency": one.currency}
    return f"{reverse('loans:history_borrows')}?{urlencode(query)}"


def _difference(one: Position) -> SafeString:
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
    tone = "" if one.agrees else " flag"
    return format_html_join(
        SafeString("<br>"),
        '<span class="num{}">{}</span> <span class="caption">{}</span>',
        ((tone, signed(drift), name) for name, drift in parts),
    )


def signed(value: Decimal) -> str:
    """An amount with its sign, for differences."""
    return f"{'+' if value > 0 else '−'}{formatting.digits(abs(value))}"


def _incomplete(one: Position) -> str:
    """Why the history is incomplete, with the likely place; empty where it is not."""
    reason = one.incomplete_because
    if not reason:
        return ""
    likely = one.gap
    if not likely and one.recorded.as_of:
        likely = f"after {formatting.local_text(one.recorded.as_of)}"
    return f"{reason[0].upper()}{reason[1:]}" + (f"; likely {likely}." if likely else ".")


def risk_chip(margin: MarginAccount | None, *, now: datetime) -> SafeString:
    """Risk as the exchange gives it, never computed: level, rate, liquidation price, age."""
    if margin is None:
        return formatting.UNKNOWN
    if not margin.has_debt:
        return SafeString('<span class="caption">no debt by the exchange</span>')
    tone, words = LEVELS.get(margin.risk_level, ("", f"level {margin.risk_level or 'not told'}"))
    parts = [
        format_html('<span class="chip{}">{}</span>', f" chip-{tone}" if tone else "", words),
        format_html(' <span title="Risk rate">{}</span>', plain_figure(margin.risk_rate)),
    ]
    if margin.liquidate_price is not None:
        parts.append(_liquidation(margin))
    return format_html_join("", "{}", ((part,) for part in parts))


def _liquidation(margin: MarginAccount) -> SafeString:
    """The price as given; one below nothing is the exchange's way to say that none is reached."""
    price = formatting.grouped(margin.liquidate_price)
    at_rate = margin.liquidate_rate
    when = f"when the risk rate falls to {formatting.plain(at_rate)}" if at_rate else ""
    where = format_html(
        '<br class="wide-only"> <span class="caption num" title="{}">liquidation at {}</span>',
        when,
        price.replace("-", "−"),
    )
    if not margin.is_beyond_liquidation:
        return where
    return where + SafeString(
        ',<br class="wide-only"> <span class="caption">which no price reaches</span>'
    )


def plain_figure(value: Decimal | None) -> SafeString:
    """A ratio as told, without trailing zeros."""
    if value is None:
        return formatting.UNKNOWN
    return format_html('<span class="num">{}</span>', formatting.plain(value))


@dataclass(frozen=True, slots=True)
class SumRow:
    """What is owed in one currency, as strings."""

    venue: str
    currency: str
    owed: SafeString
    interest: SafeString
    cost: SafeString
    value: str
    debts: int
    missing: int
    age: SafeString
    price_age: SafeString


def sum_rows(sums: Iterable[Sum], *, now: datetime) -> list[SumRow]:
    """Sums as strings."""
    return [
        SumRow(
            venue=one.venue,
            currency=one.currency,
            owed=formatting.amount(one.owed, one.currency),
            interest=formatting.amount(one.interest, one.currency),
            cost=formatting.amount(one.cost_per_day, one.currency),
            value=about(one.value, is_estimate=one.currency != "USDT"),
            debts=one.debts,
            missing=one.missing,
            age=formatting.age(one.as_of, now=now, period_seconds=FIGURES_PERIOD, focusable=True),
            price_age=formatting.age(one.price.as_of, now=now, source="last price", focusable=True)
            if one.price and one.price.as_of
            else SafeString(""),
        )
        for one in sums
    ]


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


def account_label(account: Account) -> str:
    """How an account is named where several are."""
    return f"{account.label} ({account.get_venue_display()})"
