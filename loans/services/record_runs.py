"""Runs of records in order, read by one statement each: as values, or as the database holds them
for pages and the largest files.

Which rows a filter means is said here once. Reads only; every run starts from the accounts in the
filter, which are the ones its reader sees.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import product
from typing import Any

from django.db import connection
from django.db.models import Field

from loans.models import Account, Instruction, Kind
from loans.services import held
from loans.services.filters import HistoryFilter
from loans.services.keyset import MOST_BY_ID, Cursor, Order, statement
from loans.services.record_store import model_of
from loans.services.sql import (
    ALWAYS,
    Condition,
    ask,
    both,
    converters,
    from_database,
    one_of,
    to_database,
)

COMMON = ("id", "account_id", "record_id", "symbol", "currency", "interest", "at", "story_changed")
BORROW_COLUMNS = (*COMMON, "uuid", "principal", "daily_rate", "hourly_rate")
REPAY_COLUMNS = (*COMMON, "amount", "principal")
REPEATED = frozenset({"account", "daily_rate", "hourly_rate"})
BorrowRow = namedtuple("BorrowRow", (*BORROW_COLUMNS, "instruction__id"))
RepayRow = namedtuple("RepayRow", (*REPAY_COLUMNS, "instruction__id"))
# What a page shows, as the database holds it: `held` says how to read it.
HELD_OF_BORROW = (*COMMON, "uuid", "principal", "daily_rate")
HeldBorrow = namedtuple("HeldBorrow", (*HELD_OF_BORROW, "instruction__id"))
HeldRepay = namedtuple("HeldRepay", (*REPAY_COLUMNS, "instruction__id"))
# More members than this cost more than filtering a run of the time index.
MOST_MEMBERS = 24
# SQLite joins at most 500 runs, and a member may need two of them twice over.
MOST_ACCOUNTS = 100


def columns_of(kind: str) -> tuple[str, ...]:
    """What a row holds, without the instruction that caused it."""
    return BORROW_COLUMNS if kind == Kind.BORROW else REPAY_COLUMNS


@cache
def _fields(kind: str) -> tuple[Field, ...]:
    model = model_of(kind)
    return (*(model._meta.get_field(name) for name in columns_of(kind)), Instruction._meta.pk)


def fetch(
    kind: str, chosen: HistoryFilter, order: Order, limit: int, cursor: Cursor | None
) -> list[Any]:
    """The first rows beyond the cursor, named, their values as the models give them. One query."""
    names = columns_of(kind)
    select = [f"run.{name}" for name in names]
    found = fetch_raw(kind, chosen, order, limit, cursor, select=select)
    make = (BorrowRow if kind == Kind.BORROW else RepayRow)._make
    steps = converters(_fields(kind), connection.vendor, REPEATED)
    return list(map(make, from_database(found, steps)))


def fetch_held(
    kind: str, chosen: HistoryFilter, order: Order, limit: int, cursor: Cursor | None
) -> list[Any]:
    """As `fetch`, but what a page shows, as the database holds it, and without names, which only
    the rows at a page's ends need: `name_held` names one.
    """
    select = _as_texts(_held(kind)._fields[:-1], connection.vendor)
    return fetch_raw(kind, chosen, order, limit, cursor, select=select)


def name_held(kind: str, row: tuple[Any, ...]) -> Any:
    """A row of `fetch_held` with its names."""
    return _held(kind)._make(row)


def _held(kind: str) -> Any:
    return HeldBorrow if kind == Kind.BORROW else HeldRepay


@cache
def _as_texts(names: tuple[str, ...], vendor: str) -> list[str]:
    """The columns as expressions, written once an engine."""
    return [held.as_text(name) for name in names]


def fetch_raw(
    kind: str,
    chosen: HistoryFilter,
    order: Order,
    limit: int,
    cursor: Cursor | None,
    *,
    select: Sequence[str],
) -> list[tuple[Any, ...]]:
    """The same as the database holds it; `select` are expressions over `run`. The id of the
    instruction comes last. One query, or none where no row can be meant.
    """
    members, cursor = _members(kind, chosen, order, cursor)
    if not members:
        return []
    sql, params = statement(
        _wanted(tuple(select)),
        table=model_of(kind)._meta.db_table,
        columns=columns_of(kind),
        join=f" LEFT JOIN loans_instruction AS cause ON cause.{kind}_record_id = run.id",
        members=members,
        order=order,
        limit=limit,
        cursor=cursor,
        to_database=to_database(model_of(kind), order.column),
    )
    return ask(sql, params, keep=limit <= MOST_BY_ID and _follows_an_index(chosen, order))


def _follows_an_index(chosen: HistoryFilter, order: Order) -> bool:
    """Whether each member is all of one span of an index in this order. Where rows are left out on
    the way, another index is best if they are most of them.
    """
    filters = chosen.symbols is not None, bool(chosen.currency)
    if any((*filters, chosen.since, chosen.until)) and not order.is_instant:
        return False
    members = len(chosen.chosen) * len(chosen.symbols or ("any",))
    most = MOST_ACCOUNTS if chosen.symbols is None else MOST_MEMBERS
    return not all(filters) and members <= most


@lru_cache(maxsize=32)
def _wanted(select: tuple[str, ...]) -> str:
    """Names of their own, or ORDER BY would take a text for the figure that it shows."""
    return ", ".join(f"{what} AS c{n}" for n, what in enumerate((*select, "cause.id")))


def every_run(
    fetch_run: Callable[[Cursor | None], list[Any]],
    cursor_after: Callable[[Any], Cursor],
    size: int,
) -> Iterator[list[Any]]:
    """Runs of `size` rows until there are no more."""
    cursor = None
    while True:
        run = fetch_run(cursor)
        if run:
            yield run
        if len(run) < size:
            return
        cursor = cursor_after(run[-1])


def _members(
    kind: str, chosen: HistoryFilter, order: Order, cursor: Cursor | None
) -> tuple[list[Condition], Cursor | None]:
    """Conditions that together mean each row exactly once, and the cursor as far as it is needed.

    Each follows one index in time order: an account's, or one of its pairs' if few are meant.
    """
    span, cursor = _span(kind, chosen, order, cursor)
    accounts, symbols = _accounts(chosen), chosen.symbols
    if symbols is None:
        members = accounts
    elif len(symbols) * len(accounts) > MOST_MEMBERS:
        members = [both(account, one_of("run.symbol", symbols)) for account in accounts]
    else:
        members = [
            both(account, ("run.symbol = %s", (symbol,)))
            for account, symbol in product(accounts, symbols)
        ]
    if chosen.q:
        named = _by_record_id(chosen)
        members = [*members, *(both(account, named) for account in accounts)]
    if chosen.currency:
        span = both(span, ("run.currency = %s", (chosen.currency,)))
    return [both(member, span) for member in members], cursor


def _accounts(chosen: HistoryFilter) -> list[Condition]:
    """A condition an account; one for all of them where they are too many to be merged."""
    keys = list(map(to_database(Account, "id"), (account.pk for account in chosen.chosen)))
    if len(keys) > MOST_ACCOUNTS:
        return [one_of("run.account_id", keys)]
    return [("run.account_id = %s", (key,)) for key in keys]


def _by_record_id(chosen: HistoryFilter) -> Condition:
    """Rows whose id is the free text, as far as they are not meant by their pair already."""
    named: Condition = ("run.record_id = %s", (chosen.q,))
    if chosen.symbols:
        listed, values = one_of("run.symbol", chosen.symbols)
        named = both(named, (f"NOT {listed}", values))
    return both(named, ("run.symbol = %s", (chosen.symbol,))) if chosen.symbol else named


def _span(
    kind: str, chosen: HistoryFilter, order: Order, cursor: Cursor | None
) -> tuple[Condition, Cursor | None]:
    """The span of time. Where the list is in order of time, a place inside it takes the bound's
    part and one before it says nothing, so that the index is never given two beginnings.
    """
    since, until = chosen.since, chosen.until
    if cursor is not None and isinstance(cursor.key, datetime):
        if order.descending and until is not None:
            cursor, until = (cursor, None) if cursor.key < until else (None, until)
        elif not order.descending and since is not None:
            cursor, since = (cursor, None) if cursor.key >= since else (None, since)
    convert = to_database(model_of(kind), "at")
    bounds: list[Condition] = [ALWAYS]
    if since is not None:
        bounds.append(("run.at >= %s", (convert(since),)))
    if until is not None:
        bounds.append(("run.at < %s", (convert(until),)))
    return both(*bounds), cursor
