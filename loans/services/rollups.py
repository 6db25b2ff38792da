"""What the records add up to, kept by pair, currency and period so that no page adds up all rows.

Written in the transaction that writes the records, under the lock of the account's row, so a
reader finds both or neither. A total is of a pair or of all pairs together, over one of
`loans.periods`: any span is then a few of those, and at each end a piece of half an hour, or of a
day where pairs are chosen (`spans` reads them).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models, transaction
from django.db.models import Count, Func, IntegerField

from loans import exact, periods
from loans.fields import ExactSum
from loans.models import ALL_PAIRS, Account, BorrowRecord, Kind, RecordTotal, RepayRecord
from loans.models.totals import COUNTS, KEY, SUMS
from loans.periods import DAY, HALF_HOUR, LONGEST, RUNS
from loans.services import new_rows

MODELS = {Kind.BORROW: BorrowRecord, Kind.REPAY: RepayRecord}


class Figures(NamedTuple):
    """What some records add up to. `principals` and `interests` count those that are known."""

    records: int = 0
    principals: int = 0
    interests: int = 0
    principal: Decimal = exact.ZERO
    interest: Decimal = exact.ZERO
    amount: Decimal = exact.ZERO

    def plus(self, other: "Figures") -> "Figures":
        """Both together."""
        return Figures(
            self.records + other.records,
            self.principals + other.principals,
            self.interests + other.interests,
            exact.plus(self.principal, other.principal),
            exact.plus(self.interest, other.interest),
            exact.plus(self.amount, other.amount),
        )

    def minus(self, other: "Figures") -> "Figures":
        """What is left without the other."""
        return Figures(
            self.records - other.records,
            self.principals - other.principals,
            self.interests - other.interests,
            exact.minus(self.principal, other.principal),
            exact.minus(self.interest, other.interest),
            exact.minus(self.amount, other.amount),
        )


class Place(NamedTuple):
    """What a total is of, within an account's records of one kind."""

    symbol: str
    period: int
    currency: str


class Part(NamedTuple):
    """Records of a pair and a currency within a half hour or a day, by its number."""

    symbol: str
    number: int
    currency: str


Totals = dict[Place, Figures]
Parts = dict[Part, Figures]


def of_records(
    principals: Sequence[Decimal | None],
    interests: Sequence[Decimal | None],
    amounts: Sequence[Decimal] = (),
) -> Figures:
    """The figures of some records, from a value of each; None is not known."""
    return Figures(
        len(principals),
        len(principals) - principals.count(None),
        len(interests) - interests.count(None),
        exact.total(principals),
        exact.total(interests),
        exact.total(amounts),
    )


