"""What the records of a span add up to, per currency or per debt, from the totals that are kept.

A span is cut into whole `loans.periods`, whose totals `rollups` has, and at each end a piece of a
day, whose few records are read. An end that is nearer to the end of a period is that whole one,
less what is left of it. All in one statement, so that what is added up is of one moment, whatever
is being written.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model

from loans import exact
from loans.fields import parts_of, units_of_parts
from loans.models import ALL_PAIRS, Account, BorrowRecord, Kind, RecordTotal
from loans.periods import ALL_TIME, BEGIN, SIZES, kept
from loans.services.position import Slot
from loans.services.rollups import COUNTS, MODELS, Figures, names_of
from loans.services.sql import ALWAYS, Condition, ask, both, one_of, to_database

FAR = 100_000  # more periods than there are before any instant that can be asked for
MICROSECOND = timedelta(microseconds=1)
_SIZES = {size // MICROSECOND: size for size in SIZES}
# Totals beside the range that each is in. Both engines are made to look up range by range: left to
# themselves, they would rather read all totals of a pair.
RANGES = {
    "postgresql": (
        "(VALUES {ranges}) AS span(sign, begins, ends) "
        "CROSS JOIN LATERAL (SELECT * FROM {totals} OFFSET 0) AS total"
    ),
    "sqlite": (
        "(WITH span(sign, begins, ends) AS (VALUES {ranges}) SELECT * FROM span) AS span "
        "CROSS JOIN {totals}"
    ),
}
Range = tuple[int, int, int]  # a sign, the first period and the last one
Piece = tuple[int, datetime, datetime]  # a sign, and the two ends


class Cut(NamedTuple):
    """A span in pieces: what is in it is what those add up to, each with its sign: ranges of
    periods, and pieces of days, whose records are read.
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

    @cached_property
    def of_all(self) -> Condition:
        """What holds of every record, and of every total."""
        currency = ("currency = %s", (self.currency,)) if self.currency else ALWAYS
        return both(_owned(self.accounts), currency)


def by_currency(wanted: Wanted) -> dict[str, Figures]:
    """What they add up to, by currency. One query; currencies without a record are left out."""
    found = _added_up(wanted, list(_members(wanted)), ["currency"], keep=True)
    return {currency: figures for (currency,), figures in found.items()}


def by_slot(
    kind: str, account: Account, *, until: datetime, known_at: datetime
) -> dict[Slot, Figures]:
    """What an account's records before `until` add up to, by debt, without those that were first
    seen after `known_at`. One query; debts without a record are left out.
    """
    names, wanted = ["symbol", "currency"], Wanted(kind=kind, accounts=[account])
    convert = to_database(BorrowRecord, "first_seen_at")
    model, own, cut = MODELS[Kind(kind)], _owned([account]), cut_up(None, until)
    has_totals, totals = both(own, ("kind = %s", (str(kind),)), (f"period = {ALL_TIME}", ()))
    pairs = f"SELECT symbol FROM {RecordTotal._meta.db_table} WHERE {has_totals}"  # noqa: S608 - our own names
    of_pairs: Condition = (f"symbol IN ({pairs}) AND symbol <> '{ALL_PAIRS}'", totals)
    members = [_of_totals(wanted, cut.periods, names, of_pairs)]
    for sign, *ends in cut.records:
        members.append(_of_records(wanted, _within(*ends), names, sign))
    # Named by their ids, or SQLite would rather go through everything before `until`.
    condition, values = both(
        own, _within(None, until), ("first_seen_at > %s", (convert(known_at),))
    )
    unknown = f"id IN (SELECT id FROM {model._meta.db_table} WHERE {condition})"  # noqa: S608 - our own names
    members.append(_of_records(wanted, (unknown, values), names, -1))
    # How best to find those that nobody knew of depends on how many there are.
    found = _added_up(wanted, members, names, keep=False)
    return {Slot(account.pk, *slot): figures for slot, figures in found.items()}


