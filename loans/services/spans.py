"""What the records of a span add up to, per currency or per debt, from the totals that are kept.

A span is what lies before its end less what lies before its beginning. Of both `rollups` keeps
totals, up to half hours, or days where pairs are chosen (`loans.periods`); the few records between
there and the instant are read. All in one statement, so that what is added up is of one moment,
whatever is being written. On SQLite a sum comes in parts, and the first of them, in which only huge
figures have digits, is added up where one of those is met: by a second statement for everything.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Model

from loans import exact
from loans.fields import is_huge, parts_of, units_of_parts
from loans.models import ALL_PAIRS, Account, BorrowRecord, Kind, RecordTotal
from loans.models.totals import COUNTS
from loans.periods import ALL_TIME, BEGIN, DAY, HALF_HOUR, LONGEST, before, kept
from loans.services.position import Slot
from loans.services.rollups import MODELS, Figures, names_of
from loans.services.sql import (
    ALWAYS,
    Condition,
    Words,
    ask,
    both,
    engine,
    one_of,
    to_database,
)

FAR = 100_000  # more runs than there are before any instant that can be asked for
# Rows beside the range that each is in. Both engines are made to look up range by range: left to
# themselves, they would rather read all rows of a pair.
RANGES = {
    "postgresql": (
        "(VALUES {ranges}) AS span(sign, begins, ends) "
        "CROSS JOIN LATERAL (SELECT * FROM {rows} OFFSET 0) AS found"
    ),
    "sqlite": (
        "(WITH span(sign, begins, ends) AS (VALUES {ranges}) SELECT * FROM span) AS span "
        "CROSS JOIN {rows}"
    ),
}
# What each row counts for in the counts, with the sign of its range.
COUNTED = {
    "records": "sign",
    "principals": "CASE WHEN principal IS NULL THEN 0 ELSE sign END",
    "interests": "CASE WHEN interest IS NULL THEN 0 ELSE sign END",
}
BEYOND = "beyond"  # how many rows have digits that were not added up
Range = tuple[int, int, int]  # a sign, the first period and the last one
Piece = tuple[int, datetime, datetime]  # a sign, and the two ends


class Cut(NamedTuple):
    """A span in pieces: what is in it is what those add up to, each with its sign: ranges of
    periods, and pieces of time, whose records are read.
    """

    periods: tuple[Range, ...]
    records: tuple[Piece, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which records. No `symbols`: all pairs; no `currency`: all of them.

    Besides those, the records with the id `named`, if it is given: of `symbol` only, if it is.
    """

    kind: str
    accounts: Sequence[Account]
    symbols: Collection[str] | None = None
    currency: str = ""
    since: datetime | None = None
    until: datetime | None = None
    named: str = ""
    symbol: str = ""


class _Shape(NamedTuple):
    """All that the words of a statement depend on, the same for many spans; of lists, how long they
    are, and no pairs are all of them.
    """

    kind: str
    is_whole: bool
    accounts: int
    symbols: int | None
    periods: int
    pieces: int
    is_of_currency: bool
    is_named: bool
    is_of_symbol: bool
    has_since: bool
    has_until: bool


class _Sums(NamedTuple):
    """What is added up of records of a kind, by these columns; `is_whole`, or without the first
    part of each sum, where only huge figures have digits.
    """

    kind: str
    names: tuple[str, ...]
    is_whole: bool

    @property
    def width(self) -> int:
        """How many parts each sum has."""
        return _width(engine(), is_whole=self.is_whole)

    def of(self, model: type[Model], source: str) -> str:
        """The statement that adds them up, over records or totals."""
        by = ", ".join(self.names)
        sums = _sums(model, self.kind, engine(), is_whole=self.is_whole)
        return f"SELECT {by}, {sums} FROM {source} GROUP BY {by}"  # noqa: S608 - our own names


