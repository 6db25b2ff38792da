"""Pages of a long list by where the last one ended: page 10,000 costs what page 1 costs.

A list over several accounts or pairs is merged from one short run of an index each, because no
index is in order across them. Statements are put together as text, for the ORM takes longer to
write one than the database to answer it; values only ever go in as parameters, but for how many
rows a page has. Knows nothing of what the rows mean; never uses OFFSET.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import QuerySet

from loans.services.held import figure, instant
from loans.services.sql import ALWAYS, Condition, both

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# An amount fits its column, or no row could ever stand there.
_TOKEN = re.compile(r"(~?)(none|-?\d{1,22}(?:\.\d{1,8})?)_(\d{1,18})", re.ASCII)

Key = datetime | Decimal | None


class Cursor(NamedTuple):
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


class Order(NamedTuple):
    """By one column, then by id. A missing key is less than every other; an instant never is."""

    column: str
    descending: bool
    is_instant: bool

    def reversed(self) -> "Order":
        """The same order from its other end."""
        return Order(self.column, not self.descending, self.is_instant)

    @property
    def terms(self) -> str:
        """For ORDER BY among rows whose keys are all known, or all missing."""
        way = "DESC" if self.descending else "ASC"
        return f"run.{self.column} {way}, run.id {way}"

    @property
    def all_terms(self) -> str:
        """For ORDER BY among any rows."""
        if self.is_instant:
            return self.terms
        if self.descending:
            return f"run.{self.column} DESC NULLS LAST, run.id DESC"
        return f"run.{self.column} ASC NULLS FIRST, run.id ASC"

    def beyond(self, cursor: Cursor | None) -> list[Condition]:
        """The rows that come after the cursor's, each condition one span of an index. The cursor's
        values are parameters as they are: `record_runs` gives places of values in their stead.

        Known and missing keys are two spans, because the engines disagree where an index keeps the
        missing ones.
        """
        column, side = f"run.{self.column}", "<" if self.descending else ">"
        if self.is_instant and cursor is None:
            return [ALWAYS]
        known: Condition = (f"{column} IS NOT NULL", ())
        missing: Condition = (f"{column} IS NULL", ())
        if cursor is None:
            return [known, missing]
        if cursor.key is None:
            rest: Condition = (f"{column} IS NULL AND run.id {side} %s", (cursor.id,))
            return [rest] if self.descending else [rest, known]
        further: Condition = (
            f"({column}, run.id) {side} (%s, %s)",
            (cursor.key, cursor.id),
        )
        return [further, missing] if self.descending and not self.is_instant else [further]

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


class Page(NamedTuple):
    """Some rows in order, and the tokens of the pages beside them. `bad_place`: these are the first
    rows, because the token that was given could not be read.
    """

    rows: tuple[Any, ...]
    following: str = ""
    preceding: str = ""
    bad_place: bool = False


def statement(
    wanted: str,
    *,
    table: str,
    columns: Sequence[str],
    join: str,
    members: Sequence[Condition],
    order: Order,
    limit: Condition,
    cursor: Cursor | None,
    by_id: bool,
) -> Condition:
    """What is wanted of the first rows beyond the cursor, of all members together: SQL and its
    parameters, among them those of the limit and the cursor's values as they are.

    Each member is a condition under which an index is in this order. Rows are called `run` in what
    is wanted, in the members and in the join, which must neither add nor drop any. The members give
    only the places, which their index holds, and the rows are then read `by_id`, where that is the
    quicker way.
    """
    most, given = limit
    terms = f"ORDER BY {order.terms} LIMIT {most}"
    spans = [both(member, place) for member in members for place in order.beyond(cursor)]
    params = [value for _, values in spans for value in (*values, *given)]
    froms = [f"{table} AS run{{}} WHERE {where} {terms}" for where, _ in spans]
    if len(spans) == 1:
        return f"SELECT {wanted} FROM {froms[0].format(join)}", tuple(params)  # noqa: S608 - our own names
    # SQLite allows no LIMIT inside a compound, but does so one level below.
    names = ", ".join(f"run.{column}" for column in (("id", order.column) if by_id else columns))
    runs = " UNION ALL ".join(
        f"SELECT * FROM (SELECT {names} FROM {one.format('')}) AS run"  # noqa: S608 - our own names
        for one in froms
    )
    ordered = f"ORDER BY {order.all_terms}"
    if by_id:
        runs = (
            f"SELECT run.id FROM ({runs}) AS run {ordered} LIMIT {most}"  # noqa: S608 - as above
            f") AS place JOIN {table} AS run ON (run.id = place.id"
        )
        text = f"SELECT {wanted} FROM ({runs}){join} {ordered}"  # noqa: S608 - as above
    else:
        text = f"SELECT {wanted} FROM ({runs}) AS run{join} {ordered} LIMIT {most}"  # noqa: S608
    return text, (*params, *given)


def first_of_each(members: Sequence[QuerySet], *terms: str, limit: int) -> QuerySet:
    """The first `limit` rows of every member in an order, all together. One query."""
    model = members[0].model
    runs = [member.order_by(*terms)[:limit] for member in members]
    ids = [model.objects.filter(pk__in=run.values("pk")).values("pk") for run in runs]
    together = ids[0].union(*ids[1:], all=True) if len(ids) > 1 else ids[0]
    return model.objects.filter(pk__in=together).order_by(*terms)


def page(
    fetch: Callable[[Order, int, Cursor | None], list[Any]],
    order: Order,
    *,
    size: int,
    name: Callable[[Any], Any],
    after: str = "",
) -> Page:
    """The page of rows beyond the place of a token, of which `name` makes one that has `id` and the
    order's column by name. Fetches once: from its order, how many, and beyond which cursor.
    """
    cursor = order.read(after) if after else None
    backwards = cursor is not None and cursor.backwards
    rows = fetch(order.reversed() if backwards else order, size + 1, cursor)
    has_more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    ends = [name(row) for row in (rows[:1] + rows[-1:])]
    return Page(
        rows=tuple(rows),
        following=_token(ends[-1:], order) if has_more or backwards else "",
        preceding=_token(ends[:1], order, backwards=True) if _precedes(cursor, has_more) else "",
        bad_place=bool(after) and cursor is None,
    )


def cursor_of(row: Any, order: Order, *, backwards: bool = False) -> Cursor:
    """Where a named row stands. A text as its key is an instant or a figure as it is held."""
    key = getattr(row, order.column)
    if isinstance(key, str):
        key = instant(key) if order.is_instant else figure(key)
    return Cursor(key, row.id, backwards)


def _precedes(cursor: Cursor | None, has_more: bool) -> bool:
    """Whether rows lie before a page: surely those the cursor came from, or more of them."""
    return cursor is not None and (has_more or not cursor.backwards)


def _token(rows: list[Any], order: Order, *, backwards: bool = False) -> str:
    return cursor_of(rows[0], order, backwards=backwards).token() if rows else ""