def _added_up(
    wanted: Wanted, members: Sequence[Condition], names: Sequence[str], *, keep: bool
) -> dict[tuple[str, ...], Figures]:
    """The sums of all members together, by these columns and in their order."""
    width, n = _width(connection.vendor), len(names)
    text = " UNION ALL ".join(text for text, _ in members)
    if len(members) > 1:
        by, sums = ", ".join(names), _sums_of_sums(wanted.kind, connection.vendor)
        text = f"SELECT {by}, {sums} FROM ({text}) AS piece GROUP BY {by}"  # noqa: S608 - our own names
    rows = ask(text, [value for _, values in members for value in values], keep=keep)
    found: dict[tuple[str, ...], Figures] = {}
    for row in sorted(rows):  # no two have the same names
        key, counts, parts = row[:n], row[n : n + len(COUNTS)], row[n + len(COUNTS) :]
        if counts[0]:
            sums = [_sum(parts[k : k + width]) for k in range(0, len(parts), width)]
            found[key] = Figures(*map(int, counts), *sums)
    return found


def _sum(parts: Sequence[Any]) -> Decimal:
    """The sum in one part, of which nothing may be known, or in several."""
    if len(parts) == 1:
        return parts[0] or exact.ZERO
    return exact.from_units(units_of_parts(parts))


@lru_cache(maxsize=4)
def _sums_of_sums(kind: str, vendor: str) -> str:
    """The sums over members of their counts and parts."""
    parts = [f"{name}_{n}" for name in names_of(kind) for n in range(_width(vendor))]
    return ", ".join(f"SUM({column})" for column in (*COUNTS, *parts))


@cache
def _width(vendor: str) -> int:
    """How many parts a sum of totals has, which are wider than records."""
    field = RecordTotal._meta.get_field("principal")
    return len(parts_of(field.column, field.digits, vendor))


@lru_cache(maxsize=8)
def _parts(model: type[Model], kind: str, vendor: str) -> list[tuple[str, str]]:
    """The parts of every sum by their names, the same ones whatever is added up."""
    found = []
    for name in names_of(kind):
        field = model._meta.get_field(name)
        if field.places != exact.PLACES:
            raise ValueError(f"the parts of {field} are in other units than those of other sums")
        parts = parts_of(field.column, field.digits, vendor)
        parts = ["NULL"] * (_width(vendor) - len(parts)) + parts
        found += [(f"{name}_{n}", part) for n, part in enumerate(parts)]
    return found


@lru_cache(maxsize=4)
def _sums_of_totals(kind: str, vendor: str) -> str:
    """Each total counts with the sign of its range."""
    parts = [(name, name) for name in COUNTS] + _parts(RecordTotal, kind, vendor)
    return ", ".join(f"SUM(sign * ({part})) AS {name}" for name, part in parts)


@lru_cache(maxsize=8)
def _sums_of_records(kind: str, vendor: str, sign: int) -> str:
    """All records with one sign."""
    counted = zip(COUNTS, ("*", "principal", "interest"), strict=True)
    sums = [f"{sign} * COUNT({what}) AS {name}" for name, what in counted]
    parts = _parts(MODELS[Kind(kind)], kind, vendor)
    return ", ".join([*sums, *(f"{sign} * SUM({part}) AS {name}" for name, part in parts)])


def _members(wanted: Wanted) -> Iterator[Condition]:
    """What is to be added up, as statements with the same columns."""
    names, listed, cut = ["currency"], wanted.symbols, cut_up(wanted.since, wanted.until)
    pairs = ALWAYS if listed is None else one_of("symbol", tuple(listed))
    if cut.periods:
        of_pairs = one_of("symbol", (ALL_PAIRS,)) if listed is None else pairs
        yield _of_totals(wanted, cut.periods, names, of_pairs)
    for sign, *ends in cut.records:
        yield _of_records(wanted, both(_within(*ends), pairs), names, sign)
    if wanted.named:
        named: Condition = ("record_id = %s", (wanted.named,))
        if wanted.symbols:
            others, values = one_of("symbol", tuple(wanted.symbols))
            named = both(named, (f"NOT {others}", values))
        if wanted.symbol:
            named = both(named, ("symbol = %s", (wanted.symbol,)))
        yield _of_records(wanted, both(_within(wanted.since, wanted.until), named), names, 1)


