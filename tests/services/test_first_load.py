"""What a first load costs, what it leaves to others, and how windows are tried before trusted."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.bitmart.errors import ReadError, Refused
from loans.bitmart.responses import Listing
from loans.models import Account, BorrowRecord, Coverage, Kind
from loans.services.limiter import SharedLimiter
from loans.services.limiter.database import ProcessStore
from loans.services.limiter.stores import Demand, Grant
from loans.services.records import read_stream
from loans.services.windows import EARLIEST, NOT_SERVED
from tests.factories import make_account, make_gap
from tests.paper_fixture import Paper
from tests.proofs.histories_played import MemoryShelf
from tests.proofs.random_exchange import RandomExchange
from tests.services.reading import (
    BORROW_RECORDS,
    VISIBILITY,
    borrow,
    busiest,
    credentials_of,
    executed,
    kept,
    lend_long_ago,
    sync,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


def test_five_thousand_records_in_thirty_days_take_at_most_140_calls(
    paper: Paper, account: Account
) -> None:
    paper.switch(limits="off")
    key = paper.new_key()
    dice = Random(5)
    began_at = timezone.now() - timedelta(days=30)
    began_ms, month_ms = int(began_at.timestamp() * 1000), 30 * 86_400_000
    lend_long_ago(paper, key, [began_ms + dice.randrange(month_ms) for _ in range(5000)])
    coverage = Coverage.objects.create(account=account, symbol="BTC_USDT", kind=Kind.BORROW)

    with Client(paper.base_url, credentials_of(key)) as client:
        read_stream(
            coverage,
            client=client,
            now=timezone.now(),
            visibility=VISIBILITY,
            most_windows=1000,
            is_over=lambda: coverage.complete_from <= began_at,
        )

    assert BorrowRecord.objects.filter(account=account).count() == 5000
    assert not coverage.gaps.exists()
    assert paper.books()["requests"][BORROW_RECORDS] <= 140


class WatchedStore(ProcessStore):
    """The count of calls; notes by class (its share) how long each was told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[int, list[int]] = defaultdict(list)

    def acquire(self, ticket: str, demands: Sequence[Demand], **options: Any) -> Grant:
        grant = super().acquire(ticket, demands, **options)
        self.waits[demands[0].percent].append(grant.wait_us)
        return grant


class BetweenCalls:
    """A limiter that lets somebody act before every fifth call."""

    def __init__(self, inner: limits.Limiter, act: Callable[[], object]) -> None:
        self._inner, self._act, self._count = inner, act, count(1)

    def permit(self, group: str, priority: int) -> AbstractContextManager[limits.Permit]:
        if next(self._count) % 5 == 0:
            self._act()
        return self._inner.permit(group, priority)


def test_a_first_load_leaves_a_person_who_waits_their_share_of_the_limits(
    paper: Paper, account: Account
) -> None:
    key = paper.new_key(history=True)
    store = WatchedStore()
    limiter = SharedLimiter(store, venue="share", key="k")

    with Client(
        paper.base_url, credentials_of(key), limiter=limiter, priority=limits.PERSON_WAITING
    ) as person:
        between = BetweenCalls(limiter, lambda: person.borrow_records("BTC_USDT"))
        learned = sync(
            paper,
            key,
            account,
            symbol=busiest(paper, key),
            most_windows=60,
            limiter=between,
            priority=limits.BACK_FILL,
        )

    books = paper.books()
    of_the_load, of_the_person = store.waits[40], store.waits[80]
    assert max(of_the_load) > 0  # it came to the end of its share, or this shows nothing
    assert len(of_the_person) > 10
    assert max(of_the_person) == 0
    assert books["above_limit"] == {}
    assert books["requests"][BORROW_RECORDS] == learned.calls + len(of_the_person)


class ServesSince(RandomExchange):
    """An exchange that refuses windows that begin before some instant."""

    since = EARLIEST + timedelta(days=4, hours=5, seconds=7)

    def page(self, start: datetime | None, end: datetime | None, *rest: str | None) -> Listing:
        if start is not None and start < self.since:
            raise Refused("out of range", code=50041, http_status=400)
        return super().page(start, end, *rest)


def test_where_the_exchange_serves_no_further_back_is_found_to_the_second() -> None:
    exchange = ServesSince(next(n for n in range(999) if RandomExchange(n).is_plain))
    exchange.now_ms += 30 * 86_400_000
    coverage, shelf = Coverage(symbol="BTC_USDT", kind=exchange.kind), MemoryShelf()

    learned = read_stream(
        coverage,
        client=exchange,
        now=EARLIEST + timedelta(days=33),
        visibility=VISIBILITY,
        shelf=shelf,
    )

    # A window is padded by a second, so the first that is served begins one later.
    served = ServesSince.since + timedelta(seconds=1)
    assert learned.is_loaded
    assert [(g.starts_at, g.ends_at) for g in shelf.named if g.reason == NOT_SERVED] == [
        (EARLIEST, served)
    ]
    assert coverage.complete_from == served


def test_windows_are_not_believed_before_a_control_could_be_asked(
    paper: Paper, account: Account
) -> None:
    paper.switch(query_unit="seconds")
    key = paper.new_key()
    sync(paper, key, account)  # empty: proven without a window
    borrow(paper, key)
    paper.fault("html_502", path=BORROW_RECORDS, skip=1)
    with pytest.raises(ReadError):
        sync(paper, key, account)

    borrow(paper, key, "9")
    sync(paper, key, account)

    assert not Coverage.objects.get().trusted
    assert kept(account, "BTC_USDT") == executed(paper, key, "loans", "BTC_USDT")


def test_a_record_that_is_late_in_a_gap_is_not_counted(paper: Paper, account: Account) -> None:
    key = paper.new_key()
    borrow(paper, key)
    paper.clock(advance_seconds=10)
    sync(paper, key, account)
    coverage = Coverage.objects.get()
    BorrowRecord.objects.all().delete()
    span = (coverage.complete_to - timedelta(minutes=1), coverage.complete_to)
    make_gap(coverage=coverage, starts_at=span[0], ends_at=span[1])
    Coverage.objects.update(late_records=5)

    sync(paper, key, account)

    assert BorrowRecord.objects.count() == 1
    assert Coverage.objects.get().late_records == 5
