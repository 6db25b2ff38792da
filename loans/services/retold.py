"""When each loan was last told of anew, kept beside it: whether that is what the observations say.

A statement finds by it the loans of which more was told after its month. What an older version of
this code writes while a newer one has set up the database lacks it.
"""

from collections.abc import Iterator

from django.db import models
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery

from loans.models import BorrowRecord, Kind, Observation

ROWS_AT_ONCE = 10_000  # so that no lock is held for long


def count_wrong() -> int:
    """How many loans have been told of since."""
    return sum(rows.count() for rows, _ in _wrong(BorrowRecord, Observation))


def put_right(
    records: type[models.Model] = BorrowRecord, observations: type[models.Model] = Observation
) -> int:
    """Note it of those, some thousand at a time; how many there were. A migration names its tables
    of the time.
    """
    return sum(rows.update(told_again_at=last) for rows, last in _wrong(records, observations))


def _wrong(
    records: type[models.Model], observations: type[models.Model]
) -> Iterator[tuple[QuerySet, Subquery]]:
    later = observations.objects.filter(
        account_id=OuterRef("account_id"),
        kind=Kind.BORROW,
        record_id=OuterRef("record_id"),
        seen_at__gt=OuterRef("first_seen_at"),
    )
    last = Subquery(later.order_by().values("record_id").annotate(at=Max("seen_at")).values("at"))
    newest = records.objects.aggregate(id=Max("pk"))["id"] or 0
    for first in range(0, newest + 1, ROWS_AT_ONCE):
        rows = records.objects.filter(pk__gte=first, pk__lt=first + ROWS_AT_ONCE)
        told = rows.annotate(told=last).filter(told__isnull=False)
        yield told.filter(Q(told_again_at__isnull=True) | Q(told_again_at__lt=F("told"))), last
