"""How far the first load of a history is: what is done, what is left, and how fast it goes.

The work is counted in steps: the first reading of a list, or a week of what is older. Nothing of it
is guessed: a rate is told only while a load is going on and was measured over some time.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Exists, OuterRef
from redis.exceptions import RedisError

from loans.models import Account, BorrowRecord, Coverage, RepayRecord
from loans.services.coverage import served_no_further
from loans.services.streams import is_tried_again_soon
from loans.services.windows import EARLIEST, LONGEST

logger = logging.getLogger(__name__)

# After so long without a step the load is not going on, and what was measured is forgotten.
PAUSED = timedelta(minutes=3)
MEASURED_FOR = timedelta(seconds=15)
FORGOTTEN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Pace:
    """Steps that were left at two instants of one load that did not pause."""

    began_at: datetime
    left_then: int
    at: datetime
    left: int

    def steps_a_minute(self, now: datetime) -> int | None:
        """None if it pauses, or was not measured for long enough, or nothing was done."""
        took = self.at - self.began_at
        if now - self.at > PAUSED or took < MEASURED_FOR or self.left >= self.left_then:
            return None
        return (self.left_then - self.left) * 60 // max(1, took // timedelta(seconds=1)) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One account's first load. `back_to`: where the least loaded history stands; None: none is."""

    account: Account
    streams: int
    loaded: int
    records: int
    percent: int
    back_to: datetime | None
    steps_left: int
    steps_a_minute: int | None

    @property
    def time_left(self) -> timedelta | None:
        """None if it cannot be told."""
        if self.steps_a_minute is None:
            return None
        return timedelta(minutes=1) * self.steps_left / self.steps_a_minute


def loads(accounts: Sequence[Account], *, now: datetime) -> list[Progress]:
    """The first loads that are going on. Three queries, and two more for each that is."""
    active = Account.objects.connected().kept().filter(pk__in=[a.pk for a in accounts])
    by_pk = {account.pk: account for account in accounts}
    streams: dict[object, list[Coverage]] = {pk: [] for pk in active.values_list("pk", flat=True)}
    for stream in Coverage.objects.filter(account__in=streams):
        streams[stream.account_id].append(stream)
    ended = _unserved(list(streams))
    told = (_progress(by_pk[pk], found, ended, now) for pk, found in streams.items())
    return [progress for progress in told if progress is not None]


def is_awaited(accounts: Sequence[Account]) -> bool:
    """Whether an account is connected, or being so, whose lists are not known yet. One query."""
    begun = Coverage.objects.filter(account=OuterRef("pk"))
    coming = Account.objects.kept().filter(
        pk__in=[account.pk for account in accounts],
        status__in=(Account.Status.PENDING, Account.Status.READY),
        disabled=False,
    )
    return coming.exclude(Exists(begun)).exists()


def note_pace(*, account: Account, now: datetime) -> None:
    """After some loading: how much is left, for those who want to know how fast it goes."""
    streams = list(Coverage.objects.filter(account=account))
    ended = _unserved([account.pk])
    left = sum(_steps_left(stream, ended) for stream in streams)
    try:
        known = cache.get(_key(account))
        if known is None or now - known.at > PAUSED or left > known.left:
            known = Pace(now, left, now, left)
        cache.set(
            _key(account), Pace(known.began_at, known.left_then, now, left), FORGOTTEN_SECONDS
        )
    except RedisError as exc:
        logger.warning("the pace of loading is not kept: %s", type(exc).__name__)


def _progress(
    account: Account, streams: Sequence[Coverage], ended: set[int], now: datetime
) -> Progress | None:
    left = {stream.pk: _steps_left(stream, ended) for stream in streams}
    if not any(left.values()):
        return None
    loading = [one for one in streams if left[one.pk] and one.complete_from is not None]
    return Progress(
        account=account,
        streams=len(streams),
        loaded=sum(not steps for steps in left.values()),
        records=_count(account),
        percent=sum(100 - _percent_left(one, left[one.pk]) for one in streams) // len(streams),
        back_to=max((one.complete_from for one in loading), default=None),
        steps_left=sum(left.values()),
        steps_a_minute=_pace(account, now),
    )


def _steps_left(stream: Coverage, ended: set[int]) -> int:
    """None are left of a list that was refused for good, or failed time and again: the load does
    not wait for it.
    """
    if stream.complete_to is None:
        return int(stream.asked_at is None or is_tried_again_soon(stream))
    cannot = not stream.trusted and not stream.doubt
    if stream.complete_from is None or stream.pk in ended or cannot:
        return 0
    return -(-(stream.complete_from - EARLIEST) // LONGEST)


def _percent_left(stream: Coverage, steps: int) -> int:
    if not steps or stream.complete_from is None:
        return 100 if steps else 0
    return 100 * (stream.complete_from - EARLIEST) // (stream.complete_to - EARLIEST)


def _unserved(accounts: Sequence[object]) -> set[int]:
    """The streams that the exchange serves no further back."""
    found = Coverage.objects.filter(account__in=accounts, pk__in=served_no_further())
    return set(found.values_list("pk", flat=True))


def _count(account: Account) -> int:
    """Counted row by row, which is why only those ask who watch a load."""
    return sum(
        model.objects.filter(account=account).count() for model in (BorrowRecord, RepayRecord)
    )


def _pace(account: Account, now: datetime) -> int | None:
    try:
        known = cache.get(_key(account))
    except RedisError:
        return None
    return known.steps_a_minute(now) if isinstance(known, Pace) else None


def _key(account: Account) -> str:
    return f"history-pace:{account.pk}"
