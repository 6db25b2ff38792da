"""The interest of loans that are still out: it rises every hour, so it is read every hour.

Without this the last hours before a repayment might never be told, for an exchange may show zero
afterwards, and what the records say would lag behind what the exchange says is owed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from loans.bitmart.client import Client
from loans.models import Account, BorrowRecord, Coverage, Kind
from loans.services.clock import Clock
from loans.services.records import Learned, Stream
from loans.services.windows import SECOND

HOURLY = timedelta(minutes=59)
# Older loans than these wait for the daily audit, so that an hour costs a few dozen calls at most.
MOST_ROWS = 2_000

Since = Mapping[str, datetime]


def due(*, account: Account, since: Since, now: datetime) -> list[Coverage]:
    """The lists of pairs with loans out, unless they were read within the hour, or could not be."""
    lists = Coverage.objects.filter(
        account=account,
        kind=Kind.BORROW,
        symbol__in=since,
        trusted=True,
        complete_to__isnull=False,
        failures=0,
    )
    waiting = Q(interest_read_at=None) | Q(interest_read_at__lte=now - HOURLY)
    return list(lists.filter(waiting).order_by("interest_read_at", "symbol"))


def read_interest(
    coverage: Coverage,
    *,
    since: Since,
    client: Client,
    now: datetime,
    visibility: timedelta,
    most_windows: int,
    is_over: Callable[[], bool],
    clock: Clock | None = None,
) -> Learned:
    """Read again from the oldest loan that is out, or from where the exchange serves on, up to what
    is proven; a step of `streams.walk`.

    `most_windows` and `is_over` bound other steps: this one is one span, and short. The caller
    saves the coverage. Raises: ReadError.
    """
    stream = Stream(client=client, coverage=coverage, now=now, visibility=visibility, clock=clock)
    oldest = max(since[coverage.symbol], _far_enough(coverage))
    try:
        stream.read_served(oldest - SECOND, max(coverage.complete_to, oldest))
        coverage.interest_read_at = now
    finally:
        stream.settle()
    return stream.learned


def _far_enough(coverage: Coverage) -> datetime:
    """When the last of so many records was made; the earliest instant if there are fewer."""
    rows = BorrowRecord.objects.filter(account=coverage.account, symbol=coverage.symbol)
    newest = rows.order_by("-at", "-id").values_list("at", flat=True)
    return newest[MOST_ROWS : MOST_ROWS + 1].first() or datetime.min.replace(
        tzinfo=coverage.complete_to.tzinfo
    )
