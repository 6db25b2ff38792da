"""Streams of records against the paper exchange: complete, once each, and proven to be so."""

from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from loans.bitmart.errors import Maintenance, ReadError
from loans.bitmart.readers import read_borrow_record
from loans.models import Account, BorrowRecord, Coverage, Kind, Observation, RefusedRow, RepayRecord
from loans.services import retold
from loans.services.record_store import store
from loans.services.records import Learned
from loans.services.shelf import DatabaseShelf
from loans.services.windows import EARLIEST
from tests import factories
from tests.factories import NOW, make_account
from tests.paper_fixture import Paper
from tests.services.canned import BORROWS, canned_venue, loan
from tests.services.reading import (
    BORROW_RECORDS,
    VISIBILITY,
    borrow,
    busiest,
    executed,
    kept,
    sync,
    sync_stream,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


def test_a_stream_without_records_is_proven_empty_by_two_calls(
    paper: Paper, account: Account
) -> None:
    """Without bounds, and with bounds around all time: one of them might be cut."""
    learned = sync(paper, paper.new_key(), account)

    coverage = Coverage.objects.get()
    assert (learned.calls, learned.is_loaded) == (2, True)
    assert (coverage.has_rows, coverage.complete_from) == (False, None)
    age = timezone.now() - coverage.complete_to
    assert VISIBILITY < age < VISIBILITY + timedelta(seconds=10)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"bounds": "exclusive", "record_order": "shuffled"},
        {"record_time": "seconds", "record_order": "oldest"},
    ],
)
def test_a_past_of_more_than_a_page_is_loaded_whole(
    paper: Paper, account: Account, switches: dict
) -> None:
    paper.switch(limits="off", **switches)
    key = paper.new_key(history=True)
    symbol = busiest(paper, key)
    truth = executed(paper, key, "loans", symbol)
    assert len(truth) > 100

    learned = sync(paper, key, account, symbol=symbol)

    coverage = Coverage.objects.get()
    assert kept(account, symbol) == truth
    assert learned.is_loaded
    assert (coverage.complete_from, coverage.trusted, coverage.late_records) == (None, True, 0)
    assert not coverage.gaps.exists()


def test_loading_goes_on_where_it_stopped(paper: Paper, account: Account) -> None:
    paper.switch(limits="off")
    key = paper.new_key(history=True)
    symbol = busiest(paper, key)

    first = sync(paper, key, account, symbol=symbol, most_windows=2)
    reached = Coverage.objects.get().complete_from
    second = sync(paper, key, account, symbol=symbol)

    assert (first.is_loaded, second.is_loaded) == (False, True)
    assert EARLIEST < reached < timezone.now() - timedelta(days=13)
    assert kept(account, symbol) == executed(paper, key, "loans", symbol)


def test_repayments_are_kept_with_their_split(paper: Paper, account: Account) -> None:
    paper.switch(limits="off")
    key = paper.new_key(history=True)
    symbol = busiest(paper, key)

    sync(paper, key, account, symbol=symbol, kind=Kind.REPAY)

    rows = RepayRecord.objects.filter(account=account)
    assert kept(account, symbol, RepayRecord) == executed(paper, key, "repayments", symbol)
    assert all(row.amount == row.principal + row.interest for row in rows)


def test_what_is_new_is_found_and_what_is_known_is_not_written_again(
    paper: Paper, account: Account, django_assert_max_num_queries
) -> None:
    key = paper.new_key()
    borrow(paper, key)
    sync(paper, key, account)
    before = Observation.objects.count()

    borrow(paper, key, "7")
    learned = sync(paper, key, account)
    again = sync(paper, key, account)

    assert (len(learned.new), again.new, again.changed) == (1, [], [])
    assert Observation.objects.count() == before + 1


def test_the_watermark_stays_where_it_was_when_a_call_fails(paper: Paper, account: Account) -> None:
    key = paper.new_key()
    borrow(paper, key)
    sync(paper, key, account)
    watermark = Coverage.objects.get().complete_to
    paper.fault("code", kind="borrow_record", code=30014)

    with pytest.raises(Maintenance):
        sync(paper, key, account)

    assert Coverage.objects.get().complete_to == watermark


@pytest.mark.parametrize("skip", range(1, 12, 3))
def test_a_failure_in_the_middle_of_loading_loses_nothing(
    paper: Paper, account: Account, skip: int
) -> None:
    paper.switch(limits="off")
    key = paper.new_key(history=True)
    symbol = busiest(paper, key)
    paper.fault("html_502", path=BORROW_RECORDS, skip=skip)

    with pytest.raises(ReadError):
        sync(paper, key, account, symbol=symbol)
    sync(paper, key, account, symbol=symbol)

    assert kept(account, symbol) == executed(paper, key, "loans", symbol)
    assert Coverage.objects.get().complete_from is None


