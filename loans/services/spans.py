"""What the records of a span add up to, per currency or per debt, from the totals that are kept.

A span is cut into whole years, months and days, which `rollups` has, and at each end a piece of a
day, whose few records are read. What is nearer to the end of a year, a month or a day is that whole
one, less what is left of it. All in one statement, so that what is added up is of one moment,
whatever is being written.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Model

from loans import exact
from loans.fields import exact_sum
from loans.models import ALL_PAIRS, ALL_TIME, Account, BorrowRecord, Kind, RecordTotal
from loans.services.position import Slot
from loans.services.rollups import COUNTS, MODELS, Figures, names_of, period_of
from loans.services.sql import (
    ALWAYS,
    Condition,
    both,
    converters,
    from_database,
    one_of,
    to_database,
)

DAY = timedelta(days=1)
# What a piece of a span is read from; a period of those that are kept is the day by this.
RECORDS, DAYS, MONTHS, YEARS = 0, 1, 100, 10_000
EARLIEST_YEAR, LATEST_YEAR = 1000, 9999
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


def by_currency(wanted: Wanted) -> dict[str, Figures]:
    """What they add up to, by currency. One query; currencies without a record are left out."""
    found = _added_up(wanted, list(_members(wanted)), ["currency"])
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
    found = _added_up(wanted, members, names)
    return {Slot(account.pk, *slot): figures for slot, figures in found.items()}


def _added_up(
    wanted: Wanted, members: Sequence[Condition], names: Sequence[str]
) -> dict[tuple[str, ...], Figures]:
    """The sums of all members together, by these columns and in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(text for text, _ in members),
            [value for _, values in members for value in values],
        )
        rows = cursor.fetchall()
    sums = [RecordTotal._meta.get_field(name) for name in names_of(wanted.kind)]
    before_counts = len(names) + 1  # and the sign; they and the counts are as they are
    steps = converters((*[None] * (before_counts + len(COUNTS)), *sums), connection.vendor)
    found: dict[tuple[str, ...], Figures] = {}
    for row in from_database(rows, steps):
        key, sign, told = row[: len(names)], row[len(names)], row[before_counts:]
        counts, figures = map(int, told[: len(COUNTS)]), told[len(COUNTS) :]
        these = Figures(*counts, *(figure or exact.ZERO for figure in figures))
        before = found.get(key)
        if sign < 0:
            found[key] = (before or Figures()).minus(these)
        else:
            found[key] = before.plus(these) if before else these
    return {key: found[key] for key in sorted(found) if found[key].records}


def _members(wanted: Wanted) -> Iterator[Condition]:
    """The sums of each piece, as statements with the same columns."""
    names, listed = ["currency"], wanted.symbols
    pairs = ALWAYS if listed is None else one_of("symbol", tuple(listed))
    kept = one_of("symbol", (ALL_PAIRS,)) if listed is None else pairs
    for sign, side in cut_up(wanted.since, wanted.until).sides:
        if side.periods:
            yield _of_totals(wanted, side.periods, sign, names, kept)
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
    counts = [f"SUM({name})" for name in COUNTS]
    return _summed(wanted, RecordTotal, [*names, str(sign), *counts], meant, names)


def _of_records(wanted: Wanted, meant: Condition, sign: int, names: Sequence[str]) -> Condition:
    counts = ["COUNT(*)", "COUNT(principal)", "COUNT(interest)"]
    return _summed(wanted, MODELS[Kind(wanted.kind)], [*names, str(sign), *counts], meant, names)


def _owned(accounts: Sequence[Account]) -> Condition:
    convert = to_database(Account, "id")
    return one_of("account_id", [convert(account.pk) for account in accounts])


def _summed(
    wanted: Wanted,
    model: type[Model],
    columns: Sequence[str],
    meant: Condition,
    names: Sequence[str],
) -> Condition:
    """These columns and the sums, for each of those that are named."""
    currency = ("currency = %s", (wanted.currency,)) if wanted.currency else ALWAYS
    condition, values = both(_owned(wanted.accounts), meant, currency)
    fields = map(model._meta.get_field, names_of(wanted.kind))
    sums = [exact_sum(field.column, field.digits, connection.vendor) for field in fields]
    statement = (
        f"SELECT {', '.join([*columns, *sums])} FROM {model._meta.db_table} "  # noqa: S608 - our own names
        f"WHERE {condition} GROUP BY {', '.join(names)}"
    )
    return statement, values


def cut_up(since: datetime | None, until: datetime | None) -> Cut:
    """Cut a span; no `since` is from the beginning, no `until` without end."""
    if since is None and until is None:
        return Cut(added=Side(periods=((ALL_TIME, ALL_TIME),)))
    pieces = list(_pieces(since, until))
    return Cut(*(_side([piece for one, *piece in pieces if one == sign]) for sign in (1, -1)))


def _pieces(
    since: datetime | None, until: datetime | None
) -> Iterator[tuple[int, int, datetime | None, datetime | None]]:
    """What to add and what to take away: a sign, what to read it from, and its two ends.

    Each end is moved to the nearest midnight, the nearest first of a month and the nearest year, as
    long as the two do not meet; what it was moved over is made good.
    """
    for unit, nearest in ((RECORDS, _midnight), (DAYS, _month), (MONTHS, _year)):
        first, last = since and nearest(since), until and nearest(until)
        if since and until and first >= last:
            yield 1, unit, since, until
            return
        if since and since != first:
            yield (1, unit, since, first) if since < first else (-1, unit, first, since)
        if until and until != last:
            yield (1, unit, last, until) if last < until else (-1, unit, until, last)
        since, until = first, last
    yield 1, YEARS, since, until


def _side(pieces: Sequence[Any]) -> Side:
    return Side(
        periods=tuple(_periods(*piece) for piece in pieces if piece[0] != RECORDS),
        records=tuple((since, until) for unit, since, until in pieces if unit == RECORDS),
    )


def _periods(unit: int, since: datetime | None, until: datetime | None) -> Periods:
    """The first and the last one; a year that is not known is any of four digits."""
    first = period_of(since) // unit if since else EARLIEST_YEAR
    return first, period_of(until - DAY) // unit if until else LATEST_YEAR


def _midnight(at: datetime) -> datetime:
    at = at.astimezone(UTC) + DAY / 2
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _month(midnight: datetime) -> datetime:
    return (midnight + 15 * DAY).replace(day=1)


def _year(first: datetime) -> datetime:
    return (first + 183 * DAY).replace(day=1, month=1)
