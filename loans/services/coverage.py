"""What is proven of a stream, and the gaps in it. Writes coverage rows; reads no exchange."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from loans.models import Coverage, CoverageGap
from loans.services.windows import Gap


def name_gaps(coverage: Coverage, *, start: datetime, end: datetime, gaps: Iterable[Gap]) -> None:
    """Say what is unproven in a span that was read again, in place of what was said before.

    Gaps of one reason that touch become one, so that a row which stays unreadable is named once.
    """
    known = list(coverage.gaps.all())
    old = [gap for gap in known if start <= gap.starts_at and gap.ends_at <= end]
    fresh = [
        Gap(max(gap.starts_at, start), min(gap.ends_at, end), gap.reason)
        for gap in gaps
        if gap.starts_at < end and gap.ends_at > start
    ]
    if not old and not fresh:
        return
    touching = [
        gap for gap in known if gap not in old and any(_touch(gap, other) for other in fresh)
    ]
    said = [Gap(gap.starts_at, gap.ends_at, gap.reason) for gap in touching]
    getattr(coverage, "_prefetched_objects_cache", {}).clear()
    with transaction.atomic():
        coverage.gaps.filter(pk__in=[gap.pk for gap in [*old, *touching]]).delete()
        CoverageGap.objects.bulk_create(
            CoverageGap(
                coverage=coverage, starts_at=gap.starts_at, ends_at=gap.ends_at, reason=gap.reason
            )
            for gap in _joined([*said, *fresh])
        )


def prove(
    coverage: Coverage,
    *,
    start: datetime,
    end: datetime,
    gaps: Iterable[Gap],
    now: datetime,
) -> None:
    """Everything from `start` to `end` was read: name the gaps, move the watermark forwards.

    The caller saves the coverage.
    """
    name_gaps(coverage, start=start, end=end, gaps=gaps)
    if coverage.complete_to is None or end > coverage.complete_to:
        coverage.complete_to = end
    coverage.checked_at = now


def _joined(gaps: Iterable[Gap]) -> list[Gap]:
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.reason, gap.starts_at)):
        if joined and _touch(joined[-1], gap):
            last = joined.pop()
            gap = Gap(last.starts_at, max(last.ends_at, gap.ends_at), gap.reason)
        joined.append(gap)
    return joined


def _touch(one: Gap | CoverageGap, other: Gap) -> bool:
    apart = one.ends_at < other.starts_at or other.ends_at < one.starts_at
    return one.reason == other.reason and not apart
