"""What stands above every list of the history: the tabs, and the menu that saves a list. Both carry
the filter along, so that they lead to exactly the rows that are shown.

Written here and not in templates, because walking through their many small links takes a template
longer than the database needs for the rows.
"""

from collections.abc import Iterable
from html import escape

from django import template
from django.utils.safestring import SafeString

from loans.models import Kind
from loans.services import file_forms
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
    tabs = (
        ("", "history", "", "Proof"),
        (Kind.BORROW, "history_borrows", query, "Borrows"),
        (Kind.REPAY, "history_repays", query, "Repayments"),
        ("statement", "history_statement", account, "Statement"),
    )
    links = "\n  ".join(
        _link(path_to(f"loans:{name}") + query, label, PRESENT if kind == one else "")
        for one, name, query, label in tabs
    )
    swap = ' hx-swap-oob="true"' if oob else ""
    return SafeString(
        f'<nav class="tabs" id="history-tabs" aria-label="History"{swap}>\n  {links}\n</nav>\n'
    )


@register.simple_tag
def files_menu(kind: str, chosen: HistoryFilter) -> SafeString:
    """`{% files_menu kind chosen %}`: every form of a file, for exactly the rows of the page."""
    query = _query(chosen.query)
    lists = _entries(file_forms.LISTS, kind, query)
    presets = _entries(file_forms.PRESETS, kind, query)
    return SafeString(f"{SAVE_AS}{lists}{FOR_TAX_TOOLS}{presets}</div>\n</details>\n")


def _entries(forms: Iterable[Form], kind: str, query: str) -> str:
    address = f"loans:history_{kind}s_file"
    return "".join(_link(path_to(address, form.slug) + query, form.label) for form in forms)


def _link(address: str, label: str, attributes: str = "") -> str:
    return f'<a href="{escape(address)}"{attributes}>{escape(label)}</a>'


def _query(text: str) -> str:
    return f"?{text}" if text else ""
