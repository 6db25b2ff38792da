"""What the records of a span add up to, per currency or per debt, from the totals that are kept.

A span is cut into whole months and whole days, which `rollups` has, and at each end a piece of a
day, whose few records are added or taken away. All in one statement, so that what is added up is of
one moment, whatever is being written.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
BEFORE_ALL, AFTER_ALL = 100_000, 999_999  # months; a day has two digits more
Piece = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Cut:
    """A span in pieces: ranges of periods, both ends included, and pieces of days.

    The records of `added` are in the span, but in none of the periods; those of `taken` the other
    way round.
    """

    periods: tuple[tuple[int, int], ...] = ()
    added: tuple[Piece, ...] = ()
    taken: tuple[Piece, ...] = ()


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
    cut, convert = cut_up(None, until), to_database(BorrowRecord, "first_seen_at")
    model, own = MODELS[Kind(kind)], _owned([account])
    has_totals, totals = both(own, ("kind = %s", (str(kind),)), (f"period = {ALL_TIME}", ()))
    pairs = f"SELECT symbol FROM {RecordTotal._meta.db_table} WHERE {has_totals}"  # noqa: S608 - our own names
    of_pairs: Condition = (f"symbol IN ({pairs}) AND symbol <> '{ALL_PAIRS}'", totals)
    # Each span by itself, or SQLite would go through every day of every pair.
    members = [_of_totals(wanted, [span], names, of_pairs) for span in cut.periods]
    for sign, pieces in ((1, cut.added), (-1, cut.taken)):
        members += [_of_records(wanted, _within(*piece), sign, names) for piece in pieces]
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
    cut = cut_up(wanted.since, wanted.until)
    kept = (ALL_PAIRS,) if wanted.symbols is None else tuple(wanted.symbols)
    pairs = ALWAYS if wanted.symbols is None else one_of("symbol", tuple(wanted.symbols))
    if cut.periods:
        yield _of_totals(wanted, cut.periods, ["currency"], one_of("symbol", kept))
    for sign, pieces in ((1, cut.added), (-1, cut.taken)):
        for since, until in pieces:
            yield _of_records(wanted, both(_within(since, until), pairs), sign, ["currency"])
    if wanted.named:
        named: Condition = ("record_id = %s", (wanted.named,))
        if wanted.symbols:
            listed, values = one_of("symbol", tuple(wanted.symbols))
            named = both(named, (f"NOT {listed}", values))
        if wanted.symbol:
            named = both(named, ("symbol = %s", (wanted.symbol,)))
        within = _within(wanted.since, wanted.until)
        yield _of_records(wanted, both(within, named), 1, ["currency"])


def _within(since: datetime | None, until: datetime | None) -> Condition:
    convert = to_database(BorrowRecord, "at")
    return both(
        ("at >= %s", (convert(since),)) if since else ALWAYS,
        ("at < %s", (convert(until),)) if until else ALWAYS,
    )


def _of_totals(
    wanted: Wanted, periods: Sequence[tuple[int, int]], names: Sequence[str], pairs: Condition
) -> Condition:
    spans = " OR ".join(["period BETWEEN %s AND %s"] * len(periods))
    meant = both(
        ("kind = %s", (str(wanted.kind),)),
        pairs,
        (f"({spans})", tuple(bound for span in periods for bound in span)),
    )
    counts = [f"SUM({name})" for name in COUNTS]
    return _summed(wanted, RecordTotal, [*names, "1", *counts], meant, names)


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
        return Cut(((ALL_TIME, ALL_TIME),))
    first, last = since and _nearest_midnight(since), until and _nearest_midnight(until)
    if since and until and first >= last:
        return Cut(added=((since, until),))
    added, taken = [], []
    if since and since != first:
        added += [(since, first)] if since < first else []
        taken += [(first, since)] if first < since else []
    if until and until != last:
        added += [(last, until)] if last < until else []
        taken += [(until, last)] if until < last else []
    return Cut(tuple(_periods(first, last)), tuple(added), tuple(taken))


def _nearest_midnight(at: datetime) -> datetime:
    return (at.astimezone(UTC) + DAY / 2).replace(hour=0, minute=0, second=0, microsecond=0)


def _periods(first: datetime | None, last: datetime | None) -> Iterator[tuple[int, int]]:
    """The days and months from one midnight to another."""
    first_month = period_of(first) // 100 if first else BEFORE_ALL
    last_month = period_of(last) // 100 if last else AFTER_ALL
    if first_month == last_month:
        yield period_of(first), period_of(last) - 1
        return
    if first and first.day > 1:
        yield period_of(first), first_month * 100 + 99
        first_month += 1
    if last and last.day > 1:
        yield last_month * 100, period_of(last) - 1
    if first_month < last_month:
        yield first_month, last_month - 1
