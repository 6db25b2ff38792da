"""The history as JSON: one object that says what it holds, with its rows one a line, streamed.

Amounts and rates are strings, because many programs read a JSON number as a double and lose digits.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from loans.models import Account, Kind
from loans.services import exports, history
from loans.services.exports import number_cell, time_cell
from loans.services.filters import HistoryFilter

MEDIA_TYPE = "application/json"
CLOSING = "\n  ]\n}\n"
WHAT = {Kind.BORROW: "borrows", Kind.REPAY: "repayments"}
FIGURES = {
    Kind.BORROW: ("principal", "interest", "daily_rate", "hourly_rate"),
    Kind.REPAY: ("amount", "principal", "interest"),
}


def pieces(kind: str, chosen: HistoryFilter, *, now: datetime) -> Iterator[str]:
    """The file in pieces of some rows each."""
    accounts = {account.pk: account for account in chosen.accounts}
    rows = (
        record(kind, row, accounts[row.account_id], chosen)
        for row in history.every_row(kind, chosen)
    )
    yield from joined(rows, head=_head(kind, chosen, now))


def record(kind: str, row: Any, account: Account, chosen: HistoryFilter) -> dict[str, Any]:
    """One row: what is not known is null."""
    time_name = "borrowed_at" if kind == Kind.BORROW else "repaid_at"
    return {
        "account": account.label,
        "venue": account.venue,
        "record_id": row.record_id,
        "symbol": row.symbol,
        "currency": row.currency,
        **{name: number_cell(getattr(row, name)) or None for name in FIGURES[Kind(kind)]},
        time_name: time_cell(row.at, chosen.zone),
        "story_changed": row.story_changed,
        "instruction": str(row.instruction__id) if row.instruction__id else None,
    }


def joined(
    rows: Iterable[dict[str, Any]], *, head: dict[str, Any], name: str = "rows"
) -> Iterator[str]:
    """An object of the head's members and `name`, an array with a row a line."""
    piece, is_first = [opening(head, name)], True
    for row in rows:
        piece.append(line(row, is_first=is_first))
        is_first = False
        if len(piece) > exports.LINES_A_PIECE:
            yield "".join(piece)
            piece = []
    yield "".join([*piece, CLOSING])


def opening(head: dict[str, Any], name: str = "rows") -> str:
    """The beginning of such an object, up to the first row. `head` has at least one member."""
    members = json.dumps(head, ensure_ascii=False, indent=2).removesuffix("\n}")
    return f"{members},\n  {json.dumps(name)}: ["


def line(row: dict[str, Any], *, is_first: bool) -> str:
    """One row, with what stands between it and the one before."""
    return f"{'' if is_first else ','}\n    {json.dumps(row, ensure_ascii=False)}"


def _head(kind: str, chosen: HistoryFilter, now: datetime) -> dict[str, Any]:
    return {
        "what": WHAT[Kind(kind)],
        "filter": {name: text for name, text in chosen.typed.items() if text},
        "filter_in_words": chosen.words,
        "sort": chosen.sort,
        "zone": str(chosen.zone),
        "made_at": time_cell(now, chosen.zone),
        "amounts": "strings, with every digit; null where the exchange never told",
    }
