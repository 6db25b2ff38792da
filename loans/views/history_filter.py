"""The filter row above the lists of the history: its choices, what was typed, and what is wrong
with that.

Presentation only; what a filter means is said in `loans.services.filters`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from html import escape
from urllib.parse import urlencode

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from loans.services.filters import HistoryFilter
from loans.services.usual_spans import UsualSpan, usual_spans

FIELDS = ("q", "account", "symbol", "currency", "from", "to")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Texts = tuple[tuple[str, str], ...]  # by the field's name


@dataclass(frozen=True, slots=True)
class _Row:
    """All that the filter row shows, as texts: one that shows the same is the same."""

    path: str
    accounts: Texts
    symbols: tuple[str, ...]
    typed: Texts
    errors: Texts
    account: str
    symbol: str
    currency: str
    sort: str
    today: date


def filter_row(
    path: str, chosen: HistoryFilter, pairs: Iterable[str], *, now: datetime
) -> SafeString:
    """The row for a list at this path, which offers these pairs."""
    row = _Row(
        path=path,
        accounts=tuple((str(one.pk), one.named) for one in chosen.accounts),
        symbols=tuple(pairs),
        typed=tuple((name, chosen.typed[name]) for name in FIELDS),
        errors=tuple(chosen.errors.items()),
        account=str(chosen.account.pk) if chosen.account else "",
        symbol=chosen.symbol,
        currency=chosen.currency,
        sort=chosen.typed["sort"],
        today=now.astimezone(chosen.zone).date(),
    )
    return _draw(row) if settings.DEBUG else _drawn(row)


def errors_beside(chosen: HistoryFilter) -> SafeString:
    """What is wrong beside each field, empty where nothing is, for a fragment to carry along."""
    return _error_fields(tuple(chosen.errors.items()))


def _draw(row: _Row) -> SafeString:
    typed, errors = dict(row.typed), dict(row.errors)
    currencies = {part for symbol in row.symbols for part in symbol.rsplit("_", 1)}
    context = {
        "row": row,
        "typed": typed,
        "errors": errors,
        "error_fields": {
            name: _error_field(name, errors.get(name, ""), oob=False) for name in FIELDS
        },
        "accounts": row.accounts if len(row.accounts) > 1 or typed["account"] else (),
        "symbols": _options(row.symbols, row.symbol),
        "currencies": _options(currencies, row.currency),
        "from_type": _date_type(typed["from"], "from" in errors),
        "to_type": _date_type(typed["to"], "to" in errors),
        "spans": [(span, _query_of(row, span)) for span in usual_spans(row.today)],
    }
    return render_to_string("loans/partials/_history_filter.html", context)


# Drawn once for each such row: a template takes longer for its many fields than for the page.
_drawn = lru_cache(maxsize=64)(_draw)


def _query_of(row: _Row, span: UsualSpan) -> str:
    """The same list of another span."""
    kept = {name: text for name, text in (*row.typed, ("sort", row.sort)) if text}
    return urlencode(kept | {"from": span.first, "to": span.last})


def _options(names: Iterable[str], chosen: str) -> SafeString:
    """The choices of a list that may be long, the present one always among them."""
    return SafeString(
        "".join(
            f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>"
            for name in sorted({*names, chosen} - {""})
        )
    )


@lru_cache(maxsize=256)
def _error_fields(errors: Texts) -> SafeString:
    told = dict(errors)
    return SafeString("".join(_error_field(name, told.get(name, ""), oob=True) for name in FIELDS))


def _error_field(name: str, text: str, *, oob: bool) -> SafeString:
    """What is wrong beside a field, empty if nothing is; `oob` as a fragment carries it along."""
    context = {"name": name, "text": text, "oob": oob}
    return render_to_string("loans/partials/_filter_error.html", context)


def _date_type(typed: str, is_wrong: bool) -> str:
    """A date field cannot show an instant or a slip; a text field can."""
    fits = not typed or (_DATE.fullmatch(typed) and not is_wrong)
    return "date" if fits else "text"
