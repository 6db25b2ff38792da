"""What stands above every list of the history: the tabs and the menu that saves a list, which carry
the filter along, so that they lead to exactly the rows that are shown; and what proves them whole.

Written here and not in templates, because walking through their many small links takes a template
longer than the database needs for the rows.
"""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache
from html import escape

from django import template
from django.template import Context
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.safestring import SafeString

from loans import formatting
from loans.models import Kind
from loans.services import file_forms
from loans.services.certificates import Certificate
from loans.services.file_forms import Form
from loans.services.filters import HistoryFilter
from loans.templatetags.loans import icon
from loans.templatetags.navigation import path_to

register = template.Library()

SAVE_AS = (
    '<details class="menu files-menu"><summary class="button small">'
    f'{icon("arrow-down-tray", 16)}Save as</summary>\n  <div class="sheet">'
)
PRESENT = ' aria-current="page"'
# Marks that no link holds: what stands in one is quoted.
ANY_QUERY, ANY_ACCOUNT = "{query}", "{account}"
TABS = (
    ("", "history", "", "Proof"),
    (Kind.BORROW, "history_borrows", ANY_QUERY, "Borrows"),
    (Kind.REPAY, "history_repays", ANY_QUERY, "Repayments"),
    ("statement", "history_statement", ANY_ACCOUNT, "Statement"),
)
DAY_S = 86_400
CHECKED = "oldest check of the lists this rests on"
AUDITED = "oldest audit of the lists with records"
FOR_TAX_TOOLS = (
    '\n  <hr><p class="caption">For tax tools: loans and repayments of this filter. Interest as it '
    "was paid, at each repayment, or as it was charged, at each loan; import only one of both.</p>"
    "\n  "
)


@register.simple_tag
def history_tabs(kind: str, chosen: HistoryFilter | str = "", oob: bool = False) -> SafeString:
    """`{% history_tabs kind chosen %}`: the pages of the history, `kind` being the present one
    (empty: the proof). `oob` when a fragment brings them along.
    """
    query = _query(chosen.query) if chosen else ""
    account = _query(f"account={chosen.account.pk}") if chosen and chosen.account else ""
    tabs = _tabs_of_any(get_script_prefix(), str(kind), oob=oob)
    return SafeString(tabs.replace(ANY_QUERY, query).replace(ANY_ACCOUNT, account))


@lru_cache(maxsize=32)
def _tabs_of_any(prefix: str, kind: str, *, oob: bool) -> str:
    """The tabs below a prefix, with marks where the queries belong."""
    links = "\n  ".join(
        _link(path_to(f"loans:{name}") + query, label, PRESENT if kind == one else "")
        for one, name, query, label in TABS
    )
    swap = ' hx-swap-oob="true"' if oob else ""
    return f'<nav class="tabs" id="history-tabs" aria-label="History"{swap}>\n  {links}\n</nav>\n'


@register.simple_tag
def files_menu(kind: str, chosen: HistoryFilter) -> SafeString:
    """`{% files_menu kind chosen %}`: every form of a file, for exactly the rows of the page."""
    menu = _menu_of_any(get_script_prefix(), str(kind))
    return SafeString(menu.replace(ANY_QUERY, _query(chosen.query)))


@lru_cache(maxsize=8)
def _menu_of_any(prefix: str, kind: str) -> str:
    """The menu below a prefix, with a mark where the query belongs."""
    lists, presets = _entries(file_forms.LISTS, kind), _entries(file_forms.PRESETS, kind)
    return f"{SAVE_AS}{lists}{FOR_TAX_TOOLS}{presets}</div>\n</details>\n"


def _entries(forms: Iterable[Form], kind: str) -> str:
    address = f"loans:history_{kind}s_file"
    return "".join(_link(path_to(address, form.slug) + ANY_QUERY, form.label) for form in forms)


@register.simple_tag(takes_context=True)
def certificate_line(
    context: Context, certificate: Certificate, subject: str = "these accounts"
) -> SafeString:
    """`{% certificate_line certificate %}`: what the figures rest on, in one line."""
    return certificate_html(certificate, now=context["now"], subject=subject)


def certificate_html(
    certificate: Certificate, *, now: datetime, subject: str = "these accounts"
) -> SafeString:
    """What figures rest on, in one line: from when to when it is proven, what is not, and how long
    ago that was checked.
    """
    tone, symbol, zone = "open", "exclamation-triangle", timezone.get_current_timezone()
    if not certificate.streams:
        symbol = "question-mark-circle"
        words = (
            f"<strong>Nothing is proven yet.</strong> The history of {escape(subject)} has not "
            "been loaded; what is listed may not be all."
        )
    elif certificate.is_whole:
        tone, symbol = "whole", "shield-check"
        span = _span_words(certificate, zone)
        words = f"<strong>Complete</strong>{f' {span}, 0 gaps.' if span else ''}"
    else:
        span = _span_words(certificate, zone)
        words = f"<strong>Not proven complete:</strong> {_doubts(certificate)}."
        words += f" Read {span}." if span else ""
    checks = ""
    for word, at, period, source in (
        ("checked", certificate.checked_at, DAY_S, CHECKED),
        ("audited", certificate.audited_at, 2 * DAY_S, AUDITED),
    ):
        if at:
            age = formatting.age(
                at, now=now, period_seconds=period, source=source, focusable=True, zone=zone
            )
            checks += f'<span class="caption">{word}</span> {age} '
    return SafeString(
        f'<div class="certificate {tone}">{icon(symbol)}<p>{words}</p>'
        f'<span class="space"></span>{checks}</div>\n'
    )


def _doubts(certificate: Certificate) -> str:
    """Why it is not whole."""
    told = []
    if certificate.unproven:
        lists = f"{certificate.unproven} list{'' if certificate.unproven == 1 else 's'}"
        told.append(_flag(f"{lists} not read to the end yet"))
    elif certificate.is_loading:
        told.append(_flag("what is older is not read yet"))
    elif not certificate.is_reached:
        told.append(_flag("not read up to these dates yet"))
    elif not certificate.is_read_out:
        told.append(_flag("not read to the end of these dates yet"))
    if certificate.untrusted:
        told.append(_flag(f"{certificate.untrusted} contradicted"))
    gaps = f"{certificate.gaps} gap{'' if certificate.gaps == 1 else 's'}"
    told.append(_flag(gaps) if certificate.gaps else gaps)
    return ", ".join(told)


def _span_words(certificate: Certificate, zone: tzinfo) -> str:
    """From when to when the lists were read; empty if that is less than a second."""
    if not certificate.has_span:
        return ""

    def at(instant: datetime) -> str:
        return formatting.instant(instant, zone=zone)

    first = at(certificate.begin) if certificate.begin else "the start"
    everywhere, busy = certificate.complete_to, certificate.busy_to
    if certificate.busy:
        last = at(busy) if busy else "an end not proven"
        if everywhere != busy:
            last += " where there are records"
            last += f", to {at(everywhere)} elsewhere" if everywhere else ""
    else:
        last = f"{at(everywhere)}, no record found" if everywhere else "an end not proven"
    return f"from {first} to {last}"


def _flag(words: str) -> str:
    return f'<span class="flag">{words}</span>'


def _link(address: str, label: str, attributes: str = "") -> str:
    return f'<a href="{escape(address)}"{attributes}>{escape(label)}</a>'


def _query(text: str) -> str:
    """A query as it stands in a link, empty if there is none."""
    return f"?{escape(text)}" if text else ""