class Changes:
    """What one batch of records changes in the totals of its account and kind."""

    def __init__(self) -> None:
        self._half_hours: Parts = {}

    def add(self, part: Part, figures: Figures) -> None:
        """Records of a pair, half an hour and a currency bring these."""
        _add(self._half_hours, part, figures)

    def write(self, account_id: UUID, kind: str) -> None:
        """Add them to what is kept. The caller holds the account's row."""
        days = _gathered(self._half_hours, RUNS[HALF_HOUR] // HALF_HOUR)
        totals = spread(days) | spread_half_hours(_of_all_pairs(self._half_hours))
        new_rows.add_up(RecordTotal, KEY, Figures._fields, _rows(account_id, kind, totals))


def differing(account_id: UUID, kind: str) -> list[Place]:
    """Where the totals kept are not what the records add up to.

    Without a lock at first: if nothing was written while the records were added up, it counts.
    """
    found: list[Place] = []
    for currency in _currencies(account_id, kind, MODELS[Kind(kind)], RecordTotal):
        before = kept(account_id, kind, currency)
        real = counted(account_id, kind, currency)
        if kept(account_id, kind, currency) != before:
            with transaction.atomic():
                _lock(account_id)
                before = kept(account_id, kind, currency)
                real = counted(account_id, kind, currency)
        found += [place for place in before | real if before.get(place) != real.get(place)]
    return sorted(found)


def rebuild(account_id: UUID, kind: str) -> None:
    """Put what the records add up to in the place of whatever is kept."""
    with transaction.atomic():
        _lock(account_id)
        fill(account_id, kind)


def fill(
    account_id: UUID,
    kind: str,
    *,
    records: type[models.Model] | None = None,
    totals: type[models.Model] = RecordTotal,
) -> None:
    """The same for a caller who is alone; a migration names its tables of the time."""
    totals.objects.filter(account=account_id, kind=kind).delete()
    records = records or MODELS[Kind(kind)]
    for currency in _currencies(account_id, kind, records):
        found = counted(account_id, kind, currency, records=records)
        new_rows.insert(totals, (*KEY, *Figures._fields), _rows(account_id, kind, found))


def kept(account_id: UUID, kind: str, currency: str = "") -> Totals:
    """The totals of a currency, or of all of them, as they are kept."""
    rows = RecordTotal.objects.filter(account=account_id, kind=kind)
    rows = rows.filter(currency=currency) if currency else rows
    found = rows.values_list(*Place._fields, *Figures._fields)
    return {Place(*row[:3]): Figures(*row[3:]) for row in found.iterator()}


def counted(
    account_id: UUID, kind: str, currency: str, *, records: type[models.Model] | None = None
) -> Totals:
    """The totals of a currency as the records add up, from all of them; one currency at a time, so
    that they find room in memory.
    """
    rows = (records or MODELS[Kind(kind)]).objects.filter(account=account_id, currency=currency)
    days = _counted(rows, kind, _Day("at"), ("symbol", "number"))
    half_hours = _counted(rows, kind, _HalfHour("at"), ("number",))
    return spread(_named(days, currency)) | spread_half_hours(_named(half_hours, currency))


def spread(days: Parts) -> Totals:
    """The totals over all periods of days, of each pair and of all pairs, from each pair's days."""
    found: Totals = {}
    parts, size = days | _of_all_pairs(days), DAY
    while size != LONGEST:
        found |= _beginnings(parts, size)
        parts, size = _gathered(parts, RUNS[size] // size), RUNS[size]
    for (symbol, number, currency), figures in parts.items():
        found[Place(symbol, periods.kept(LONGEST, number), currency)] = figures
        _add(found, Place(symbol, periods.ALL_TIME, currency), figures)
    return found


def spread_half_hours(half_hours: Parts) -> Totals:
    """Those over the beginnings of days."""
    return _beginnings(half_hours, HALF_HOUR)


def _beginnings(parts: Parts, size: timedelta) -> Totals:
    """What lies in the beginning of each run, up to where each part of this size begins."""
    parts_of_run = RUNS[size] // size
    runs: dict[Part, dict[int, Figures]] = defaultdict(dict)
    for (symbol, number, currency), figures in parts.items():
        run, place = divmod(number, parts_of_run)
        runs[Part(symbol, run, currency)][place] = figures
    found: Totals = {}
    for (symbol, run, currency), some in runs.items():
        so_far = Figures()
        for place in range(min(some), parts_of_run - 1):
            if place in some:
                so_far = so_far.plus(some[place])
            number = run * parts_of_run + place + 1
            found[Place(symbol, periods.kept(size, number), currency)] = so_far
    return found


def _gathered(parts: Parts, parts_of_run: int) -> Parts:
    """The runs that so many parts make one of."""
    found: Parts = {}
    for part, figures in parts.items():
        _add(found, part._replace(number=part.number // parts_of_run), figures)
    return found


def _of_all_pairs(parts: Parts) -> Parts:
    found: Parts = {}
    for part, figures in parts.items():
        _add(found, part._replace(symbol=ALL_PAIRS), figures)
    return found


def names_of(kind: str) -> Sequence[str]:
    """The sums that records of a kind have: loans have no amount."""
    return SUMS if kind == Kind.REPAY else SUMS[:-1]


def figures_of(kind: str) -> dict[str, models.Aggregate]:
    """What to ask the database for, over records of a kind."""
    asked: dict[str, models.Aggregate] = {
        "n_records": Count("id"),
        "n_principals": Count("principal"),
        "n_interests": Count("interest"),
    }
    return asked | {f"sum_{name}": ExactSum(name) for name in names_of(kind)}


def read_figures(row: Mapping[str, Any]) -> Figures:
    """The answer to `figures_of`."""
    return Figures(
        *(row[f"n_{name}"] for name in COUNTS),
        *(row.get(f"sum_{name}") or exact.ZERO for name in SUMS),
    )


def _lock(account_id: UUID) -> None:
    Account.objects.select_for_update().values_list("pk").get(pk=account_id)


def _add(found: dict[Any, Figures], key: Any, figures: Figures) -> None:
    before = found.get(key)
    found[key] = figures if before is None else before.plus(figures)


def _rows(account_id: UUID, kind: str, totals: Totals) -> list[tuple]:
    return [(account_id, kind, *place, *figures) for place, figures in totals.items()]


def _currencies(account_id: UUID, kind: str, *tables: type[models.Model]) -> list[str]:
    """Those of which an account has anything in one of these tables."""
    found: set[str] = set()
    for table in tables:
        rows = table.objects.filter(account=account_id).order_by()
        if table is RecordTotal:
            rows = rows.filter(kind=kind)
        found.update(rows.values_list("currency", flat=True).distinct())
    return sorted(found)


def _counted(
    rows: models.QuerySet, kind: str, number: Func, names: Sequence[str]
) -> dict[tuple[str, int], Figures]:
    """What records add up to by these names, by the pair and the number; all pairs without one."""
    summed = rows.order_by().annotate(number=number).values(*names)
    return {
        (row.get("symbol", ALL_PAIRS), row["number"]): read_figures(row)
        for row in summed.annotate(**figures_of(kind)).iterator()
    }


def _named(found: dict[tuple[str, int], Figures], currency: str) -> Parts:
    return {Part(*key, currency): figures for key, figures in found.items()}


class _Day(Func):
    """Which day of UTC an instant is in, counted as `loans.periods` does."""

    output_field = IntegerField()
    on_sqlite = "{day}"
    on_postgresql = "{day}"

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> tuple:
        """Instants are kept there as text in UTC; a noon is a whole number of Julian days."""
        day = "CAST(JULIANDAY(SUBSTR(%(expressions)s, 1, 10) || ' 12:00') - 2440588 AS INTEGER)"
        template = f"({self.on_sqlite.format(day=day)})"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> tuple:
        """Whatever the zone of the session; days less a day are an integer there."""
        day = "((%(expressions)s AT TIME ZONE 'UTC')::date - DATE '1970-01-01')"
        template = f"({self.on_postgresql.format(day=day)})"
        return self.as_sql(compiler, connection, template=template, **extra)


class _HalfHour(_Day):
    """Which half hour it is in."""

    on_sqlite = (
        "48 * {day} + 2 * CAST(SUBSTR(%(expressions)s, 12, 2) AS INTEGER)"
        " + (SUBSTR(%(expressions)s, 15, 2) >= '30')"
    )
    on_postgresql = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / 1800)::integer"
