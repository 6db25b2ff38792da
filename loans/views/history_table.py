"""A history list as ready HTML: its rows with their heads and their pager, and the totals above.

Written here and not in a template, because turning a page and changing the filter ask for nothing
else, and walking through the many small links takes a template longer than the rows. As texts:
each that is marked as safe on the way would be copied once more.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from html import escape

from django.http import HttpRequest
from django.template.loader import render_to_string

from loans.models import Kind
from loans.services import twins
from loans.services.certificates import Certificate
from loans.services.filters import HistoryFilter
from loans.services.history import Total
from loans.services.keyset import Page
from loans.services.record_runs import name_held
from loans.templatetags.history import certificate_html, files_menu, history_tabs
from loans.templatetags.loans import ONE_AT_A_TIME, head_cell, icon, sort_link, with_changes
from loans.views import history_filter, history_rows

WHOLE, ROWS = "history-table", "history-rows"  # the fragments that an order and a page fetch
ACCOUNT = "Account"  # a column for those who see several
# A column that sorts has a field; one with figures is aligned as numbers.
HEADS: dict[str, tuple[tuple[str, str, str], ...]] = {
    Kind.BORROW: (
        ("at", "Borrowed at", ""),
        ("", "Pair", ""),
        ("", ACCOUNT, ""),
        ("amount", "Borrowed", "n"),
        ("interest", "Interest told", "n"),
        ("", "Daily rate then", "n"),
        ("", "Record", ""),
    ),
    Kind.REPAY: (
        ("at", "Repaid at", ""),
        ("", "Pair", ""),
        ("", ACCOUNT, ""),
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
WARNING = icon("exclamation-triangle")
TOTAL_HEADS = {
    Kind.BORROW: ("Borrowed", "Interest told"),
    Kind.REPAY: ("Repaid", "of that principal", "of that interest"),
}


def table(
    kind: Kind,
    chosen: HistoryFilter,
    rows: Sequence[str],
    *,
    totals: Sequence[Total],
    certificate: Certificate,
    now: datetime,
    is_fragment: bool,
) -> list[str]:
    """A list with its totals and what they rest on: all that changes with the filter. As a fragment
    it brings along what the page has elsewhere, the tabs and the slips beside the filter's fields.
    """
    beside = ""
    if is_fragment:
        beside = history_tabs(kind, chosen, oob=True) + history_filter.errors_beside(chosen)
    sort = (
        f'<input type="hidden" name="sort" value="{chosen.sort}" form="history-filter">'
        if chosen.typed.get("sort")
        else ""
    )
    count = sum(total.count for total in totals)
    proof = certificate_html(certificate, now=now, subject=chosen.symbol or "these accounts")
    above = (
        f'<div id="{WHOLE}" class="stack">{sort}{beside}{_slips(chosen)}{_twice(chosen)}\n'
        '<section class="card flush books-totals" aria-labelledby="totals-title">\n'
        '  <header><h2 id="totals-title">Totals</h2><span class="caption">of exactly the '
        f"{count:,} row{'' if count == 1 else 's'} of this list: {escape(chosen.words)}</span>"
        f'<span class="space"></span>{files_menu(kind, chosen)}</header>\n'
        f"  {_totals(kind, totals)}{proof}</section>\n"
    )
    return [above, *rows, "</div>"]


def _slips(chosen: HistoryFilter) -> str:
    """That a part of the filter is left out, and why."""
    if not chosen.errors:
        return ""
    marked = sum(name in chosen.errors for name in history_filter.FIELDS)
    words = [chosen.errors.get("sort", "")]
    if marked:
        words.insert(
            0,
            "A part of the filter makes no sense and is left out below: "
            f"{marked} field{'' if marked == 1 else 's'} marked above. "
            f"The list shows {chosen.words}.",
        )
    return _notice(" ".join(words).strip())


def _twice(chosen: HistoryFilter) -> str:
    words = twins.counted_twice(chosen.chosen)
    return _notice(words) if words else ""


def _notice(words: str) -> str:
    return f'<div class="notice notice-warn">{WARNING}<div><p>{escape(words)}</p></div></div>'


def _totals(kind: Kind, totals: Sequence[Total]) -> str:
    if not totals:
        return ""
    figures = "".join(f'<th scope="col" class="n">{name}</th>' for name in TOTAL_HEADS[kind])
    return (
        '<div class="table-scroll free" tabindex="0" role="region" aria-label="Totals by currency">'
        '<table class="table lines">\n    <thead><tr><th scope="col">Currency</th>'
        f'<th scope="col" class="n">Rows</th>{figures}</tr></thead>\n'
        f"    <tbody>{history_rows.total_lines(kind, totals)}</tbody>\n  </table></div>\n  "
    )


def rows(kind: Kind, page: Page, chosen: HistoryFilter, request: HttpRequest) -> list[str]:
    """One page of a list, as the fragment that turning a page fetches."""
    count = len(page.rows)
    shown = said = f"{count} row{'' if count == 1 else 's'} shown"
    if count:  # a sentence of its own for each page, or nobody would hear that it came
        said = f"{shown}, beginning with record {escape(name_held(kind, page.rows[0]).record_id)}"
    notice = render_to_string("loans/partials/_history_bad_place.html") if page.bad_place else ""
    if count:
        first = with_changes(request.GET, after=None)
        kept = with_changes(request.GET, sort=None, after=None) if "sort" in request.GET else first
        content, pager = _table(kind, page, chosen, kept), _pager(page, shown, first)
    else:
        context = {
            "kind": kind,
            "has_account": bool(chosen.accounts),
            "is_beyond": bool(request.GET.get("after")) and not page.bad_place,
            "beginning": request.path + with_changes(request.GET, after=None),
            "is_narrowed": chosen.is_narrowed,
            "path": request.path,
        }
        content, pager = [render_to_string("loans/partials/_history_empty.html", context)], ""
    above = f'<div id="{ROWS}" class="stack" data-say="{said}">\n{notice}'
    return [above, *content, pager, "\n</div>\n"]


def _table(kind: Kind, page: Page, chosen: HistoryFilter, kept: str) -> list[str]:
    heads = _heads(kind, kept, chosen.sort, with_account=len(chosen.accounts) > 1)
    above = (
        '<div class="table-scroll" tabindex="0" role="region" data-heir'
        f' aria-label="{NAMES[kind]}"><table class="table pinned lines">\n'
        f"  <thead><tr>{heads}</tr></thead>\n  <tbody>"
    )
    return [above, *history_rows.lines(kind, page.rows, chosen), "</tbody>\n</table></div>\n"]


@lru_cache(maxsize=64)
def _heads(kind: Kind, kept: str, sort: str, *, with_account: bool) -> str:
    """The same on every page of a list; `kept` is its query without order and place."""
    cells = []
    for field, label, css in HEADS[kind]:
        if field:
            link, direction = sort_link(kept, sort, field, label, WHOLE)
            cells.append(head_cell(link, direction, css))
        elif label != ACCOUNT or with_account:
            cells.append(head_cell(label, None, css))
    return "".join(cells) + REMARKS


def _pager(page: Page, shown: str, first: str) -> str:
    """How many rows are shown, and the ways to those beside them; `first` is the query of the first
    page.
    """
    links = []
    place = f"{first}{'&' if len(first) > 1 else ''}after="
    if page.preceding:
        links.append(_link("first", f"{FIRST}First", first))
        links.append(_link("previous", f"{BACK}Previous", place + page.preceding, ' rel="prev"'))
    if page.following:
        links.append(_link("next", f"Next {ON}", place + page.following, ' rel="next"'))
    return (
        f'<nav class="pager" aria-label="Pages of the list"><span>{shown}</span>'
        f'<span class="space"></span>\n  {"".join(links)}</nav>'
    )


def _link(way: str, inner: str, query: str, rel: str = "") -> str:
    """A button that fetches the rows of another page and puts their beginning in view in the same
    moment; a link to the whole page without script.
    """
    href = escape(query)
    return (
        f'<a class="button" id="page-{way}"{rel} href="{href}" hx-get="{href}"'
        f' hx-target="#{ROWS}" hx-swap="outerHTML settle:0ms show:#{ROWS}:top"'
        f' hx-push-url="true"{ONE_AT_A_TIME}>{inner}</a>'
    )
