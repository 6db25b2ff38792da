"""Template tags of the pages: icons, figures, ages, chips, and links that keep the query.

Only presentation. Rows of long tables are formatted in `loans.formatting` before the template.
"""

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from html import escape

from django import template
from django.forms import BoundField
from django.http import QueryDict
from django.template import Context, Node
from django.template.base import FilterExpression, Parser, TextNode, Token
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from heroicons.templatetags.heroicons import heroicon_mini, heroicon_outline

from loans import formatting
from loans.services.filters import encode_query

register = template.Library()

STATES = {
    "AWAITING_APPROVAL": ("warn", "waits for approval"),
    "QUEUED": ("busy", "queued"),
    "CLAIMED": ("busy", "being prepared"),
    "SENDING": ("busy", "being sent"),
    "CONFIRMED": ("ok", "confirmed"),
    "EXECUTED": ("ok", "executed"),
    "EXECUTED_BY_HAND": ("ok", "executed, settled by hand"),
    "REJECTED": ("bad", "refused"),
    "NOT_SENT": ("", "not sent"),
    "NOT_EXECUTED": ("", "not executed"),
    "NOT_EXECUTED_BY_HAND": ("", "not executed, settled by hand"),
    "UNKNOWN": ("warn", "outcome unknown"),
    "NEEDS_HUMAN": ("bad", "needs you"),
    "CANCELLED": ("", "cancelled"),
    "EXPIRED": ("", "expired"),
    "ABORTED": ("", "aborted"),
}
LIGHTS = {
    "green": ("check-circle", "in order"),
    "red": ("x-circle", "not in order"),
    "not_known": ("question-mark-circle", "not known"),
}
# Of what changes a list: a request waits for the one before it, so that address and list agree.
ONE_AT_A_TIME = ' hx-sync="#main:queue last"'
_DATES = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T\d\d:\d\d)?)?", re.ASCII)
VENUES = {"paper": ("paper", "PAPER"), "bitmart": ("live", "LIVE"), "live": ("live", "LIVE")}


@lru_cache(maxsize=256)
def _svg(name: str, size: int) -> SafeString:
    draw = heroicon_mini if size <= 20 else heroicon_outline
    return draw(name, size=size, **{"class": "icon", "aria-hidden": "true"})


def icon(name: str, size: int = 20) -> SafeString:
    """A heroicon as inline SVG, hidden from screen readers: the word beside it speaks."""
    return _svg(str(name), size)


@register.tag("icon")
def icon_tag(parser: Parser, token: Token) -> Node:
    """`{% icon "clock" 16 %}`. One that is named in the template is drawn when that is read."""
    name, size = map(parser.compile_filter, [*token.split_contents()[1:], "20"][:2])
    if name.is_var:
        return IconNode(name, size)
    return TextNode(icon(name.resolve(None), size.resolve(None)))


class IconNode(Node):
    """An icon whose name the context tells."""

    def __init__(self, name: FilterExpression, size: FilterExpression) -> None:
        self.name, self.size = name, size

    def render(self, context: Context) -> SafeString:
        """The icon."""
        return icon(self.name.resolve(context), self.size.resolve(context))


@register.filter
def amount(value: Decimal | None, currency: str = "") -> SafeString:
    """`{{ loan.principal|amount:loan.currency }}`: every digit, trailing zeros dimmed."""
    return formatting.amount(value, currency)


@register.filter
def percent(fraction: Decimal | None, places: int = formatting.PERCENT_PLACES) -> SafeString:
    """`{{ rate|percent }}` or `{{ apr|percent:2 }}`: a fraction shown as percent."""
    return formatting.percent(fraction, places=places)


@register.filter
def change(fraction: Decimal | None) -> SafeString:
    """`{{ day_change|change }}`: a signed relative change with an arrow."""
    return formatting.change(fraction)


@register.filter
def local_time(at: datetime | None) -> SafeString:
    """`{{ loan.at|local_time }}`: the person's zone, UTC on hover."""
    return formatting.instant(at)


@register.filter
def precise_time(at: datetime | None) -> SafeString:
    """As `local_time`, to the millisecond."""
    return formatting.instant(at, milliseconds=True)


@register.filter
def whole_dates(sentence: str) -> SafeString:
    """`{{ error|whole_dates }}`: no line ends within a date of it."""
    return SafeString(_DATES.sub(r'<span class="together">\g<0></span>', escape(sentence)))


@register.filter
def plain(value: Decimal) -> str:
    """The number as it would be typed into a field."""
    return formatting.plain(value)


@register.filter
def grouped(value: Decimal) -> str:
    """As `plain`, with its thousands apart: a limit or a price within a sentence."""
    return formatting.grouped(value)


@register.filter
def bare(field: BoundField) -> SafeString:
    """The field's control without a placeholder: it would only say the label again."""
    return field.as_widget(attrs={"placeholder": False})