def test_a_record_listed_late_within_the_bound_is_found(paper: Paper, account: Account) -> None:
    key = paper.new_key()
    borrow(paper, key)
    sync(paper, key, account)
    paper.fault("late_record", kind="borrow", seconds=1)
    borrow(paper, key, "9")

    at_once = sync(paper, key, account)
    paper.clock(advance_seconds=1)
    later = sync(paper, key, account)

    assert (len(at_once.new), len(later.new)) == (0, 1)
    assert Coverage.objects.get().late_records == 0


def test_a_record_later_than_the_bound_is_counted_and_widens_the_overlap(
    paper: Paper, account: Account
) -> None:
    key = paper.new_key()
    borrow(paper, key)
    paper.fault("late_record", kind="borrow", seconds=30)
    borrow(paper, key, "9")
    paper.clock(advance_seconds=10)
    sync(paper, key, account, now=timezone.now() + timedelta(seconds=10))
    Coverage.objects.update(late_records=4)

    paper.clock(advance_seconds=25)
    learned = sync(paper, key, account)

    assert len(learned.new) == 1
    assert Coverage.objects.get().late_records == 5


def test_an_exchange_whose_clock_leaps_ahead_for_a_moment_hides_nothing(
    paper: Paper, account: Account
) -> None:
    key = paper.new_key()
    borrow(paper, key)
    sync(paper, key, account)
    paper.clock(offset_seconds=3600)
    sync(paper, key, account)
    paper.clock(offset_seconds=0)

    assert Coverage.objects.get().complete_to <= timezone.now()
    borrow(paper, key, "9")
    learned = sync(paper, key, account)

    assert len(learned.new) == 1


def test_bounds_read_in_another_unit_are_noticed_and_windows_not_trusted(
    paper: Paper, account: Account
) -> None:
    paper.switch(query_unit="seconds")
    key = paper.new_key()
    borrow(paper, key)

    sync(paper, key, account)
    borrow(paper, key, "9")
    learned = sync(paper, key, account)

    assert not Coverage.objects.get().trusted
    assert len(learned.new) == 1


def test_a_full_page_without_windows_that_work_proves_nothing(
    paper: Paper, account: Account
) -> None:
    paper.switch(query_unit="seconds", limits="off")
    key = paper.new_key(history=True)

    learned = sync(paper, key, account, symbol=busiest(paper, key))

    coverage = Coverage.objects.get()
    assert (coverage.complete_to, coverage.trusted, learned.is_loaded) == (None, False, False)
    assert coverage.checked_at is None
    assert len(learned.new) == 100


def told(account: Account, *rows: dict, now: datetime | None = None) -> Learned:
    """One run over a stream that lists exactly these rows."""
    with canned_venue() as venue, venue.client() as client:
        venue.say(BORROWS, {"records": list(rows)})
        return sync_stream(
            client=client,
            account=account,
            symbol="BTC_USDT",
            kind=Kind.BORROW,
            now=now or timezone.now(),
            visibility=VISIBILITY,
        )


def test_a_principal_that_falls_to_zero_is_an_observation_not_a_fault(account: Account) -> None:
    told(account, loan())

    told(account, loan(borrow_amount="0.00000000", interest_amount="0.00000000"))

    record = BorrowRecord.objects.get()
    assert (record.principal, record.interest) == (20, Decimal("0.00045833"))
    assert record.story_changed
    assert Observation.objects.count() == 2


def test_when_a_loan_was_told_of_anew_is_kept(account: Account) -> None:
    def told_at(minute: int, **fields: object) -> datetime | None:
        told(account, loan(**fields), now=NOW + timedelta(minutes=minute))
        return BorrowRecord.objects.get().told_again_at

    assert told_at(0, interest_amount=None) is None
    assert told_at(1, interest_amount=None) is None
    assert told_at(2) == NOW + timedelta(minutes=2)
    assert told_at(3) == NOW + timedelta(minutes=2)
    assert told_at(4, currency="BTC") == NOW + timedelta(minutes=4)  # refused, but seen
    after = NOW + timedelta(minutes=4, microseconds=1)
    assert told_at(1, interest_amount="7") == after  # by a clock set back


def test_the_migration_finds_when_loans_were_told_of_anew(account: Account) -> None:
    once, again = (factories.make_borrow(account=account) for _ in range(2))
    factories.tell(once, "0.1", at=once.first_seen_at)
    for minute in (1, 2):
        factories.tell(again, "0.2", at=NOW + timedelta(minutes=minute))
    right = {once.pk: None, again.pk: NOW + timedelta(minutes=2)}
    assert told_again() == right
    BorrowRecord.objects.update(told_again_at=None)

    import_module("loans.migrations.0016_loans_told_again").fill(apps, None)

    assert told_again() == right


