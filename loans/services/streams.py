"""Which streams of an account to read now, and reading them one after another.

The exchange lists records by pair only, so a loan on a pair that nobody asks for stays unseen:
pairs in use are asked every minute, all enabled ones daily, all others that are known weekly.
What is proven is audited, too: read again a part every day, all of it every week.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product

from django.db import transaction
from django.db.models import F, Q, prefetch_related_objects

from loans.bitmart.client import Client
from loans.bitmart.errors import Garbled, ReadError, Refused
from loans.models import (
    OPEN,
    Account,
    BorrowRecord,
    Coverage,
    Instruction,
    Kind,
    MarginSide,
    Market,
    Observation,
    RepayRecord,
    State,
)
from loans.services import hiding, new_rows
from loans.services.changed_rows import write_changed
from loans.services.clock import Clock
from loans.services.coverage import served_no_further
from loans.services.feeds import FeedTrouble
from loans.services.positions import loans_out_since
from loans.services.records import MOST_WINDOWS, Learned, read_stream

logger = logging.getLogger(__name__)

# Refusals of the key itself: every pair would meet them.
KEY_CODES = range(30001, 30032)
MOST_FAILURES = 5
MINUTE = timedelta(seconds=50)
HOURLY = timedelta(hours=1)
DAILY = timedelta(days=1)
WEEKLY = timedelta(days=7)
RECENT = timedelta(days=1)
SAVED_TOGETHER = 20
# A list that could not be read is asked for again soon, each time later, and from so many failures
# in a row on at its usual time.
FIRST_PAUSE = timedelta(minutes=2)
GIVEN_UP = 6
# Refusals of the pair itself, which are not expected to pass: it is not known, or not for us.
LASTING_CODES = (50001, 53004)
# A doubt takes the trust, but reading goes on; without one it is the windows that do not work.
WINDOWS_WORK = Q(trusted=True) | ~Q(doubt="")
COVERAGE_FIELDS = (
    "complete_from",
    "complete_to",
    "asked_at",
    "in_windows",
    "checked_at",
    "failures",
    "has_rows",
    "trusted",
    "late_records",
    "doubt",
    "interest_read_at",
    "audited_at",
    "whole_audited_at",
    "audit_due_at",
    "whole_audit_due_at",
    "audit_reached",
    "audit_is_whole",
    "audit_rows",
    "audit_missing",
    "audit_late",
    "audit_differing",
    "audit_contradictions",
)


@dataclass(slots=True)
class Walk:
    """What one walk over streams brought. `failed`: by pair.

    `left`: not reached in time, or not loaded back to their start yet. `lost`: how many streams of
    the failed pairs could not be read.
    """

    read: int = 0
    left: int = 0
    lost: int = 0
    unfinished: int = 0
    calls: int = 0
    failed: dict[str, ReadError] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def must_be_whole(self) -> None:
        """Raises FeedTrouble naming the pairs that could not be read, if there are any."""
        must_be_whole([self])

    def add(self, learned: Learned) -> None:
        """Count one stream."""
        self.read += 1
        self.unfinished += learned.can_go_on
        self.calls += learned.calls
        self.new += learned.new
        self.changed += learned.changed


def must_be_whole(walks: Iterable[Walk]) -> None:
    """Raises FeedTrouble naming the pairs that could not be read, if there are any."""
    failed = {symbol for walk in walks for symbol in walk.failed}
    if failed:
        some = ", ".join(sorted(failed)[:MOST_FAILURES])
        raise FeedTrouble(f"The records of {some} could not be read; the others are current.")


def is_money_moving(*, account: Account) -> bool:
    """Whether an instruction of this account is being prepared or sent."""
    under_way = (State.CLAIMED, State.SENDING)
    return Instruction.objects.filter(account=account, state__in=under_way).exists()


def busy_symbols(*, account: Account, now: datetime) -> set[str]:
    """Pairs with a debt by the exchange's word or by our records, an open instruction, or anything
    that happened within a day.
    """
    since = now - RECENT
    owed = MarginSide.objects.filter(margin_account__account=account).filter(
        Q(borrow_unpaid__gt=0) | Q(interest_unpaid__gt=0)
    )
    asked = Instruction.objects.filter(account=account).filter(
        Q(state__in=OPEN) | Q(created_at__gte=since)
    )
    return {
        *owed.values_list("margin_account__market__symbol", flat=True),
        *loans_out_since(account),
        *asked.order_by().values_list("symbol", flat=True),
        *_recent(BorrowRecord, account, since),
        *_recent(RepayRecord, account, since),
    }


def foresee(*, account: Account) -> None:
    """Note every stream there is to read: what was never asked for counts as unproven.

    Those of disabled pairs, too: loans may be from before. Where a listing without bounds is not
    believed any more, what was proven by one alone is not read back to its start.
    """
    markets = Market.objects.filter(venue=account.venue)
    known = set(Coverage.objects.filter(account=account).values_list("symbol", "kind"))
    wanted = product(markets.values_list("symbol", flat=True), Kind.values)
    unknown = [
        Coverage(account=account, symbol=s, kind=k) for s, k in wanted if (s, k) not in known
    ]
    Coverage.objects.bulk_create(unknown, ignore_conflicts=True)
    if hiding.is_seen(venue=account.venue):
        proven = Coverage.objects.filter(account=account, complete_to__isnull=False)
        by_listing = proven.filter(WINDOWS_WORK, complete_from=None, in_windows=False)
        by_listing.update(complete_from=F("complete_to"))


def due_often(*, account: Account, now: datetime) -> list[Coverage]:
    """The streams of the pairs in use that were not asked for within the last minute."""
    return _with_few_failed(_due(account, busy_symbols(account=account, now=now), MINUTE, now))


def due_seldom(*, account: Account, now: datetime) -> list[Coverage]:
    """All other streams whose day or week is over, or whose history is still being loaded.

    An account that is new has no coverage at all, so everything is due at once. Disabled pairs come
    last: the exchange may refuse them one by one, and many that fail end a walk.
    """
    markets = Market.objects.filter(venue=account.venue)
    enabled = set(markets.filter(enabled=True).values_list("symbol", flat=True))
    noted = Coverage.objects.filter(account=account)
    known = {*markets.values_list("symbol", flat=True), *noted.values_list("symbol", flat=True)}
    # One that is doubted may not get any further: it is tried once an hour.
    loading = noted.filter(
        Q(trusted=True) | Q(asked_at__lte=now - HOURLY),
        WINDOWS_WORK,
        complete_from__isnull=False,
        failures=0,
    ).exclude(pk__in=served_no_further())
    due = [
        *_due(account, enabled, DAILY, now),
        *loading,
        *_due(account, known - enabled, WEEKLY, now),
    ]
    return _with_few_failed({(row.symbol, row.kind): row for row in due}.values())


def is_tried_again_soon(coverage: Coverage) -> bool:
    """Whether the last reading of a stream failed, in a way that may pass."""
    return 0 < coverage.failures < GIVEN_UP


def due_for_audit(*, account: Account, now: datetime) -> list[Coverage]:
    """The streams with records whose audit is due, or under way; those that wait longest first.

    Where windows do not work there is nothing to audit by; where the start of the history is not
    reached yet, that comes first; and so does what could not be read.
    """
    audited = Coverage.objects.filter(account=account, has_rows=True, complete_to__isnull=False)
    return list(
        audited.filter(WINDOWS_WORK, failures=0)
        .filter(Q(complete_from=None) | Q(pk__in=served_no_further()))
        .filter(Q(audit_due_at__lte=now) | Q(whole_audit_due_at__lte=now))
        .order_by("audit_due_at", "symbol", "kind")
    )


def walk(
    coverages: Sequence[Coverage],
    *,
    client: Client,
    now: datetime,
    visibility: timedelta,
    is_over: Callable[[], bool],
    most_windows: int = MOST_WINDOWS,
    step: Callable[..., Learned] = read_stream,
    clock: Clock | None = None,
) -> Walk:
    """Read the streams in turn until `is_over`; each keeps what is proven of it.

    `step` reads one stream: what is new and old of it, or an audit (`reread_stream`). By `clock`
    each page is dated when it was heard; without one all are, by `now`.

    A pair that the exchange refuses, or answers with garbage, does not stop the others.
    Raises: ReadError, if it is of a kind that the next stream would meet, too.
    """
    done = Walk()
    Coverage.objects.bulk_create([row for row in coverages if row.pk is None])
    prefetch_related_objects(coverages, "gaps")
    believed = {row.pk: (row.trusted, row.doubt) for row in coverages}
    unsaved: list[Coverage] = []
    try:
        for coverage in coverages:
            if is_over():
                break
            unsaved.append(coverage)
            options = {"now": now, "visibility": visibility, "most_windows": most_windows}
            with _forgiving(coverage, done, is_reading=step is read_stream, now=now):
                learned = step(coverage, client=client, is_over=is_over, clock=clock, **options)
                done.add(learned)
            # A doubt at once: whoever concludes something from the lists must know.
            if coverage.doubt or len(unsaved) >= SAVED_TOGETHER:
                _save(unsaved, believed)
    finally:
        _save(unsaved, believed)
        if done.new:
            new_rows.count_once(BorrowRecord, RepayRecord, Observation)
    done.left = len(coverages) - done.read - done.lost + done.unfinished
    return done


@contextmanager
def _forgiving(
    coverage: Coverage, done: Walk, *, is_reading: bool, now: datetime
) -> Iterator[None]:
    """Note a failure that is of this pair alone; raise what the next stream would meet, too."""
    try:
        yield
    except (Refused, Garbled) as exc:
        done.failed[coverage.symbol] = exc
        done.lost += 1
        if is_reading:
            _note_attempt(coverage, now, failure=exc)
        passing = [one for one in done.failed.values() if one.code not in LASTING_CODES]
        if (exc.code or 0) in KEY_CODES or len(passing) > MOST_FAILURES:
            raise
        pair, account = coverage.symbol, coverage.account_id
        logger.warning("records of %s on account %s: %s", pair, account, exc.detail)
    else:
        if is_reading:
            _note_attempt(coverage, now)


def _note_attempt(coverage: Coverage, now: datetime, *, failure: ReadError | None = None) -> None:
    """That a stream was asked for, which is not to say that it was read."""
    coverage.asked_at = now
    if failure is None:
        coverage.failures = 0
    elif failure.code in LASTING_CODES:
        coverage.failures = GIVEN_UP
    else:
        coverage.failures = min(coverage.failures + 1, GIVEN_UP)


def _save(coverages: list[Coverage], believed: Mapping[int, tuple[bool, str]]) -> None:
    """Many small commits cost more than the reading. `believed`: trust and doubt as they were."""
    with transaction.atomic():
        _heed_others(coverages, believed)
        write_changed(coverages, COVERAGE_FIELDS)
    coverages.clear()


def _heed_others(coverages: Sequence[Coverage], believed: Mapping[int, tuple[bool, str]]) -> None:
    """Keep what another reader of the same streams found against them while we read."""
    by_pk = {row.pk: row for row in coverages}
    kept = Coverage.objects.select_for_update().filter(pk__in=by_pk).order_by("pk")
    for there in kept:
        row = by_pk[there.pk]
        row.late_records = max(row.late_records, there.late_records)
        if there.trusted or (there.trusted, there.doubt) == believed[there.pk]:
            continue
        row.trusted, row.doubt = False, row.doubt or there.doubt
        if there.doubt:
            dues = (row.whole_audit_due_at, there.whole_audit_due_at)
            row.whole_audit_due_at = min((due for due in dues if due), default=None)


def _due(account: Account, symbols: set[str], period: timedelta, now: datetime) -> list[Coverage]:
    known = {
        (row.symbol, row.kind): row
        for row in Coverage.objects.filter(account=account, symbol__in=symbols)
    }
    due = []
    for symbol in sorted(symbols):
        for kind in Kind.values:
            row = known.get((symbol, kind)) or Coverage(account=account, symbol=symbol, kind=kind)
            if row.asked_at is None or row.asked_at < now - _pause(row, period):
                due.append(row)
    # Those waiting longest first, so that a walk that never ends still reaches everything.
    return sorted(due, key=lambda row: row.asked_at or datetime.min.replace(tzinfo=UTC))


def _pause(coverage: Coverage, period: timedelta) -> timedelta:
    """How long not to ask for a stream that is read once in a `period` as long as all is well."""
    if not is_tried_again_soon(coverage):
        return period
    return min(period, FIRST_PAUSE * 2 ** (coverage.failures - 1))


def _with_few_failed(due: Iterable[Coverage]) -> list[Coverage]:
    """These, but of those that failed the last time no more than a walk bears."""
    kept, failed = [], 0
    for coverage in due:
        failed += bool(coverage.failures)
        if not coverage.failures or failed <= MOST_FAILURES:
            kept.append(coverage)
    return kept


def _recent(model: type[BorrowRecord | RepayRecord], account: Account, since: datetime) -> set[str]:
    rows = model.objects.filter(account=account, at__gte=since).order_by()
    return set(rows.values_list("symbol", flat=True).distinct())
