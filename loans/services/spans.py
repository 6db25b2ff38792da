"""What the records of a span add up to, per currency, from the totals that are kept.

A span is cut into whole months and whole days, which `rollups` has, and at each end a piece of a
day, whose few records are added or taken away. All in one statement, so that what is added up is of
one moment, whatever is being written.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet, Sum, Value

from loans.fields import ExactSum
from loans.models import ALL_PAIRS, ALL_TIME, Account, Kind, RecordTotal
from loans.services.rollups import (
    MODELS,
    Figures,
    figures_of,
    names_of,
    period_of,
    read_figures,
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
    """Which records. No `symbols`: all pairs; no `currency`: all; `named`: those besides."""

    kind: str
    accounts: Sequence[Account]
    symbols: Collection[str] | None = None
    currency: str = ""
    since: datetime | None = None
    until: datetime | None = None
    named: Q | None = None


def by_currency(wanted: Wanted) -> dict[str, Figures]:
    """What they add up to, by currency. One query; currencies without a record are left out."""
    found: dict[str, Figures] = {}
    members = list(_members(wanted))
    rows = members[0].union(*members[1:], all=True) if len(members) > 1 else members[0]
    for row in rows:
        figures, currency = read_figures(row), row["currency"]
        before = found.get(currency, Figures())
        found[currency] = before.plus(figures) if row["sign"] > 0 else before.minus(figures)
    return {currency: found[currency] for currency in sorted(found) if found[currency].records}


def _members(wanted: Wanted) -> Iterator[QuerySet]:
    """The sums of each piece, as querysets with the same columns."""
    cut = cut_up(wanted.since, wanted.until)
    if cut.periods:
        yield _of_totals(wanted, cut.periods)
    for sign, pieces in ((1, cut.added), (-1, cut.taken)):
        for since, until in pieces:
            yield _of_records(wanted, Q(at__gte=since, at__lt=until) & _pairs(wanted), sign)
    if wanted.named is not None:
        within = Q(at__gte=wanted.since) if wanted.since else Q()
        within &= Q(at__lt=wanted.until) if wanted.until else Q()
        yield _of_records(wanted, within & wanted.named, 1)


def _of_totals(wanted: Wanted, periods: Sequence[tuple[int, int]]) -> QuerySet:
    meant = Q()
    for first, last in periods:
        meant |= Q(period=first) if first == last else Q(period__gte=first, period__lte=last)
    pairs = Q(symbol=ALL_PAIRS) if wanted.symbols is None else _pairs(wanted)
    rows = RecordTotal.objects.filter(meant, pairs, kind=wanted.kind)
    counts, sums = names_of(wanted.kind)
    figures = {f"n_{name}": Sum(name) for name in counts}
    figures |= {f"sum_{name}": ExactSum(name) for name in sums}
    return _grouped(rows, wanted, figures, 1)


def _of_records(wanted: Wanted, meant: Q, sign: int) -> QuerySet:
    rows = MODELS[Kind(wanted.kind)].objects.filter(meant)
    return _grouped(rows, wanted, figures_of(wanted.kind), sign)


def _grouped(rows: QuerySet, wanted: Wanted, figures: dict, sign: int) -> QuerySet:
    rows = rows.filter(account__in=wanted.accounts)
    if wanted.currency:
        rows = rows.filter(currency=wanted.currency)
    return rows.order_by().values("currency").annotate(sign=Value(sign), **figures)


def _pairs(wanted: Wanted) -> Q:
    return Q() if wanted.symbols is None else Q(symbol__in=wanted.symbols)


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