def by_currency(wanted: Wanted) -> dict[str, Figures]:
    """What they add up to, by currency. One query, two where figures are huge; currencies without a
    record are left out.
    """
    since, until, symbols = wanted.since, wanted.until, wanted.symbols
    is_named = bool(wanted.named)  # only then the pair and the ends are told as they are
    cut = cut_up(since, until, HALF_HOUR if symbols is None else DAY)
    shape = _Shape(
        kind=str(wanted.kind),
        is_whole=False,
        accounts=len(wanted.accounts),
        symbols=None if symbols is None else len(symbols),
        periods=len(cut.periods),
        pieces=len(cut.records),
        is_of_currency=bool(wanted.currency),
        is_named=is_named,
        is_of_symbol=is_named and bool(wanted.symbol),
        has_since=is_named and since is not None,
        has_until=is_named and until is not None,
    )
    key, instant = to_database(Account, "id"), to_database(BorrowRecord, "at")
    values = [
        *(key(account.pk) for account in wanted.accounts),
        *(symbols or ()),
        *(value for one in cut.periods for value in one),
        *(value for sign, *ends in cut.records for value in (sign, *map(instant, ends))),
        wanted.currency,
        wanted.named,
        wanted.symbol,
        instant(since),
        instant(until),
    ]

    def added_up(is_whole: bool) -> list[tuple[Any, ...]]:
        return _words(shape._replace(is_whole=is_whole)).ask(values)

    return {currency: figures for (currency,), figures in _figures(added_up, 1).items()}


def by_slot(
    kind: str, account: Account, *, until: datetime, known_at: datetime
) -> dict[Slot, Figures]:
    """What an account's records before `until` add up to, by debt, without those that were first
    seen after `known_at`. One query, two where figures are huge; debts without a record are left
    out.
    """
    names, model, cut = ("symbol", "currency"), MODELS[Kind(kind)], cut_up(None, until, DAY)
    own: Condition = ("account_id = %s", (to_database(Account, "id")(account.pk),))
    instant = to_database(BorrowRecord, "at")
    has_totals, totals = both(own, _of_kind(kind), (f"period = {ALL_TIME}", ()))
    pairs = f"SELECT symbol FROM {RecordTotal._meta.db_table} WHERE {has_totals}"  # noqa: S608 - our own names
    of_pairs: Condition = (f"symbol IN ({pairs}) AND symbol <> '{ALL_PAIRS}'", totals)
    pieces = [(sign, instant(begin), instant(end)) for sign, begin, end in cut.records]
    # Named by their ids, or SQLite would rather go through everything before `until`.
    condition, values = both(
        own,
        ("at < %s", (instant(until),)),
        ("first_seen_at > %s", (to_database(BorrowRecord, "first_seen_at")(known_at),)),
    )
    unknown = f"id IN (SELECT id FROM {model._meta.db_table} WHERE {condition})"  # noqa: S608 - our own names

    def added_up(is_whole: bool) -> list[tuple[Any, ...]]:
        wanted = _Sums(str(kind), names, is_whole)
        members = [_of_totals(wanted, cut.periods, both(own, of_pairs))]
        if pieces:
            members.append(_of_pieces(wanted, pieces, own))
        members.append(_of_some(wanted, -1, both(own, (unknown, values))))
        # How best to find those that nobody knew of depends on how many there are.
        return ask(*_together(wanted, members), keep=False)

    return {Slot(account.pk, *slot): figures for slot, figures in _figures(added_up, 2).items()}


