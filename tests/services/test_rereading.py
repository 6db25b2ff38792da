"""Audits: what is proven is read again and compared; what differs is said, and takes the trust."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from loans.models import Account, BorrowRecord, Coverage, Kind
from loans.services import streams
from loans.services.rereading import MISSING
from tests.factories import make_account, make_borrow, make_coverage
from tests.paper_fixture import Paper, PaperKey
from tests.services.reading import BORROW_RECORDS, lend_long_ago, reread, sync

DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


@pytest.fixture
def key(paper: Paper, account: Account) -> PaperKey:
    """Twelve loans, ten days apart, all of them read."""
    paper.switch(limits="off")
    key = paper.new_key()
    lend_long_ago(paper, key, [paper.clock() - 86_400_000 * 10 * n - 60_000 for n in range(12)])
    sync(paper, key, account)
    return key


def ask_for_all() -> None:
    Coverage.objects.update(whole_audit_due_at=timezone.now())


def test_a_loaded_stream_is_audited_a_day_later_and_whole_a_week_later(
    account: Account, key: PaperKey
) -> None:
    now = timezone.now()
    coverage = Coverage.objects.get()

    assert streams.due_for_audit(account=account, now=now) == []
    assert streams.due_for_audit(account=account, now=now + DAY) == [coverage]
    assert coverage.whole_audit_due_at - coverage.audit_due_at == timedelta(days=6)


def test_the_daily_audit_reads_the_last_35_days(paper: Paper, key: PaperKey) -> None:
    before = paper.books()["requests"][BORROW_RECORDS]

    coverage = reread(paper, key)

    assert (coverage.audit_rows, coverage.audit_missing, coverage.audit_late) == (4, 0, 0)
    assert (coverage.audited_at is not None, coverage.whole_audited_at) == (True, None)
    assert coverage.audit_due_at > timezone.now() + DAY - timedelta(minutes=5)
    assert paper.books()["requests"][BORROW_RECORDS] - before < 20


def test_the_weekly_audit_of_less_than_a_page_takes_a_listing_its_control_and_two_spans_before_it(
    paper: Paper, key: PaperKey
) -> None:
    ask_for_all()
    before = paper.books()["requests"][BORROW_RECORDS]

    coverage = reread(paper, key)

    assert (coverage.audit_rows, coverage.audit_differing) == (12, 0)
    assert coverage.whole_audited_at is not None
    assert paper.books()["requests"][BORROW_RECORDS] - before == 4


def test_an_audit_goes_on_where_it_stood(paper: Paper, key: PaperKey) -> None:
    first = reread(paper, key, most_windows=1)
    reached = first.audit_reached
    second = reread(paper, key, most_windows=1)

    assert first.audited_at is None
    assert reached - second.audit_reached > timedelta(days=6)

    done = reread(paper, key)

    assert (done.audit_reached, done.audit_rows) == (None, 4)


def test_a_record_that_is_not_listed_any_more_takes_the_trust_until_all_is_clean(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    ghost = make_borrow(account=account, record_id="GHOST", at=timezone.now() - 3 * DAY)

    told = reread(paper, key)

    assert (told.audit_missing, told.doubt, told.trusted) == (1, MISSING, False)
    assert told.whole_audit_due_at <= timezone.now()

    sync(paper, key, account)
    assert not Coverage.objects.get().trusted
    ghost.delete()
    cleared = reread(paper, key)

    assert (cleared.audit_missing, cleared.doubt, cleared.trusted) == (0, "", True)


def test_a_record_that_an_audit_finds_is_counted_and_all_is_audited(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    BorrowRecord.objects.order_by("-at")[1].delete()  # as if it were listed only now

    told = reread(paper, key)

    assert BorrowRecord.objects.count() == 12
    assert (told.audit_late, told.late_records, told.trusted) == (1, 1, True)
    assert told.whole_audit_due_at <= timezone.now()

    whole = reread(paper, key)

    assert whole.whole_audit_due_at > timezone.now() + 6 * DAY


def test_another_figure_than_is_kept_is_told(paper: Paper, key: PaperKey) -> None:
    BorrowRecord.objects.filter(record_id__startswith="old").update(principal=19)
    ask_for_all()

    assert reread(paper, key).audit_differing == 12


def test_a_loan_that_reads_zero_once_repaid_is_no_difference(paper: Paper, key: PaperKey) -> None:
    paper.switch(repaid_records="zero")
    ask_for_all()

    told = reread(paper, key)

    assert (told.audit_rows, told.audit_differing, told.audit_missing) == (12, 0, 0)


def test_bounds_that_are_not_heeded_any_more_end_an_audit_in_doubt(
    paper: Paper, key: PaperKey
) -> None:
    paper.switch(query_unit="seconds")
    ask_for_all()

    told = reread(paper, key)

    assert (told.trusted, told.audit_contradictions, told.audit_reached) == (False, 1, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"has_rows": False},
        {"complete_from": timezone.now() - 9 * DAY},
        {"trusted": False},
        {"complete_to": None},
    ],
)
def test_what_cannot_be_audited_is_not_due(account: Account, fields: dict) -> None:
    now = timezone.now()
    make_coverage(account=account, kind=Kind.REPAY, audit_due_at=now - DAY, **fields)

    assert streams.due_for_audit(account=account, now=now) == []
