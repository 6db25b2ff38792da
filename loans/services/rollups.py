"""What the records add up to, kept by pair, currency and period so that no page adds up all rows.

Written in the transaction that writes the records, under the lock of the account's row, so a
reader finds both or neither. A total is of a pair or of all pairs together, over one of
`loans.periods`: any span is then a few of those and two pieces of a day at most (`spans` reads
them).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models, transaction
from django.db.models import Count, Func, IntegerField

from loans import exact, periods
from loans.fields import ExactSum
from loans.models import ALL_PAIRS, Account, BorrowRecord, Kind, RecordTotal, RepayRecord
from loans.services import new_rows

KEY = ("account", "kind", "symbol", "period", "currency")
COUNTS = ("records", "principals", "interests")
SUMS = ("principal", "interest", "amount")
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


Totals = dict[Place, Figures]


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
        self._days: Totals = {}

    def add(self, place: Place, figures: Figures) -> None:
        """Records of a pair, a day and a currency bring these."""
        _add(self._days, place, figures)

    def write(self, account_id: UUID, kind: str) -> None:
        """Add them to what is kept. The caller holds the account's row."""
        rows = _rows(account_id, kind, spread(self._days))
        new_rows.add_up(RecordTotal, KEY, Figures._fields, rows)


def differing(account_id: UUID, kind: str) -> list[Place]:
    """Where the totals kept are not what the records add up to.

    Without a lock at first: if nothing was written while the records were added up, it counts.
    """
    before = kept(account_id, kind)
    real = counted(account_id, kind)
    if kept(account_id, kind) != before:
        with transaction.atomic():
            _lock(account_id)
            before, real = kept(account_id, kind), counted(account_id, kind)
    return sorted(place for place in before | real if before.get(place) != real.get(place))


def rebuild(account_id: UUID, kind: str) -> None:
    """Put what the records add up to in the place of whatever is kept."""
    with transaction.atomic():
        _lock(account_id)
        RecordTotal.objects.filter(account=account_id, kind=kind).delete()
        fill(account_id, kind)


def fill(
    account_id: UUID,
    kind: str,
    *,
    records: type[models.Model] | None = None,
    totals: type[models.Model] = RecordTotal,
) -> None:
    """Write the totals of records that have none; a migration names its tables of the time."""
    insert(account_id, kind, counted(account_id, kind, records=records), totals=totals)


def insert(
    account_id: UUID, kind: str, found: Totals, *, totals: type[models.Model] = RecordTotal
) -> None:
    """Write totals of places that have none."""
    new_rows.insert(totals, (*KEY, *Figures._fields), _rows(account_id, kind, found))


def kept(account_id: UUID, kind: str) -> Totals:
    """The totals as they are kept."""
    rows = RecordTotal.objects.filter(account=account_id, kind=kind)
    found = rows.values_list(*Place._fields, *Figures._fields)
    return {Place(*row[:3]): Figures(*row[3:]) for row in found.iterator()}


def counted(account_id: UUID, kind: str, *, records: type[models.Model] | None = None) -> Totals:
    """The totals as the records add up, from all of them."""
    rows = (records or MODELS[Kind(kind)]).objects.filter(account=account_id)
    summed = rows.order_by().annotate(period=_Day("at")).values(*Place._fields)
    days: Totals = {}
    for row in summed.annotate(**figures_of(kind)).iterator():
        place = Place(row["symbol"], row["period"], row["currency"])
        days[place] = read_figures(row)
    return spread(days)


def spread(days: Totals) -> Totals:
    """The totals of every period, of each pair and of all pairs, from each pair's days."""
    found: Totals = {}
    for (symbol, day, currency), figures in days.items():
        for period in periods.around(day):
            for pair in (symbol, ALL_PAIRS):
                _add(found, Place(pair, period, currency), figures)
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


def _add(totals: Totals, place: Place, figures: Figures) -> None:
    before = totals.get(place)
    totals[place] = figures if before is None else before.plus(figures)


def _rows(account_id: UUID, kind: str, totals: Totals) -> list[tuple]:
    return [(account_id, kind, *place, *figures) for place, figures in totals.items()]


class _Day(Func):
    """The day of an instant in UTC, as a period."""

    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> tuple:
        """Instants are kept there as text in UTC; a noon is a whole number of Julian days."""
        noon = "JULIANDAY(SUBSTR(%(expressions)s, 1, 10) || ' 12:00')"
        return self._numbered(f"CAST({noon} - 2440588 AS INTEGER)", compiler, connection, extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> tuple:
        """Whatever the zone of the session; days less a day are an integer there."""
        day = "(%(expressions)s AT TIME ZONE 'UTC')::date"
        return self._numbered(f"{day} - DATE '1970-01-01'", compiler, connection, extra)

    def _numbered(self, number: str, compiler: Any, connection: Any, extra: dict) -> tuple:
        template = f"({periods.kept(periods.DAY, 0)} + {number})"
        return self.as_sql(compiler, connection, template=template, **extra)