@lru_cache(maxsize=256)
def _words(shape: _Shape) -> Words:
    """The statement of a shape, written with the places of the values in place of the values."""
    ranges = 3 * (shape.periods + shape.pieces)
    places = iter(range(shape.accounts + (shape.symbols or 0) + ranges + 5))
    accounts = tuple(islice(places, shape.accounts))
    symbols = None if shape.symbols is None else tuple(islice(places, shape.symbols))
    periods = [tuple(islice(places, 3)) for _ in range(shape.periods)]
    pieces = [tuple(islice(places, 3)) for _ in range(shape.pieces)]
    currency, named, symbol, since, until = places
    of_all = both(
        one_of("account_id", accounts),
        ("currency = %s", (currency,)) if shape.is_of_currency else ALWAYS,
    )
    wanted, members = _Sums(shape.kind, ("currency",), shape.is_whole), []
    pairs = ALWAYS if symbols is None else one_of("symbol", symbols)
    if periods:
        of_pairs = (f"symbol = '{ALL_PAIRS}'", ()) if symbols is None else pairs
        members.append(_of_totals(wanted, periods, both(of_all, of_pairs)))
    if pieces:
        members.append(_of_pieces(wanted, pieces, both(of_all, pairs)))
    if shape.is_named:
        others, listed = one_of("symbol", symbols or ())
        meant = both(
            of_all,
            ("at >= %s", (since,)) if shape.has_since else ALWAYS,
            ("at < %s", (until,)) if shape.has_until else ALWAYS,
            ("record_id = %s", (named,)),
            (f"NOT {others}", listed) if symbols else ALWAYS,
            ("symbol = %s", (symbol,)) if shape.is_of_symbol else ALWAYS,
        )
        members.append(_of_some(wanted, 1, meant))
    return Words(*_together(wanted, members))


def _figures(
    added_up: Callable[[bool], list[tuple[Any, ...]]], names: int
) -> dict[tuple[str, ...], Figures]:
    """What is told of each group, by its names and in their order. `added_up` gives the rows, their
    sums whole or without the first parts, which is enough unless a row is beyond that.
    """
    beyond, is_whole = names + len(COUNTS), False
    rows = added_up(is_whole)
    if any(row[beyond] for row in rows):
        is_whole = True
        rows = added_up(is_whole)
    if not rows:
        return {}
    columns = list(zip(*sorted(rows), strict=True))  # no two have the same names
    counts = [map(int, column) for column in columns[names:beyond]]
    width = _width(engine(), is_whole=is_whole)
    sums = [_sums_in(columns[k : k + width]) for k in range(beyond + 1, len(columns), width)]
    groups = zip(zip(*columns[:names], strict=True), *counts, *sums, strict=True)
    return {group: Figures(*figures) for group, *figures in groups if figures[0]}


def _sums_in(parts: Sequence[Sequence[Any]]) -> list[Decimal]:
    """A column of sums in one part, of which nothing may be known, or in several."""
    if len(parts) == 1:
        return [whole or exact.ZERO for whole in parts[0]]
    return list(map(exact.from_units, map(units_of_parts, zip(*parts, strict=True))))


def _together(wanted: _Sums, members: Sequence[Condition]) -> Condition:
    """All members added up."""
    text = " UNION ALL ".join(text for text, _ in members)
    if len(members) > 1:
        by, sums = ", ".join(wanted.names), _sums_of_sums(wanted.kind, wanted.width)
        text = f"SELECT {by}, {sums} FROM ({text}) AS piece GROUP BY {by}"  # noqa: S608 - our own names
    return text, tuple(value for _, values in members for value in values)


@lru_cache(maxsize=8)
def _sums_of_sums(kind: str, width: int) -> str:
    """The sums over members of their counts and parts."""
    parts = [f"{name}_{n}" for name in names_of(kind) for n in range(width)]
    return ", ".join(f"SUM({column})" for column in (*COUNTS, BEYOND, *parts))


@cache
def _width(vendor: str, *, is_whole: bool) -> int:
    """How many parts a sum of totals has, which are wider than records."""
    field = RecordTotal._meta.get_field("principal")
    parts = len(parts_of(field.column, field.digits, vendor))
    return parts if is_whole or parts == 1 else parts - 1


