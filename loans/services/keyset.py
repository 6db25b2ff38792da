"""Pages of a long list by where the last one ended: page 10,000 costs what page 1 costs.

A list over several accounts or pairs is merged from one short run of an index each, because no
index is in order across them. Knows nothing of what the rows mean; never uses OFFSET.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TOKEN = re.compile(r"(~?)(none|-?\d{1,30}(?:\.\d{1,16})?)_(\d{1,18})", re.ASCII)

Key = datetime | Decimal | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of one row in an order: its key, and its id where keys are equal."""

    key: Key
    id: int
    backwards: bool = False

    def token(self) -> str:
        """As a query field: `~` in front asks for the rows before this one."""
        sign = "~" if self.backwards else ""
        if isinstance(self.key, datetime):
            return f"{sign}{(self.key - _EPOCH) // _MICROSECOND}_{self.id}"
        return f"{sign}{'none' if self.key is None else format(self.key, 'f')}_{self.id}"


@dataclass(frozen=True, slots=True)
class Order:
    """By one column, then by id. A missing key is less than every other."""

    column: str
    descending: bool
    is_instant: bool

    def reversed(self) -> "Order":
        """The same order from its other end."""
        return Order(self.column, not self.descending, self.is_instant)

    def terms(self) -> tuple[OrderBy | str, str]:
        """For order_by."""
        if self.is_instant:
            sign = "-" if self.descending else ""
            return f"{sign}{self.column}", f"{sign}id"
        key = F(self.column)
        if self.descending:
            return key.desc(nulls_last=True), "-id"
        return key.asc(nulls_first=True), "id"

    def beyond(self, cursor: Cursor) -> Q:
        """The rows that come after the cursor's."""
        side = "lt" if self.descending else "gt"
        tie = Q(**{f"id__{side}": cursor.id})
        if cursor.key is None:
            missing = Q(**{f"{self.column}__isnull": True}) & tie
            return missing if self.descending else missing | ~Q(**{f"{self.column}__isnull": True})
        further = Q(**{f"{self.column}__{side}": cursor.key})
        same = Q(**{self.column: cursor.key}) & tie
        if self.is_instant:
            # The first condition bounds the index scan; the second drops the ties before the id.
            return Q(**{f"{self.column}__{side}e": cursor.key}) & (further | tie)
        missing = Q(**{f"{self.column}__isnull": True}) if self.descending else Q()
        return further | same | missing

    def read(self, token: str) -> Cursor | None:
        """The cursor of a token; None if it is not one of this order."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        backwards, text, row_id = bool(match[1]), match[2], int(match[3])
        if not self.is_instant:
            key = None if text == "none" else Decimal(text)
            return Cursor(key, row_id, backwards)
        try:
            return Cursor(_EPOCH + int(text) * _MICROSECOND, row_id, backwards)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order, and the tokens of the pages beside them."""

    rows: tuple[Any, ...]
    following: str = ""
    preceding: str = ""


def run(
    members: Sequence[QuerySet], order: Order, *, limit: int, cursor: Cursor | None = None
) -> QuerySet:
    """The first `limit` rows beyond the cursor, of all members together. One query."""
    runs = [
        (member.filter(order.beyond(cursor)) if cursor else member).order_by(*order.terms())[:limit]
        for member in members
    ]
    if len(runs) == 1:
        return runs[0]
    return _together(runs, order)[:limit]


def newest_of_each(members: Sequence[QuerySet], order: Order, *, limit: int) -> QuerySet:
    """The first `limit` rows of every member, all in one order. One query."""
    return _together([member.order_by(*order.terms())[:limit] for member in members], order)


def _together(runs: Sequence[QuerySet], order: Order) -> QuerySet:
    """The rows of several runs in one order."""
    model = runs[0].model
    # SQLite allows no LIMIT inside a compound, but does so one level below.
    ids = [model.objects.filter(pk__in=one.values("pk")).values("pk") for one in runs]
    together = ids[0].union(*ids[1:], all=True) if len(ids) > 1 else ids[0]
    return model.objects.filter(pk__in=together).order_by(*order.terms())


def page(
    members: Sequence[QuerySet],
    order: Order,
    *,
    columns: Sequence[str],
    size: int,
    cursor: Cursor | None = None,
) -> Page:
    """One page of named rows; `columns` must hold `id` and the order's column. One query."""
    if not members:
        return Page(())
    backwards = cursor is not None and cursor.backwards
    direction = order.reversed() if backwards else order
    found = run(members, direction, limit=size + 1, cursor=cursor)
    rows = list(found.values_list(*columns, named=True))
    has_more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    return Page(
        rows=tuple(rows),
        following=_token(rows[-1:], order) if has_more or backwards else "",
        preceding=_token(rows[:1], order, backwards=True) if _precedes(cursor, has_more) else "",
    )


def cursor_of(row: Any, order: Order, *, backwards: bool = False) -> Cursor:
    """Where a named row stands."""
    return Cursor(getattr(row, order.column), row.id, backwards)


def _precedes(cursor: Cursor | None, has_more: bool) -> bool:
    """Whether rows lie before a page: surely those the cursor came from, or more of them."""
    return cursor is not None and (has_more or not cursor.backwards)


def _token(rows: list[Any], order: Order, *, backwards: bool = False) -> str:
    return cursor_of(rows[0], order, backwards=backwards).token() if rows else ""
