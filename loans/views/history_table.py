"""The table of a history list with its heads and its pager, as ready HTML.

Written here and not in a template, because turning a page asks for nothing else, and walking
through its many small links takes a template longer than the rows.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from django.http import QueryDict
from django.utils.safestring import SafeString

from loans.models import Kind
from loans.services.filters import HistoryFilter
from loans.services.keyset import Page
from loans.templatetags.loans import head_cell, icon, sort_link, with_changes
from loans.views import history_rows

WHOLE, ROWS = "history-table", "history-rows"  # the fragments that an order and a page fetch
# A column that sorts has a field; one with figures is aligned as numbers.
HEADS: dict[str, tuple[tuple[str, str, str], ...]] = {
    Kind.BORROW: (
        ("at", "Borrowed at", ""),
        ("", "Pair", ""),
        ("", "Account", ""),
        ("amount", "Borrowed", "n"),
        ("interest", "Interest told", "n"),
        ("", "Daily rate then", "n"),
        ("", "Record", ""),
    ),
    Kind.REPAY: (
        ("at", "Repaid at", ""),
        ("", "Pair", ""),
        ("", "Account", ""),
        ("amount", "Repaid", "n"),
        ("", "of that principal", "n"),
        ("interest", "of that interest", "n"),
        ("", "Record", ""),
    ),
}
REMARKS = '<th scope="col"><span class="sr">Remarks</span></th>'
NAMES = {Kind.BORROW: "Borrows", Kind.REPAY: "Repayments"}
BACK, ON = icon("chevron-left", 16), icon("chevron-right", 16)
FIRST = icon("chevron-double-left", 16)


def table(kind: Kind, page: Page, chosen: HistoryFilter, query: QueryDict) -> SafeString:
    """One page of a list; empty where it has no rows. `query` is what its links keep."""
    if not page.rows:
        return SafeString()
    rows = history_rows.lines(kind, page.rows, chosen)
    return SafeString(
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{NAMES[kind]}">'
        f'<table class="table pinned lines">\n  <thead><tr>{_heads(kind, chosen, query)}</tr>'
        f"</thead>\n  <tbody>{rows}</tbody>\n</table></div>\n{_pager(page, query)}"
    )


def _heads(kind: Kind, chosen: HistoryFilter, query: QueryDict) -> str:
    cells = []
    for field, label, css in HEADS[kind]:
        if field:
            link, direction = sort_link(query, chosen.sort, field, label, WHOLE)
            cells.append(head_cell(link, direction, css))
        elif label != "Account" or len(chosen.accounts) > 1:
            cells.append(head_cell(label, None, css))
    return "".join(cells) + REMARKS


def _pager(page: Page, query: QueryDict) -> str:
    links: Sequence[Any] = (
        ("first", "", f"{FIRST}First", page.preceding and None),
        ("previous", ' rel="prev"', f"{BACK}Previous", page.preceding),
        ("next", ' rel="next"', f"Next {ON}", page.following),
    )
    shown = f"{len(page.rows)} row{'' if len(page.rows) == 1 else 's'} shown"
    buttons = "".join(
        _link(query, way, rel, inner, after) for way, rel, inner, after in links if after != ""
    )
    return (
        f'<nav class="pager" aria-label="Pages of the list"><span>{shown}</span>'
        f'<span class="space"></span>\n  {buttons}</nav>'
    )


def _link(query: QueryDict, way: str, rel: str, inner: str, after: str | None) -> str:
    """A button that fetches the rows of another page and puts their beginning in view; a link to
    the whole page without script.
    """
    href = escape(with_changes(query, after=after))
    return (
        f'<a class="button" id="page-{way}"{rel} href="{href}" hx-get="{href}"'
        f' hx-target="#{ROWS}" hx-swap="outerHTML show:#{ROWS}:top" hx-push-url="true">{inner}</a>'
    )