def _within(since: datetime | None, until: datetime | None) -> Condition:
    convert = to_database(BorrowRecord, "at")
    return both(
        ("at >= %s", (convert(since),)) if since else ALWAYS,
        ("at < %s", (convert(until),)) if until else ALWAYS,
    )


def _owned(accounts: Sequence[Account]) -> Condition:
    convert = to_database(Account, "id")
    return one_of("account_id", [convert(account.pk) for account in accounts])


def _of_totals(
    wanted: Wanted, ranges: Sequence[Range], names: Sequence[str], pairs: Condition
) -> Condition:
    """The totals of ranges of periods, each with its sign."""
    kind: Condition = ("kind = %s", (str(wanted.kind),))
    within: Condition = ("period BETWEEN span.begins AND span.ends", ())
    condition, values = both(wanted.of_all, kind, pairs, within)
    source = RANGES[connection.vendor].format(
        ranges=", ".join(["(%s, %s, %s)"] * len(ranges)),
        totals=f"{RecordTotal._meta.db_table} WHERE {condition}",
    )
    by, sums = ", ".join(names), _sums_of_totals(wanted.kind, connection.vendor)
    statement = f"SELECT {by}, {sums} FROM {source} GROUP BY {by}"  # noqa: S608 - our own names
    return statement, (*(value for one in ranges for value in one), *values)


def _of_records(wanted: Wanted, meant: Condition, names: Sequence[str], sign: int) -> Condition:
    """The records that are meant, all with one sign."""
    condition, values = both(wanted.of_all, meant)
    by, model = ", ".join(names), MODELS[Kind(wanted.kind)]
    sums = _sums_of_records(wanted.kind, connection.vendor, sign)
    statement = (
        f"SELECT {by}, {sums} FROM {model._meta.db_table} "  # noqa: S608 - our own names
        f"WHERE {condition} GROUP BY {by}"
    )
    return statement, values


def cut_up(since: datetime | None, until: datetime | None) -> Cut:
    """Cut a span; no `since` is from the beginning, no `until` without end."""
    if since is None and until is None:
        return Cut(periods=((1, ALL_TIME, ALL_TIME),))
    ends = [None if end is None else (end - BEGIN) // MICROSECOND for end in (since, until)]
    periods, records = [], []
    for sign, size, begin, end in _pieces(*ends):
        if size:
            periods.append((sign, *_periods(size, begin, end)))
        else:
            records.append((sign, BEGIN + begin * MICROSECOND, BEGIN + end * MICROSECOND))
    return Cut(tuple(periods), tuple(records))


def _pieces(since: int | None, until: int | None) -> Iterator[tuple[int, int, Any, Any]]:
    """What to add and what to take away: a sign, the size of the periods to read it from (0 for
    records), and its two ends, all in microseconds since the first period begins.

    Each end is moved to where a period of the next size begins, to the nearest such place, as long
    as the two do not meet; what it was moved over is made good.
    """
    size = 0
    for next_size in _SIZES:
        first = None if since is None else (since + next_size // 2) // next_size * next_size
        last = None if until is None else (until + next_size // 2) // next_size * next_size
        if first is not None and last is not None and first >= last:
            yield 1, size, since, until
            return
        if since != first:
            yield (1, size, since, first) if since < first else (-1, size, first, since)
        if until != last:
            yield (1, size, last, until) if last < until else (-1, size, until, last)
        since, until, size = first, last, next_size
    yield 1, size, since, until


def _periods(size: int, since: int | None, until: int | None) -> tuple[int, int]:
    """The first and the last one; of an open end, any of this size."""
    first = 0 if since is None else since // size
    last = FAR if until is None else until // size - 1
    return kept(_SIZES[size], first), kept(_SIZES[size], last)
