"""Keeps rows of answers that could not be used, for an administrator: each once, with a count."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F

from loans.bitmart.responses import RefusedRow as Refusal
from loans.models import Account, RefusedRow

# A server that sends nothing but garbage must not fill the database.
MOST_AT_ONCE = 50
MOST_A_VENUE = 2000
KEPT_FOR = timedelta(days=90)


def keep(
    refusals: Iterable[Refusal],
    *,
    venue: str,
    source: str,
    now: datetime,
    account: Account | None = None,
) -> None:
    """Store what is new, count what is known."""
    rows = {
        row.digest: row
        for row in (_row(refusal, venue, source, account, now) for refusal in refusals)
    }
    if not rows:
        return
    known = RefusedRow.objects.filter(digest__in=rows)
    digests = set(known.values_list("digest", flat=True))
    if digests:
        known.update(times_seen=F("times_seen") + 1, last_seen_at=now)
    fresh = [row for digest, row in rows.items() if digest not in digests][:MOST_AT_ONCE]
    if fresh and RefusedRow.objects.filter(venue=venue).count() < MOST_A_VENUE:
        RefusedRow.objects.bulk_create(fresh, ignore_conflicts=True)


def forget_old(now: datetime) -> None:
    """Drop what was not seen for a long time."""
    RefusedRow.objects.filter(last_seen_at__lt=now - KEPT_FOR).delete()


def _row(
    refusal: Refusal, venue: str, source: str, account: Account | None, now: datetime
) -> RefusedRow:
    parts = [venue, str(account.pk) if account else "", source, refusal.reason, refusal.raw_excerpt]
    return RefusedRow(
        venue=venue,
        account=account,
        source=source,
        reason=refusal.reason[:300],
        excerpt=refusal.raw_excerpt,
        digest=hashlib.sha256("\x1f".join(parts).encode()).hexdigest(),
        first_seen_at=now,
        last_seen_at=now,
    )
