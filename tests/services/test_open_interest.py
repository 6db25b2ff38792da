"""Loans that are out: their interest is read again every hour, wherever they stand in the list."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from loans.bitmart.client import Client
from loans.models import Account, BorrowRecord, Coverage, Kind
from loans.services import open_interest, streams
from loans.services.positions import loans_out_since
from tests.factories import make_account, make_borrow, make_repay
from tests.paper_fixture import Paper, PaperKey
from tests.services.reading import BORROW_RECORDS, VISIBILITY, borrow, credentials_of, sync

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


@pytest.fixture
def key(paper: Paper, account: Account) -> PaperKey:
    """A key with one loan, read when it was new; three hours have gone by since."""
    paper.switch(limits="off")
    key = paper.new_key()
    borrow(paper, key, "100")
    for seconds in (0, 30, 3 * 3600):
        paper.clock(advance_seconds=seconds)
        sync(paper, key, account)
    return key


def read_again(paper: Paper, key: PaperKey, account: Account, *, hours: int = 0) -> streams.Walk:
    """What the minute's task does after reading what is new, so many hours later by our clock."""
    since, now = loans_out_since(account), timezone.now() + hours * HOUR
    with Client(paper.base_url, credentials_of(key)) as client:
        return streams.walk(
            open_interest.due(account=account, since=since, now=now),
            client=client,
            now=now,
            visibility=VISIBILITY,
            is_over=lambda: False,
            step=lambda coverage, **options: open_interest.read_interest(
                coverage, since=since, **options
            ),
        )


def test_interest_that_grew_since_is_read(paper: Paper, account: Account, key: PaperKey) -> None:
    assert BorrowRecord.objects.get().interest == Decimal("0.00229166")  # of the first hour alone

    read_again(paper, key, account)

    assert BorrowRecord.objects.get().interest == 4 * Decimal("0.00229166")
    assert Coverage.objects.get(kind=Kind.BORROW).late_records == 0


def test_it_is_due_once_an_hour(paper: Paper, account: Account, key: PaperKey) -> None:
    read_again(paper, key, account)
    since, now = loans_out_since(account), timezone.now()

    assert open_interest.due(account=account, since=since, now=now) == []
    assert [one.symbol for one in open_interest.due(account=account, since=since, now=now + HOUR)]


def test_what_could_not_be_read_stays_due(paper: Paper, account: Account, key: PaperKey) -> None:
    paper.fault("html_502", path=BORROW_RECORDS)

    walked = read_again(paper, key, account)

    assert set(walked.failed) == {"BTC_USDT"}
    since, now = loans_out_since(account), timezone.now()
    assert len(open_interest.due(account=account, since=since, now=now)) == 1


def test_a_loan_that_is_older_than_what_is_served_keeps_no_other_from_being_read(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    borrow(paper, key, "200")
    paper.clock(advance_seconds=30)
    sync(paper, key, account, now=timezone.now() + 3 * HOUR)
    paper.clock(advance_seconds=2 * 3600)
    paper.switch(served_seconds=3 * 3600)

    walked = read_again(paper, key, account, hours=5)

    assert walked.failed == {}
    assert BorrowRecord.objects.get(principal=200).interest == 3 * Decimal("0.00458332")
    since, now = loans_out_since(account), timezone.now() + 5 * HOUR
    assert open_interest.due(account=account, since=since, now=now) == []


def test_a_pair_that_owes_by_our_records_alone_is_read_every_minute(account: Account) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    make_borrow(account=account, symbol="BTC_USDT", principal="20", at=long_ago)
    make_borrow(account=account, symbol="ETH_USDT", principal="20", at=long_ago)
    make_repay(account=account, symbol="ETH_USDT", principal="20", at=long_ago + HOUR)

    assert streams.busy_symbols(account=account, now=timezone.now()) == {"BTC_USDT"}
    assert loans_out_since(account) == {"BTC_USDT": long_ago}


def test_the_oldest_loan_that_is_out_sets_the_span(account: Account) -> None:
    days = [timezone.now() - timedelta(days=n) for n in (9, 6, 3)]
    for at in days:
        make_borrow(account=account, principal="20", at=at)
    make_repay(account=account, principal="25", at=timezone.now())

    assert loans_out_since(account) == {"BTC_USDT": days[1]}