@lru_cache(maxsize=16)
def _sums(model: type[Model], kind: str, vendor: str, *, is_whole: bool) -> str:
    """The counts and the parts of every sum, with the signs of what is added up; the same parts
    whatever that is.
    """
    counted = {name: f"sign * {name}" for name in COUNTS} if model is RecordTotal else COUNTED
    counts = [f"SUM({what}) AS {name}" for name, what in counted.items()]
    sums, left_out, width = [], [], _width(vendor, is_whole=is_whole)
    for name in names_of(kind):
        field = model._meta.get_field(name)
        if field.places != exact.PLACES:
            raise ValueError(f"the parts of {field} are in other units than those of other sums")
        parts = [f"SUM(sign * ({part}))" for part in parts_of(field.column, field.digits, vendor)]
        if len(parts) > 1 and not is_whole:
            parts = parts[1:]
            left_out.append(is_huge(field.column, field.digits))
        parts = ["NULL"] * (width - len(parts)) + parts
        sums += [f"{part} AS {name}_{n}" for n, part in enumerate(parts)]
    beyond = f"COUNT(*) FILTER (WHERE {' OR '.join(left_out)})" if left_out else "0"
    return ", ".join([*counts, f"{beyond} AS {BEYOND}", *sums])


def _of_totals(wanted: _Sums, ranges: Sequence[Sequence[Any]], meant: Condition) -> Condition:
    """The totals of ranges of periods: a sign, the first and the last of each."""
    within: Condition = ("period BETWEEN span.begins AND span.ends", ())
    return _of_ranges(wanted, RecordTotal, ranges, both(meant, _of_kind(wanted.kind), within))


def _of_kind(kind: str) -> Condition:
    return f"kind = '{Kind(kind)}'", ()


def _of_pieces(wanted: _Sums, ranges: Sequence[Sequence[Any]], meant: Condition) -> Condition:
    """The records of pieces of time: a sign and the two ends of each."""
    within: Condition = ("at >= span.begins AND at < span.ends", ())
    return _of_ranges(wanted, MODELS[Kind(wanted.kind)], ranges, both(meant, within))


def _of_ranges(
    wanted: _Sums, model: type[Model], ranges: Sequence[Sequence[Any]], meant: Condition
) -> Condition:
    condition, values = meant
    source = RANGES[engine()].format(
        ranges=", ".join(["(%s, %s, %s)"] * len(ranges)),
        rows=f"{model._meta.db_table} WHERE {condition}",
    )
    given = [value for one in ranges for value in one]
    return wanted.of(model, source), (*given, *values)


def _of_some(wanted: _Sums, sign: int, meant: Condition) -> Condition:
    """The records that are meant, all with one sign."""
    model, (condition, values) = MODELS[Kind(wanted.kind)], meant
    source = f"(SELECT {sign} AS sign) AS span CROSS JOIN {model._meta.db_table} WHERE {condition}"
    return wanted.of(model, source), values


@lru_cache(maxsize=256)  # the same days are asked for again and again
def cut_up(since: datetime | None, until: datetime | None, size: timedelta) -> Cut:
    """Cut a span where parts of this size begin; no `since` is from the beginning, no `until`
    without end. Both in UTC: of an hour that a zone has twice, either would be the other's answer.
    """
    if since is None and until is None:
        return Cut(periods=((1, ALL_TIME, ALL_TIME),))
    first, last = (None if end is None else _nearest(end, size) for end in (since, until))
    if since and until and first == last:
        return Cut((), ((1, since, until),))
    runs = LONGEST // size
    minus = set() if first is None else {*before(size, first)}
    plus = set() if last is None else {*before(size, last)}
    periods = [(1, period, period) for period in sorted(plus - minus)]
    periods += [(-1, period, period) for period in sorted(minus - plus)]
    begin, end = (first or 0) // runs, FAR if last is None else last // runs - 1
    if begin <= end:
        periods.append((1, kept(LONGEST, begin), kept(LONGEST, end)))
    ends = ((-1, since, first), (1, until, last))
    pieces = [_piece(sign, at, BEGIN + part * size) for sign, at, part in ends if at is not None]
    return Cut(tuple(periods), tuple(piece for piece in pieces if piece[1] < piece[2]))


def _nearest(at: datetime, size: timedelta) -> int:
    """The part of this size that begins nearest to an instant."""
    return (at - BEGIN + size / 2) // size


def _piece(sign: int, at: datetime, begin: datetime) -> Piece:
    """What is between an instant and where the nearest part begins, and how it counts."""
    return (sign, begin, at) if begin < at else (-sign, at, begin)
