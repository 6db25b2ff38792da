"""Runs of records in order, read by one statement each: as values, or as the database holds them
for pages and the largest files.

Which rows a filter means is said here once. Reads only; every run starts from the accounts in the
filter, which are the ones its reader sees.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import islice, product
from typing import Any, NamedTuple

from django.db.models import Field

from loans.models import Account, Instruction, Kind
from loans.services import held
from loans.services.filters import HistoryFilter
from loans.services.keyset import Cursor, Order, statement
from loans.services.record_store import model_of
from loans.services.sql import (
    ALWAYS,
    Condition,
    Words,
    both,
    converters,
    engine,
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
# Of more rows than this PostgreSQL would rather read through the table than find each by its id.
MOST_BY_ID = 200
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
    steps = converters(_fields(kind), REPEATED)
    return list(map(make, from_database(found, steps)))


def fetch_held(
    kind: str, chosen: HistoryFilter, order: Order, limit: int, cursor: Cursor | None
) -> list[Any]:
    """As `fetch`, but what a page shows, as the database holds it, and without names, which only
    the rows at a page's ends need: `name_held` names one.
    """
    return fetch_raw(kind, chosen, order, limit, cursor, select=_held_texts(kind))


def name_held(kind: str, row: tuple[Any, ...]) -> Any:
    """A row of `fetch_held` with its names."""
    return _held(kind)._make(row)


def _held(kind: str) -> Any:
    return HeldBorrow if kind == Kind.BORROW else HeldRepay


@cache
def _held_texts(kind: str) -> tuple[str, ...]:
    """What a page shows, as expressions."""
    return tuple(map(held.as_text, _held(kind)._fields[:-1]))


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
    model, accounts, symbols = model_of(kind), chosen.chosen, chosen.symbols
    each_account = len(accounts) <= MOST_ACCOUNTS
    members = (len(accounts) if each_account else 1) * len(symbols or ())
    since, until, cursor = _span(chosen, order, cursor)
    found = _words(
        _Shape(
            kind=kind,
            select=tuple(select),
            order=order,
            by_id=engine() == "sqlite" or limit <= MOST_BY_ID,
            accounts=len(accounts),
            each_account=each_account,
            symbols=None if symbols is None else len(symbols),
            each_symbol=members <= MOST_MEMBERS,
            is_named=bool(chosen.q),
            is_of_symbol=bool(chosen.symbol),
            is_of_currency=bool(chosen.currency),
            has_since=since is not None,
            has_until=until is not None,
            has_place=cursor is not None,
            has_key=cursor is not None and cursor.key is not None,
            limit=limit,
        )
    )
    if found is None:
        return []
    words, follows_an_index = found
    instant = to_database(model, "at")
    values = (
        *map(to_database(Account, "id"), [account.pk for account in accounts]),
        *(symbols or ()),
        chosen.q,
        chosen.symbol,
        chosen.currency,
        instant(since),
        instant(until),
        *((to_database(model, order.column)(cursor.key), cursor.id) if cursor else (None, None)),
        limit,
    )
    return words.ask(values, keep=limit <= MOST_BY_ID and follows_an_index)


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


class _Shape(NamedTuple):
    """All that the words of a statement depend on: the same for every page of a list. Of accounts
    and pairs, how many there are, and whether each is read by itself.
    """

    kind: str
    select: tuple[str, ...]
    order: Order
    by_id: bool
    accounts: int
    each_account: bool
    symbols: int | None
    each_symbol: bool
    is_named: bool
    is_of_symbol: bool
    is_of_currency: bool
    has_since: bool
    has_until: bool
    has_place: bool
    has_key: bool
    limit: int


@lru_cache(maxsize=256)
def _words(shape: _Shape) -> tuple[Words, bool] | None:
    """The statement of a shape, written with the places of the values in place of the values, and
    whether it follows an index; None where no row can be meant.

    Where rows are left out on the way, another index is best if they are most of them; else each
    member follows an index, being all of one span of it in this order.
    """
    places = iter(range(shape.accounts + (shape.symbols or 0) + 8))
    accounts = tuple(islice(places, shape.accounts))
    symbols = None if shape.symbols is None else tuple(islice(places, shape.symbols))
    named, symbol, currency, since, until, key, row_id, limit = places
    conditions: list[Condition] = [ALWAYS]
    if shape.has_since:
        conditions.append(("run.at >= %s", (since,)))
    if shape.has_until:
        conditions.append(("run.at < %s", (until,)))
    if shape.is_of_currency:
        conditions.append(("run.currency = %s", (currency,)))
    owned = [one_of("run.account_id", accounts)]
    if shape.each_account:
        owned = [("run.account_id = %s", (place,)) for place in accounts]
    members = _members(shape, owned, symbols)
    if shape.is_named:
        by_id = _by_record_id(shape, named, symbol, symbols)
        members = [*members, *(both(account, by_id) for account in owned)]
    if not members:
        return None
    in_order = shape.order.is_instant or (conditions == [ALWAYS] and symbols is None)
    one_by_one = shape.each_account and (symbols is None or shape.each_symbol)
    is_sifted = symbols is not None and shape.is_of_currency
    # By one plan for all values, PostgreSQL might read all of a pair or a span with many rows to
    # sort them, if others have few. Not knowing the limit, it finds no such plan that is cheaper
    # than one for these values. Of several members it reads but places, in the order of an index.
    is_open = symbols is None and not (shape.has_since and shape.has_until)
    is_told = is_open or len(members) > 1
    sql, params = statement(
        # Names of their own, or ORDER BY would take a text for the figure that it shows.
        ", ".join(f"{what} AS c{n}" for n, what in enumerate((*shape.select, "cause.id"))),
        table=model_of(shape.kind)._meta.db_table,
        columns=columns_of(shape.kind),
        join=f" LEFT JOIN loans_instruction AS cause ON cause.{shape.kind}_record_id = run.id",
        members=[both(member, *conditions) for member in members],
        order=shape.order,
        limit=(str(shape.limit), ()) if is_told else ("%s", (limit,)),
        cursor=Cursor(key if shape.has_key else None, row_id) if shape.has_place else None,
        by_id=shape.by_id,
    )
    return Words(sql, params), in_order and one_by_one and not is_sifted


def _members(
    shape: _Shape, owned: list[Condition], symbols: tuple[int, ...] | None
) -> list[Condition]:
    """Conditions that together mean each row exactly once, as far as pairs are meant.

    Each follows one index in time order: an account's, or one of its pairs' if few are meant.
    """
    if symbols is None:
        return owned
    if not shape.each_symbol:
        return [both(account, one_of("run.symbol", symbols)) for account in owned]
    return [
        both(account, ("run.symbol = %s", (place,))) for account, place in product(owned, symbols)
    ]


def _by_record_id(
    shape: _Shape, named: int, symbol: int, symbols: tuple[int, ...] | None
) -> Condition:
    """Rows whose id is the free text, as far as they are not meant by their pair already."""
    condition: Condition = ("run.record_id = %s", (named,))
    if symbols:
        listed, values = one_of("run.symbol", symbols)
        condition = both(condition, (f"NOT {listed}", values))
    return both(condition, ("run.symbol = %s", (symbol,))) if shape.is_of_symbol else condition


def _span(
    chosen: HistoryFilter, order: Order, cursor: Cursor | None
) -> tuple[datetime | None, datetime | None, Cursor | None]:
    """The span of time. Where the list is in order of time, a place inside it takes the bound's
    part and one before it says nothing, so that the index is never given two beginnings.
    """
    since, until = chosen.since, chosen.until
    if cursor is not None and isinstance(cursor.key, datetime):
        if order.descending and until is not None:
            cursor, until = (cursor, None) if cursor.key < until else (None, until)
        elif not order.descending and since is not None:
            cursor, since = (cursor, None) if cursor.key >= since else (None, since)
    return since, until, cursor
