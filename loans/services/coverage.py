"""What is proven of a stream, and the gaps in it. Writes coverage rows; reads no exchange."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from loans.models import Coverage, CoverageGap
from loans.services.windows import EARLIEST, NOT_SERVED, Gap


def gaps_of(coverage: Coverage) -> list[Gap]:
    """The gaps of a stream as they are kept."""
    return [Gap(gap.starts_at, gap.ends_at, gap.reason) for gap in coverage.gaps.all()]


def is_unread(coverage: Coverage) -> bool:
    """Whether a stream is not read to its end yet, or not back to the start of what is served."""
    if coverage.complete_to is None:
        return True
    return not (coverage.complete_from is None or is_served_no_further(gaps_of(coverage)))


def is_served_no_further(gaps: Iterable[Gap]) -> bool:
    """Whether these gaps of a stream say that nothing is served before what was read of it."""
    return any(gap.reason == NOT_SERVED and gap.starts_at <= EARLIEST for gap in gaps)


def served_no_further() -> QuerySet:
    """The keys of the streams of which that is said."""
    return CoverageGap.objects.filter(reason=NOT_SERVED, starts_at__lte=EARLIEST).values("coverage")


def name_gaps(coverage: Coverage, *, start: datetime, end: datetime, gaps: Iterable[Gap]) -> None:
    """Say what is unproven in a span that was read again, in place of what was said before."""
    known = gaps_of(coverage)
    named = renamed(known, start=start, end=end, fresh=gaps)
    if set(named) == set(known):
        return
    getattr(coverage, "_prefetched_objects_cache", {}).clear()
    with transaction.atomic():
        gone = [
            gap.pk
            for gap in coverage.gaps.all()
            if Gap(gap.starts_at, gap.ends_at, gap.reason) not in named
        ]
        coverage.gaps.filter(pk__in=gone).delete()
        CoverageGap.objects.bulk_create(
            CoverageGap(
                coverage=coverage, starts_at=gap.starts_at, ends_at=gap.ends_at, reason=gap.reason
            )
            for gap in named
            if gap not in known
        )


def renamed(
    known: Iterable[Gap], *, start: datetime, end: datetime, fresh: Iterable[Gap]
) -> list[Gap]:
    """The gaps after a span was read again: what lies outside of it stays as it was.

    Gaps of one reason that touch become one, so that a row which stays unreadable is named once.
    """
    outside = (part for gap in known for part in _outside(gap, start, end))
    inside = (
        Gap(max(gap.starts_at, start), min(gap.ends_at, end), gap.reason)
        for gap in fresh
        if gap.starts_at < end and gap.ends_at > start
    )
    joined: list[Gap] = []
    for gap in sorted((*outside, *inside), key=lambda gap: (gap.reason, gap.starts_at)):
        if joined and joined[-1].reason == gap.reason and gap.starts_at <= joined[-1].ends_at:
            last = joined.pop()
            gap = Gap(last.starts_at, max(last.ends_at, gap.ends_at), gap.reason)
        joined.append(gap)
    return joined


def _outside(gap: Gap, start: datetime, end: datetime) -> Iterator[Gap]:
    if gap.ends_at <= start or gap.starts_at >= end:
        yield gap
        return
    if gap.starts_at < start:
        yield Gap(gap.starts_at, start, gap.reason)
    if gap.ends_at > end:
        yield Gap(end, gap.ends_at, gap.reason)