@register.simple_tag(takes_context=True)
def age(
    context: Context, at: datetime | None, period: int = 60, source: str = "", problem: str = ""
) -> SafeString:
    """`{% age terms.as_of 60 "BitMart pairs" %}`: how old the figures above are.

    Takes the page's `now` if the view passed one.
    """
    return formatting.age(
        at,
        now=context.get("now") or timezone.now(),
        period_seconds=period,
        source=source,
        problem=problem,
        focusable=True,
    )


@register.simple_tag
def state_chip(state: str) -> SafeString:
    """An instruction's state as a word with its colour."""
    tone, words = STATES.get(str(state), ("", str(state).replace("_", " ").lower()))
    return format_html('<span class="chip{}">{}</span>', f" chip-{tone}" if tone else "", words)


@register.simple_tag
def venue_chip(venue: str) -> SafeString:
    """PAPER or LIVE, for a row or a heading."""
    kind, word = VENUES.get(str(venue), ("live", str(venue).upper()))
    return SafeString(f'<span class="chip venue venue-{kind}">{escape(word)}</span>')


@register.inclusion_tag("loans/partials/_light.html")
def light(state: str, label: str, remedy: str = "") -> dict[str, str]:
    """One light of a key: green, red or not_known, with what to do about it."""
    state = state if state in LIGHTS else "not_known"
    symbol, words = LIGHTS[state]
    return {"state": state, "symbol": symbol, "words": words, "label": label, "remedy": remedy}


@register.simple_tag(takes_context=True)
def sort_head(
    context: Context,
    field: str,
    label: str,
    numeric: bool = False,
    fragment: str = "",
    css: str = "",
) -> SafeString:
    """A table head that sorts: `{% sort_head "daily" "Daily" True fragment="rate-table" %}`.

    Reads `sort` from the query (`field` or `-field`), drops `after`, keeps the rest. With
    `fragment` only that part of the page is fetched; `css` names further classes of the cell.
    """
    link, direction = sort_link(*_query_and_sort(context), field, label, fragment)
    return head_cell(link, direction, f"{'n' if numeric else ''} {css}".strip())


@register.simple_tag(takes_context=True)
def sort_heads(
    context: Context, upper: str, label: str, lower: str, second: str, fragment: str = ""
) -> SafeString:
    """The head of a column with two figures in a cell, one above the other; both sort."""
    current = _query_and_sort(context)
    links = [
        sort_link(*current, field, words, fragment)
        for field, words in ((upper, label), (lower, second))
    ]
    (first, direction), (other, other_direction) = links
    return head_cell(
        f'<span class="heads">{first}{other}</span>', direction or other_direction, "n"
    )


def _query_and_sort(context: Context) -> tuple[str, str]:
    query = context["request"].GET
    kept = with_changes(query, sort=None, after=None)
    return kept, context.get("sort", query.get("sort", ""))


def head_cell(inner: str, direction: str | None, css: str) -> SafeString:
    """A head of a column around ready HTML, and how the list is sorted by it now."""
    names = f' class="{escape(css)}"' if css else ""
    sort = f' aria-sort="{direction}"' if direction else ""
    return SafeString(f'<th scope="col"{names}{sort}>{inner}</th>')


def sort_link(
    kept: str, current: str, field: str, label: str, fragment: str
) -> tuple[str, str | None]:
    """The link that sorts by a field, and how the list is sorted by it now; `kept` is the query
    without its order.
    """
    order = f"-{field}" if current == field else field
    href = escape(f"{kept}{'&' if len(kept) > 1 else ''}sort={order}")
    direction = {field: "ascending", f"-{field}": "descending"}.get(current)
    by = ' class="by"' if direction else ""
    swap = (
        f' id="sort-{escape(field)}" hx-get="{href}" hx-target="#{escape(fragment)}"'
        f' hx-swap="outerHTML" hx-push-url="true"{ONE_AT_A_TIME}'
        if fragment
        else ""
    )
    return f'<a href="{href}"{by}{swap}>{conditional_escape(label)}</a>', direction


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """The page's query with some fields changed; None removes one: `{% query side="base" %}`."""
    return with_changes(context["request"].GET, **changes)


def with_changes(current: QueryDict, **changes: object) -> str:
    """A query with some fields changed; None removes one."""
    fields = [(n, text) for n, texts in current.lists() if n not in changes for text in texts]
    fields += [(n, str(value)) for n, value in changes.items() if value not in (None, "")]
    return f"?{encode_query(tuple(fields))}"


@register.simple_tag
def limit_bar(share_percent: int, mark_percent: int | None = None, label: str = "") -> SafeString:
    """A bar that is `share_percent` full, with an optional mark on it."""
    share = max(0, min(100, share_percent))
    mark = (
        format_html('<rect class="mark" x="{}%" width="2" height="8"/>', min(99, mark_percent))
        if mark_percent is not None
        else ""
    )
    return format_html(
        '<svg class="bar" role="img" aria-label="{}"><rect width="{}%" height="8"/>{}</svg>',
        label or f"{share} %",
        share,
        mark,
    )
