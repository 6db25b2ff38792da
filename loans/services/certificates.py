"""How complete the history is: for each account, pair and kind, from when to when it is proven,
which spans are missing, and when that was last checked.

Reads what the sync proved; it proves nothing itself and rounds nothing up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q, QuerySet

from loans.models import Account, Coverage, CoverageGap, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a list or a total rests on, over several streams.

    `complete_from` None means from the account's start; `complete_to` None that nothing is proven.
    `busy_to` is how far the streams that have rows are proven, `audited_at` when the one of them
    that waits longest was read again; None if one never was.
    """

    streams: int = 0
    busy: int = 0
    unproven: int = 0
    untrusted: int = 0
    gaps: int = 0
    late: int = 0
    complete_from: datetime | None = None
    complete_to: datetime | None = None
    busy_to: datetime | None = None
    checked_at: datetime | None = None
    audited_at: datetime | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every stream is proven from its start, without a gap or a contradiction."""
        doubts = self.unproven or self.untrusted or self.gaps or self.is_loading
        return bool(self.streams) and not doubts

    @property
    def is_loading(self) -> bool:
        """Whether some stream has not been read back to its start."""
        return self.complete_from is not None


def certify(
    accounts: Sequence[Account],
    *,
    kinds: Iterable[str] = Kind,
    symbols: Sequence[str] | None = None,
) -> Certificate:
    """The certificate over the streams of these accounts. Two queries."""
    streams = Coverage.objects.filter(account__in=accounts, kind__in=list(kinds))
    if symbols is not None:
        streams = streams.filter(symbol__in=symbols)
    busy = Q(has_rows=True)
    # In this order: a name that is given is no column any more for the expressions after it.
    found = streams.aggregate(
        busy_to=Min("complete_to", filter=busy),
        busy_checked_at=Min("checked_at", filter=busy),
        never_audited=Count("id", filter=busy & Q(audited_at__isnull=True)),
        streams=Count("id"),
        oldest_audit_at=Min("audited_at", filter=busy),
        busy=Count("id", filter=busy),
        unproven=Count("id", filter=Q(complete_to__isnull=True)),
        untrusted=Count("id", filter=Q(trusted=False)),
        late=Count("id", filter=Q(late_records__gt=0)),
        complete_from=Max("complete_from"),
        complete_to=Min("complete_to"),
        checked_at=Min("checked_at"),
    )
    if found["unproven"]:
        found["complete_to"] = None
    oldest_audit_at = found.pop("oldest_audit_at")
    found["audited_at"] = None if found.pop("never_audited") else oldest_audit_at
    found["checked_at"] = found.pop("busy_checked_at") or found["checked_at"]
    return Certificate(gaps=CoverageGap.objects.filter(coverage__in=streams).count(), **found)


def streams_of(accounts: Sequence[Account]) -> QuerySet[Coverage]:
    """Every stream with its gaps, those with rows first. Two queries."""
    found = Coverage.objects.filter(account__in=accounts)
    return (
        found.select_related("account")
        .prefetch_related("gaps")
        .order_by("account__label", "account_id", "-has_rows", "symbol", "kind")
    )


def symbols_with_rows(accounts: Sequence[Account]) -> list[str]:
    """The pairs on which anything was ever borrowed or repaid."""
    found = Coverage.objects.filter(account__in=accounts, has_rows=True)
    return list(found.order_by("symbol").values_list("symbol", flat=True).distinct())
