"""What the records of a span add up to, per currency or per debt, from the totals that are kept.

A span is what lies before its end less what lies before its beginning. Of both `rollups` keeps
totals, up to whole hours, or days where pairs are chosen (`loans.periods`); the few records between
there and the instant are read. All in one statement, so that what is added up is of one moment,
whatever is being written.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

from django.db.models import Model

from loans import exact
from loans.fields import parts_of, units_of_parts
from loans.models import ALL_PAIRS, Account, BorrowRecord, Kind, RecordTotal
from loans.periods import ALL_TIME, BEGIN, DAY, HOUR, LONGEST, before, kept
from loans.services.position import Slot
from loans.services.rollups import COUNTS, MODELS, Figures, names_of
from loans.services.sql import ALWAYS, Condition, ask, both, engine, one_of, to_database

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
    model, own, cut = MODELS[Kind(kind)], _owned([account]), cut_up(None, until, DAY)
    has_totals, totals = both(own, ("kind = %s", (str(kind),)), (f"period = {ALL_TIME}", ()))
    pairs = f"SELECT symbol FROM {RecordTotal._meta.db_table} WHERE {has_totals}"  # noqa: S608 - our own names
    of_pairs: Condition = (f"symbol IN ({pairs}) AND symbol <> '{ALL_PAIRS}'", totals)
    members = [_of_totals(wanted, cut, names, of_pairs)]
    if cut.records:
        members.append(_of_pieces(wanted, cut, names, ALWAYS))
    # Named by their ids, or SQLite would rather go through everything before `until`.
    condition, values = both(
        own, _within(None, until), ("first_seen_at > %s", (convert(known_at),))
    )
    unknown = f"id IN (SELECT id FROM {model._meta.db_table} WHERE {condition})"  # noqa: S608 - our own names
    members.append(_of_some(wanted, (unknown, values), names, -1))
    # How best to find those that nobody knew of depends on how many there are.
    found = _added_up(wanted, members, names, keep=False)
    return {Slot(account.pk, *slot): figures for slot, figures in found.items()}


def _added_up(
    wanted: Wanted, members: Sequence[Condition], names: Sequence[str], *, keep: bool
) -> dict[tuple[str, ...], Figures]:
    """The sums of all members together, by these columns and in their order."""
    width, n = _width(engine()), len(names)
    text = " UNION ALL ".join(text for text, _ in members)
    if len(members) > 1:
        by, sums = ", ".join(names), _sums_of_sums(wanted.kind, engine())
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
def _sums(model: type[Model], kind: str, vendor: str) -> str:
    """The counts and the parts of every sum, with the signs of what is added up; the same parts
    whatever that is.
    """
    counted = {name: f"sign * {name}" for name in COUNTS} if model is RecordTotal else COUNTED
    sums = [f"SUM({what}) AS {name}" for name, what in counted.items()]
    for name in names_of(kind):
        field = model._meta.get_field(name)
        if field.places != exact.PLACES:
            raise ValueError(f"the parts of {field} are in other units than those of other sums")
        parts = [f"SUM(sign * ({part}))" for part in parts_of(field.column, field.digits, vendor)]
        parts = ["NULL"] * (_width(vendor) - len(parts)) + parts
        sums += [f"{part} AS {name}_{n}" for n, part in enumerate(parts)]
    return ", ".join(sums)


def _members(wanted: Wanted) -> Iterator[Condition]:
    """What is to be added up, as statements with the same columns."""
    names, listed = ["currency"], wanted.symbols
    cut = cut_up(wanted.since, wanted.until, HOUR if listed is None else DAY)
    pairs = ALWAYS if listed is None else one_of("symbol", tuple(listed))
    if cut.periods:
        of_pairs = one_of("symbol", (ALL_PAIRS,)) if listed is None else pairs
        yield _of_totals(wanted, cut, names, of_pairs)
    if cut.records:
        yield _of_pieces(wanted, cut, names, pairs)
    if wanted.named:
        named: Condition = ("record_id = %s", (wanted.named,))
        if wanted.symbols:
            others, values = one_of("symbol", tuple(wanted.symbols))
            named = both(named, (f"NOT {others}", values))
        if wanted.symbol:
            named = both(named, ("symbol = %s", (wanted.symbol,)))
        yield _of_some(wanted, both(_within(wanted.since, wanted.until), named), names, 1)


def _within(since: datetime | None, until: datetime | None) -> Condition:
    convert = to_database(BorrowRecord, "at")
    return both(
        ("at >= %s", (convert(since),)) if since else ALWAYS,
        ("at < %s", (convert(until),)) if until else ALWAYS,
    )


def _owned(accounts: Sequence[Account]) -> Condition:
    convert = to_database(Account, "id")
    return one_of("account_id", [convert(account.pk) for account in accounts])


def _of_totals(wanted: Wanted, cut: Cut, names: Sequence[str], pairs: Condition) -> Condition:
    """The totals of periods."""
    kind: Condition = ("kind = %s", (str(wanted.kind),))
    within: Condition = ("period BETWEEN span.begins AND span.ends", ())
    return _of_ranges(wanted, RecordTotal, names, cut.periods, both(kind, pairs, within))


def _of_pieces(wanted: Wanted, cut: Cut, names: Sequence[str], pairs: Condition) -> Condition:
    """The records of pieces of time."""
    convert = to_database(BorrowRecord, "at")
    pieces = [(sign, convert(begin), convert(end)) for sign, begin, end in cut.records]
    within: Condition = ("at >= span.begins AND at < span.ends", ())
    model = MODELS[Kind(wanted.kind)]
    return _of_ranges(wanted, model, names, pieces, both(pairs, within))


def _of_ranges(
    wanted: Wanted,
    model: type[Model],
    names: Sequence[str],
    ranges: Sequence[tuple[int, Any, Any]],
    meant: Condition,
) -> Condition:
    condition, values = both(wanted.of_all, meant)
    source = RANGES[engine()].format(
        ranges=", ".join(["(%s, %s, %s)"] * len(ranges)),
        rows=f"{model._meta.db_table} WHERE {condition}",
    )
    given = [value for one in ranges for value in one]
    return _grouped(wanted, model, names, source), (*given, *values)


def _of_some(wanted: Wanted, meant: Condition, names: Sequence[str], sign: int) -> Condition:
    """The records that are meant, all with one sign."""
    model = MODELS[Kind(wanted.kind)]
    condition, values = both(wanted.of_all, meant)
    source = f"(SELECT {sign} AS sign) AS span CROSS JOIN {model._meta.db_table} WHERE {condition}"
    return _grouped(wanted, model, names, source), values


def _grouped(wanted: Wanted, model: type[Model], names: Sequence[str], source: str) -> str:
    by, sums = ", ".join(names), _sums(model, wanted.kind, engine())
    return f"SELECT {by}, {sums} FROM {source} GROUP BY {by}"  # noqa: S608 - our own names


def cut_up(since: datetime | None, until: datetime | None, size: timedelta) -> Cut:
    """Cut a span where parts of this size begin; no `since` is from the beginning, no `until`
    without end.
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
