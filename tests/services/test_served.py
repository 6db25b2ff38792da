"""An exchange that serves only the last days: what it does not serve is named and stops nothing."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from loans.bitmart.errors import Refused
from loans.models import Account, Coverage
from loans.services.certificates import certify
from loans.services.windows import EARLIEST, NOT_SERVED, SECOND
from tests.factories import make_account
from tests.paper_fixture import Paper, PaperKey
from tests.services.reading import (
    BORROW_RECORDS,
    borrow,
    busiest,
    executed,
    kept,
    lend_days_ago,
    reread,
    sync,
)

DAY = timedelta(days=1)
SERVED_DAYS = 30

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


@pytest.fixture
def key(paper: Paper) -> PaperKey:
    paper.switch(limits="off")
    return paper.new_key()


def serve_less(paper: Paper) -> None:
    paper.switch(limits="off", served_seconds=SERVED_DAYS * 86_400)


def gaps(coverage: Coverage) -> list[tuple[datetime, datetime]]:
    """Where nothing is served, the oldest first."""
    return [(g.starts_at, g.ends_at) for g in coverage.gaps.filter(reason=NOT_SERVED)]


def is_about(at: datetime, wanted: datetime) -> bool:
    return abs(at - wanted) < timedelta(minutes=5)


@pytest.mark.parametrize("days_ago", [(10,), (50, 10)])
def test_a_short_list_whose_past_is_not_served_is_proven_back_to_where_it_is(
    paper: Paper, account: Account, key: PaperKey, days_ago: tuple[int, ...]
) -> None:
    lend_days_ago(paper, key, *days_ago)
    serve_less(paper)

    learned = sync(paper, key, account)

    coverage, now = Coverage.objects.get(), timezone.now()
    assert learned.is_loaded
    assert coverage.trusted
    assert is_about(coverage.complete_to, now)
    assert is_about(coverage.complete_from, now - SERVED_DAYS * DAY)
    assert gaps(coverage) == [(EARLIEST, coverage.complete_from)]
    assert kept(account, "BTC_USDT") == executed(paper, key, "loans", "BTC_USDT")


def test_a_list_of_nothing_that_is_served_moves_on_but_its_windows_are_not_believed(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    lend_days_ago(paper, key, 50)
    serve_less(paper)

    sync(paper, key, account)

    coverage = Coverage.objects.get()
    assert is_about(coverage.complete_to, timezone.now())
    assert not coverage.trusted


def test_an_audit_of_records_that_are_not_served_any_more_takes_no_trust(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    lend_days_ago(paper, key, 50)
    sync(paper, key, account)
    serve_less(paper)
    Coverage.objects.update(whole_audit_due_at=timezone.now())

    coverage = reread(paper, key)

    assert coverage.whole_audited_at is not None
    assert (coverage.trusted, coverage.doubt, coverage.audit_contradictions) == (True, "", 0)
    assert gaps(coverage) == [(EARLIEST, coverage.complete_from)]  # no window ever showed it


def away_for(paper: Paper, key: PaperKey, *, days: int) -> datetime:
    """So long nobody reads, and less is served then; what time it is."""
    paper.clock(advance_seconds=days * 86_400)
    serve_less(paper)
    borrow(paper, key, "9")
    return timezone.now() + days * DAY


def test_a_watermark_that_is_not_served_any_more_goes_on_after_a_gap(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    borrow(paper, key)
    sync(paper, key, account)
    before = Coverage.objects.get().complete_to
    now = away_for(paper, key, days=60)

    learned = sync(paper, key, account, now=now)

    coverage = Coverage.objects.get()
    assert (len(learned.new), learned.is_loaded) == (1, True)
    assert (coverage.complete_from, coverage.late_records) == (None, 0)
    assert is_about(coverage.complete_to, now)
    [(starts_at, ends_at)] = gaps(coverage)
    assert starts_at == before + SECOND
    assert is_about(ends_at, now - SERVED_DAYS * DAY)
    assert sync(paper, key, account, now=now).calls < 5
    assert len(gaps(coverage)) == 1


def test_what_was_not_loaded_when_reading_stopped_is_not_waited_for(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    key = paper.new_key(history=True)
    symbol = busiest(paper, key)
    sync(paper, key, account, symbol=symbol, most_windows=1)
    loaded_to = Coverage.objects.get().complete_from
    now = away_for(paper, key, days=60)

    learned = sync(paper, key, account, symbol=symbol, now=now)

    coverage = Coverage.objects.get()
    assert learned.is_loaded
    assert coverage.complete_from == loaded_to
    assert [gaps(coverage)[0], len(gaps(coverage))] == [(EARLIEST, loaded_to), 2]


def test_an_exchange_that_serves_nothing_at_all_moves_nothing(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    borrow(paper, key)
    sync(paper, key, account)
    before = Coverage.objects.get().complete_to
    paper.fault("code", path=BORROW_RECORDS, code=50041, count=None)

    with pytest.raises(Refused):
        sync(paper, key, account)

    assert Coverage.objects.get().complete_to == before
    assert gaps(Coverage.objects.get()) == []


def test_a_listing_proves_no_start_where_old_times_are_not_served(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    lend_days_ago(paper, key, 50, 200)
    paper.switch(limits="off", served_seconds=SERVED_DAYS * 86_400, default_span_days=100)
    sync(paper, key, account)
    assert not certify([account]).is_whole

    borrow(paper, key, "9")  # by which windows are seen to work
    sync(paper, key, account, now=timezone.now() + timedelta(seconds=20))

    coverage = Coverage.objects.get()
    assert coverage.trusted
    assert gaps(coverage) == [(EARLIEST, coverage.complete_from)]
    assert not certify([account]).is_whole


def test_what_is_not_served_stays_named_while_windows_do_not_work(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    lend_days_ago(paper, key, 10, 200)
    paper.switch(limits="off", served_seconds=SERVED_DAYS * 86_400, default_span_days=100)
    sync(paper, key, account)
    Coverage.objects.update(trusted=False)
    paper.switch(query_unit="seconds", served_seconds=0)
    sync(paper, key, account)
    coverage = Coverage.objects.get()
    assert not coverage.trusted
    assert len(gaps(coverage)) == 1

    paper.switch(query_unit="milliseconds", served_seconds=SERVED_DAYS * 86_400)
    sync(paper, key, account)

    assert Coverage.objects.get().trusted
    assert not certify([account]).is_whole