def test_the_migration_takes_no_age_from_a_list_that_was_read(account: Account) -> None:
    read = factories.make_coverage(account=account, asked_at=None)
    refused = factories.make_coverage(
        account=account, kind="repay", complete_to=None, asked_at=None
    )

    import_module("loans.migrations.0024_asked_at").fill(apps, None)

    for coverage, checked_at in ((read, NOW), (refused, None)):
        coverage.refresh_from_db()
        assert (coverage.asked_at, coverage.checked_at) == (NOW, checked_at)


def test_loans_that_were_told_of_unnoticed_are_found_and_put_right(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retold, "ROWS_AT_ONCE", 3)
    loans = [factories.make_borrow(account=account) for _ in range(8)]
    for minute, one in enumerate(loans):
        factories.tell(one, "0.1", at=NOW + timedelta(minutes=minute))
    right = told_again()
    BorrowRecord.objects.filter(pk__in=[loans[2].pk, loans[6].pk]).update(told_again_at=None)
    BorrowRecord.objects.filter(pk=loans[5].pk).update(told_again_at=NOW)

    with pytest.raises(CommandError, match="3 loans were told of later than is noted"):
        call_command("verify_totals")
    call_command("verify_totals", repair=True)

    assert told_again() == right
    call_command("verify_totals")
    assert "Put right: 3 loans were told of" in capsys.readouterr().out


def told_again() -> dict[int, datetime | None]:
    return dict(BorrowRecord.objects.values_list("pk", "told_again_at"))


def test_interest_keeps_the_largest_ever_seen(account: Account) -> None:
    for interest in (None, "0.00045833", "0.00091666"):
        told(account, loan(interest_amount=interest))

    record = BorrowRecord.objects.get()
    assert record.interest == Decimal("0.00091666")
    assert not record.story_changed


@pytest.mark.parametrize(
    "lie",
    [
        {"currency": "BTC"},
        {"create_time": 1763600005000},
        {"borrow_amount": "21.00000000"},
    ],
)
def test_what_can_never_change_is_refused_with_a_reason(account: Account, lie: dict) -> None:
    told(account, loan())

    told(account, loan(**lie))

    record = BorrowRecord.objects.get()
    assert (record.currency, record.principal) == ("USDT", 20)
    assert "a known" in RefusedRow.objects.get().reason


def test_a_row_of_another_pair_is_refused_and_windows_are_not_trusted(account: Account) -> None:
    told(account, loan(), loan("L2", "ETH_USDT"))

    assert kept(account, "ETH_USDT") == set()
    assert "not of BTC_USDT" in RefusedRow.objects.get().reason
    assert not Coverage.objects.get().trusted


def test_a_row_that_cannot_be_read_is_kept_aside_and_named_as_a_gap(account: Account) -> None:
    learned = told(account, loan(), loan("L2", create_time="yesterday"))

    assert (len(learned.new), learned.refused > 0) == (1, True)
    assert RefusedRow.objects.count() == 1
    assert Coverage.objects.get().gaps.get().reason == "a row could not be read"


def test_a_row_that_does_not_fit_the_tables_does_not_stop_the_page(account: Account) -> None:
    with canned_venue() as venue, venue.client() as client:
        venue.say(BORROWS, {"records": [loan(), loan("L2", currency="X" * 21)]})
        rows = client.borrow_records("BTC_USDT").rows

    stored = store(account=account, kind=Kind.BORROW, rows=rows, clock=timezone.now)

    assert (stored.new, len(stored.refused)) == (["L1"], 1)
    assert RefusedRow.objects.get().account == account


def test_an_id_that_another_pair_has_already_is_named_as_a_gap(account: Account) -> None:
    """Ids are believed to be unique on the whole exchange; if they are not, a record is missing."""
    rows = [loan("5"), loan("5") | {"symbol": "ETH_USDT"}]
    first, other = (
        Coverage.objects.create(account=account, symbol=row["symbol"], kind=Kind.BORROW)
        for row in rows
    )
    read = [read_borrow_record(row) for row in rows]

    assert DatabaseShelf(first).store([read[0]], [], timezone.now).unkept == 0
    assert DatabaseShelf(other).store([read[1]], [], timezone.now).unkept == 1


def test_a_list_that_broke_off_before_its_windows_does_not_count_as_checked(
    paper: Paper, account: Account
) -> None:
    paper.switch(limits="off")
    key = paper.new_key(history=True)
    paper.fault("html_502", path=BORROW_RECORDS, skip=2)

    with pytest.raises(ReadError):
        sync(paper, key, account, symbol=busiest(paper, key))

    coverage = Coverage.objects.get()
    assert (coverage.has_rows, coverage.complete_to, coverage.checked_at) == (True, None, None)
