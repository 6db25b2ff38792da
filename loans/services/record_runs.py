"""Runs of records in order, read by one statement each: as values, or as the database holds them
for pages and the largest files.

Which rows a filter means is said here once. Reads only; every run starts from the accounts in the
filter, which are the ones its reader sees.
"""

from collections import namedtuple
from collections.abc import Sequence
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


def named(kind: str, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Rows of `columns_of` and the instruction as the engine gives them, with their names and the
    values that the models give.
    """
    make = (BorrowRow if kind == Kind.BORROW else RepayRow)._make
    return list(map(make, from_database(rows, converters(_fields(kind), REPEATED))))


def fetch_held(
    kind: str, chosen: HistoryFilter, order: Order, limit: int, cursor: Cursor | None
) -> list[Any]:
    """The first rows beyond the cursor: what a page shows, as the database holds it, and without
    names, which only the rows at a page's ends need: `name_held` names one. One query.
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
    model = model_of(kind)
    since, until, cursor = _span(chosen, order, cursor)
    found = _words(
        _Shape(
            kind=kind,
            select=tuple(select),
            order=order,
            by_id=engine() == "sqlite" or limit <= MOST_BY_ID,
            meant=_meant(chosen, since, until),
            has_place=cursor is not None,
            has_key=cursor is not None and cursor.key is not None,
            limit=limit,
        )
    )
    if found is None:
        return []
    words, follows_an_index = found
    values = (
        *_values(kind, chosen, since, until),
        *((to_database(model, order.column)(cursor.key), cursor.id) if cursor else (None, None)),
        limit,
    )
    return words.ask(values, keep=limit <= MOST_BY_ID and follows_an_index)


def condition_of(kind: str, chosen: HistoryFilter) -> Condition:
    """Which rows of a `run` a filter means, as one condition with its values."""
    span = chosen.since, chosen.until
    meant = _meant(chosen, *span)._replace(each_account=False, each_symbol=False)
    members = _members(meant, _values(kind, chosen, *span))
    told = " OR ".join(f"({sql})" for sql, _ in members)
    return f"({told or 'FALSE'})", tuple(value for _, values in members for value in values)


def _values(
    kind: str, chosen: HistoryFilter, since: datetime | None, until: datetime | None
) -> tuple[Any, ...]:
    """What a filter's conditions are of, as the engine takes it, in the order of `_members`."""
    key, instant = to_database(Account, "id"), to_database(model_of(kind), "at")
    return (
        *(key(account.pk) for account in chosen.chosen),
        *(chosen.symbols or ()),
        chosen.q,
        chosen.symbol,
        chosen.currency,
        instant(since),
        instant(until),
    )


class _Meant(NamedTuple):
    """All that the conditions of a filter depend on. Of accounts and pairs, how many there are, and
    whether each is read by itself.
    """

    accounts: int
    each_account: bool
    symbols: int | None
    each_symbol: bool
    is_named: bool
    is_of_symbol: bool
    is_of_currency: bool
    has_since: bool
    has_until: bool

    @property
    def leaves_rows_out(self) -> bool:
        """Whether rows of the accounts and pairs are not meant for what else they are."""
        return self.is_of_currency or self.has_since or self.has_until


def _meant(chosen: HistoryFilter, since: datetime | None, until: datetime | None) -> _Meant:
    accounts, symbols = len(chosen.chosen), len(chosen.symbols or ())
    each_account = accounts <= MOST_ACCOUNTS
    return _Meant(
        accounts=accounts,
        each_account=each_account,
        symbols=None if chosen.symbols is None else symbols,
        each_symbol=(accounts if each_account else 1) * symbols <= MOST_MEMBERS,
        is_named=bool(chosen.q),
        is_of_symbol=bool(chosen.symbol),
        is_of_currency=bool(chosen.currency),
        has_since=since is not None,
        has_until=until is not None,
    )


class _Shape(NamedTuple):
    """All that the words of a statement depend on: the same for every page of a list."""

    kind: str
    select: tuple[str, ...]
    order: Order
    by_id: bool
    meant: _Meant
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
    meant = shape.meant
    *values, key, row_id, limit = range(meant.accounts + (meant.symbols or 0) + 8)
    members = _members(meant, values)
    if not members:
        return None
    of_any_symbol = meant.symbols is None
    in_order = shape.order.is_instant or (of_any_symbol and not meant.leaves_rows_out)
    one_by_one = meant.each_account and (of_any_symbol or meant.each_symbol)
    is_sifted = not of_any_symbol and meant.is_of_currency
    # By one plan for all values, PostgreSQL might read all of a pair or a span with many rows to
    # sort them, if others have few. Not knowing the limit, it finds no such plan that is cheaper
    # than one for these values. Of several members it reads but places, in the order of an index.
    is_open = of_any_symbol and not (meant.has_since and meant.has_until)
    is_told = is_open or len(members) > 1
    sql, params = statement(
        # Names of their own, or ORDER BY would take a text for the figure that it shows.
        ", ".join(f"{what} AS c{n}" for n, what in enumerate((*shape.select, "cause.id"))),
        table=model_of(shape.kind)._meta.db_table,
        columns=columns_of(shape.kind),
        join=f" LEFT JOIN loans_instruction AS cause ON cause.{shape.kind}_record_id = run.id",
        members=members,
        order=shape.order,
        limit=(str(shape.limit), ()) if is_told else ("%s", (limit,)),
        cursor=Cursor(key if shape.has_key else None, row_id) if shape.has_place else None,
        by_id=shape.by_id,
    )
    return Words(sql, params), in_order and one_by_one and not is_sifted


def _members(meant: _Meant, values: Sequence[Any]) -> list[Condition]:
    """Conditions that together mean each row exactly once. `values` are those of the accounts, the
    pairs, the free text, the one pair, the currency and the two ends, or what stands for them.
    """
    given = iter(values)
    accounts = tuple(islice(given, meant.accounts))
    symbols = None if meant.symbols is None else tuple(islice(given, meant.symbols))
    named, symbol, currency, since, until = given
    conditions: list[Condition] = [ALWAYS]
    if meant.has_since:
        conditions.append(("run.at >= %s", (since,)))
    if meant.has_until:
        conditions.append(("run.at < %s", (until,)))
    if meant.is_of_currency:
        conditions.append(("run.currency = %s", (currency,)))
    owned = [one_of("run.account_id", accounts)]
    if meant.each_account:
        owned = [("run.account_id = %s", (account,)) for account in accounts]
    members = _by_pair(meant, owned, symbols)
    if meant.is_named:
        by_id = _by_record_id(meant, named, symbol, symbols)
        members = [*members, *(both(account, by_id) for account in owned)]
    return [both(member, *conditions) for member in members]


def _by_pair(
    meant: _Meant, owned: list[Condition], symbols: tuple[Any, ...] | None
) -> list[Condition]:
    """Conditions that together mean each row exactly once, as far as pairs are meant.

    Each follows one index in time order: an account's, or one of its pairs' if few are meant.
    """
    if symbols is None:
        return owned
    if not meant.each_symbol:
        return [both(account, one_of("run.symbol", symbols)) for account in owned]
    return [
        both(account, ("run.symbol = %s", (symbol,))) for account, symbol in product(owned, symbols)
    ]


def _by_record_id(
    meant: _Meant, named: Any, symbol: Any, symbols: tuple[Any, ...] | None
) -> Condition:
    """Rows whose id is the free text, as far as they are not meant by their pair already."""
    condition: Condition = ("run.record_id = %s", (named,))
    if symbols:
        listed, values = one_of("run.symbol", symbols)
        condition = both(condition, (f"NOT {listed}", values))
    return both(condition, ("run.symbol = %s", (symbol,))) if meant.is_of_symbol else condition


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
