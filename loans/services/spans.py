"""What the records of a span add up to, per currency, from the totals that are kept.

A span is cut into whole months and whole days, which `rollups` has, and at each end a piece of a
day, whose few records are added or taken away. All in one statement, so that what is added up is of
one moment, whatever is being written.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from loans import exact
from loans.fields import exact_sum
from loans.models import ALL_PAIRS, ALL_TIME, Account, Kind, RecordTotal
from loans.services.rollups import COUNTS, MODELS, Figures, names_of, period_of

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


@dataclass(slots=True)
class Meant:
    """A condition in SQL with its values, put together piece by piece. The ORM would take longer
    to put it together than the database takes to answer.
    """

    texts: list[str]
    values: list[Any]

    def also(self, text: str, *values: Any) -> None:
        """Narrow it."""
        self.texts.append(text)
        self.values += values

    def among(self, column: str, values: Collection[Any], *, others: bool = False) -> None:
        """The column is one of the values, or with `others` none of them."""
        if values:
            marks = ", ".join(["%s"] * len(values))
            self.also(f"{column} {'NOT IN' if others else 'IN'} ({marks})", *values)
        elif not others:
            self.also("1 = 0")

    def between(self, since: datetime | None, until: datetime | None) -> None:
        """The record is of the span."""
        adapt = connection.ops.adapt_datetimefield_value
        if since:
            self.also("at >= %s", adapt(since))
        if until:
            self.also("at < %s", adapt(until))


def by_currency(wanted: Wanted) -> dict[str, Figures]:
    """What they add up to, by currency. One query; currencies without a record are left out."""
    found: dict[str, Figures] = {}
    members = list(_members(wanted))
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(text for text, _ in members),
            [value for _, values in members for value in values],
        )
        rows = cursor.fetchall()
    sums = [RecordTotal._meta.get_field(name) for name in names_of(wanted.kind)]
    for currency, sign, *values in rows:
        counts, told = map(int, values[: len(COUNTS)]), values[len(COUNTS) :]
        read = (
            field.from_db_value(v, None, connection) for field, v in zip(sums, told, strict=True)
        )
        figures = Figures(*counts, *(value or exact.ZERO for value in read))
        before = found.get(currency, Figures())
        found[currency] = before.plus(figures) if sign > 0 else before.minus(figures)
    return {currency: found[currency] for currency in sorted(found) if found[currency].records}


def _members(wanted: Wanted) -> Iterator[tuple[str, list[Any]]]:
    """The sums of each piece, as statements with the same columns."""
    cut = cut_up(wanted.since, wanted.until)
    if cut.periods:
        yield _of_totals(wanted, cut.periods)
    for sign, pieces in ((1, cut.added), (-1, cut.taken)):
        for piece in pieces:
            meant = _meant(wanted)
            meant.between(*piece)
            if wanted.symbols is not None:
                meant.among("symbol", wanted.symbols)
            yield _of_records(wanted, meant, sign)
    if wanted.named:
        meant = _meant(wanted)
        meant.also("record_id = %s", wanted.named)
        meant.between(wanted.since, wanted.until)
        meant.among("symbol", wanted.symbols or (), others=True)
        if wanted.symbol:
            meant.among("symbol", [wanted.symbol])
        yield _of_records(wanted, meant, 1)


def _meant(wanted: Wanted) -> Meant:
    key = Account._meta.pk
    meant = Meant([], [])
    accounts = [key.get_db_prep_value(account.pk, connection) for account in wanted.accounts]
    meant.among("account_id", accounts)
    if wanted.currency:
        meant.also("currency = %s", wanted.currency)
    return meant


def _of_totals(wanted: Wanted, periods: Sequence[tuple[int, int]]) -> tuple[str, list[Any]]:
    meant = _meant(wanted)
    meant.also("kind = %s", str(wanted.kind))
    meant.among("symbol", [ALL_PAIRS] if wanted.symbols is None else wanted.symbols)
    spans = " OR ".join(["period BETWEEN %s AND %s"] * len(periods))
    meant.also(f"({spans})", *(bound for span in periods for bound in span))
    return _summed(wanted, RecordTotal, [f"SUM({name})" for name in COUNTS], meant, 1)


def _of_records(wanted: Wanted, meant: Meant, sign: int) -> tuple[str, list[Any]]:
    counts = ["COUNT(*)", "COUNT(principal)", "COUNT(interest)"]
    return _summed(wanted, MODELS[Kind(wanted.kind)], counts, meant, sign)


def _summed(
    wanted: Wanted, model: Any, counts: Sequence[str], meant: Meant, sign: int
) -> tuple[str, list[Any]]:
    fields = map(model._meta.get_field, names_of(wanted.kind))
    columns = ["currency", str(sign), *counts]
    columns += [exact_sum(field.column, field.digits, connection.vendor) for field in fields]
    statement = (
        f"SELECT {', '.join(columns)} FROM {model._meta.db_table} "  # noqa: S608 - our own names
        f"WHERE {' AND '.join(meant.texts)} GROUP BY currency"
    )
    return statement, meant.values


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
