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
from typing import Any

from django.db import connection
from django.db.models import Model

from loans import exact
from loans.fields import PART, sums_of_parts, units_of_parts
from loans.models import ALL_PAIRS, Account, BorrowRecord, Kind, RecordTotal
from loans.periods import ALL_TIME, BEGIN, SIZES, kept
from loans.services.position import Slot
from loans.services.rollups import COUNTS, MODELS, Figures, names_of
from loans.services.sql import ALWAYS, Condition, ask, both, one_of, to_database

FAR = 100_000  # more periods than there are before any instant that can be asked for
MICROSECOND = timedelta(microseconds=1)
_SIZES = {size // MICROSECOND: size for size in SIZES}
COUNTS_OF_TOTALS = ", ".join(f"SUM({name}) AS {name}" for name in COUNTS)
COUNTS_OF_RECORDS = ", ".join(
    f"COUNT({what}) AS {name}"
    for what, name in zip(("*", "principal", "interest"), COUNTS, strict=True)
)
Piece = tuple[datetime, datetime]
Periods = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Side:
    """Ranges of periods, both ends included, and pieces of days, whose records are read."""

    periods: tuple[Periods, ...] = ()
    records: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """A span in pieces: what is in it is what they add up to, less what is to be taken away."""

    added: Side = Side()
    taken: Side = Side()

    @property
    def sides(self) -> tuple[tuple[int, Side], ...]:
        """Both, with their signs."""
        return (1, self.added), (-1, self.taken)


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
    model, own = MODELS[Kind(kind)], _owned([account])
    has_totals, totals = both(own, ("kind = %s", (str(kind),)), (f"period = {ALL_TIME}", ()))
    pairs = f"SELECT symbol FROM {RecordTotal._meta.db_table} WHERE {has_totals}"  # noqa: S608 - our own names
    of_pairs: Condition = (f"symbol IN ({pairs}) AND symbol <> '{ALL_PAIRS}'", totals)
    members = []
    for sign, side in cut_up(None, until).sides:
        # Each span by itself, or SQLite would go through every day of every pair.
        members += [_of_totals(wanted, [one], sign, names, of_pairs) for one in side.periods]
        members += [_of_records(wanted, _within(*one), sign, names) for one in side.records]
    # Named by their ids, or SQLite would rather go through everything before `until`.
    condition, values = both(
        own, _within(None, until), ("first_seen_at > %s", (convert(known_at),))
    )
    unknown = f"id IN (SELECT id FROM {model._meta.db_table} WHERE {condition})"  # noqa: S608 - our own names
    members.append(_of_records(wanted, (unknown, values), -1, names))
    # How best to find those that nobody knew of depends on how many there are.
    found = _added_up(wanted, members, names, keep=False)
    return {Slot(account.pk, *slot): figures for slot, figures in found.items()}


def _added_up(
    wanted: Wanted, members: Sequence[Condition], names: Sequence[str], *, keep: bool
) -> dict[tuple[str, ...], Figures]:
    """The sums of all members together, by these columns and in their order."""
    width, by, n = _width(connection.vendor), ", ".join(names), len(names)
    every = " UNION ALL ".join(text for text, _ in members)
    rows = ask(
        f"SELECT {by}, {_signed(wanted.kind, width)} FROM ({every}) AS piece GROUP BY {by}",  # noqa: S608 - our own names
        [value for _, values in members for value in values],
        keep=keep,
    )
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


@lru_cache(maxsize=8)
def _signed(kind: str, width: int) -> str:
    """The sums over pieces of their counts and parts, each with its sign."""
    parts = [f"{name}_{n}" for name in names_of(kind) for n in range(width)]
    return ", ".join(f"SUM(sign * {column})" for column in (*COUNTS, *parts))


@cache
def _width(vendor: str) -> int:
    """How many parts a sum of totals has, which are wider than records."""
    field = RecordTotal._meta.get_field("principal")
    return len(sums_of_parts(field.column, field.digits, vendor))


@lru_cache(maxsize=16)
def _sums(model: type[Model], kind: str, vendor: str) -> str:
    """The parts of every sum, beginning with the same one whatever it is of."""
    columns = []
    for name in names_of(kind):
        field = model._meta.get_field(name)
        if field.digits % PART or field.places != exact.PLACES:
            raise ValueError(f"the parts of {field} do not lie above those of other sums")
        parts = sums_of_parts(field.column, field.digits, vendor)
        parts = ["NULL"] * (_width(vendor) - len(parts)) + parts
        columns += [f"{part} AS {name}_{n}" for n, part in enumerate(parts)]
    return ", ".join(columns)


def _members(wanted: Wanted) -> Iterator[Condition]:
    """The sums of each piece, as statements with the same columns."""
    names, listed = ["currency"], wanted.symbols
    pairs = ALWAYS if listed is None else one_of("symbol", tuple(listed))
    of_pairs = one_of("symbol", (ALL_PAIRS,)) if listed is None else pairs
    for sign, side in cut_up(wanted.since, wanted.until).sides:
        if side.periods:
            yield _of_totals(wanted, side.periods, sign, names, of_pairs)
        for piece in side.records:
            yield _of_records(wanted, both(_within(*piece), pairs), sign, names)
    if wanted.named:
        named: Condition = ("record_id = %s", (wanted.named,))
        if wanted.symbols:
            others, values = one_of("symbol", tuple(wanted.symbols))
            named = both(named, (f"NOT {others}", values))
        if wanted.symbol:
            named = both(named, ("symbol = %s", (wanted.symbol,)))
        within = _within(wanted.since, wanted.until)
        yield _of_records(wanted, both(within, named), 1, names)


def _within(since: datetime | None, until: datetime | None) -> Condition:
    convert = to_database(BorrowRecord, "at")
    return both(
        ("at >= %s", (convert(since),)) if since else ALWAYS,
        ("at < %s", (convert(until),)) if until else ALWAYS,
    )


def _of_totals(
    wanted: Wanted,
    periods: Sequence[Periods],
    sign: int,
    names: Sequence[str],
    pairs: Condition,
) -> Condition:
    spans = " OR ".join(["period BETWEEN %s AND %s"] * len(periods))
    meant = both(
        ("kind = %s", (str(wanted.kind),)),
        pairs,
        (f"({spans})", tuple(bound for span in periods for bound in span)),
    )
    return _summed(wanted, RecordTotal, COUNTS_OF_TOTALS, meant, sign, names)


def _of_records(wanted: Wanted, meant: Condition, sign: int, names: Sequence[str]) -> Condition:
    return _summed(wanted, MODELS[Kind(wanted.kind)], COUNTS_OF_RECORDS, meant, sign, names)


def _owned(accounts: Sequence[Account]) -> Condition:
    convert = to_database(Account, "id")
    return one_of("account_id", [convert(account.pk) for account in accounts])


def _summed(
    wanted: Wanted,
    model: type[Model],
    counts: str,
    meant: Condition,
    sign: int,
    names: Sequence[str],
) -> Condition:
    """The sign, the counts and the parts of the sums, for each of those that are named."""
    condition, values = both(wanted.of_all, meant)
    by, sums = ", ".join(names), _sums(model, wanted.kind, connection.vendor)
    statement = (
        f"SELECT {by}, {sign} AS sign, {counts}, {sums} "  # noqa: S608 - our own names
        f"FROM {model._meta.db_table} WHERE {condition} GROUP BY {by}"
    )
    return statement, values


def cut_up(since: datetime | None, until: datetime | None) -> Cut:
    """Cut a span; no `since` is from the beginning, no `until` without end."""
    if since is None and until is None:
        return Cut(added=Side(periods=((ALL_TIME, ALL_TIME),)))
    ends = [None if end is None else (end - BEGIN) // MICROSECOND for end in (since, until)]
    sides: dict[int, tuple[list[Periods], list[Piece]]] = {1: ([], []), -1: ([], [])}
    for sign, size, begin, end in _pieces(*ends):
        periods, records = sides[sign]
        if size:
            periods.append(_periods(size, begin, end))
        else:
            records.append((BEGIN + begin * MICROSECOND, BEGIN + end * MICROSECOND))
    return Cut(*(Side(tuple(periods), tuple(records)) for periods, records in sides.values()))


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


def _periods(size: int, since: int | None, until: int | None) -> Periods:
    """The first and the last one; of an open end, any of this size."""
    first = 0 if since is None else since // size
    last = FAR if until is None else until // size - 1
    return kept(_SIZES[size], first), kept(_SIZES[size], last)
