"""Positions at an instant: the same digits for ever, whatever is read later; and true to the books
of an exchange that is driven through time.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loans.models import Account, Kind, RecordTotal
from loans.services import balances
from loans.services.balances import Cut
from loans.services.position import Slot
from loans.services.positions import positions
from tests import factories
from tests.factories import HOUR, NOW
from tests.money import Desk
from tests.paper_fixture import Paper
from tests.services.reading import read

DAY = timedelta(days=1)


@pytest.fixture
def account(owner: User) -> Account:
    return factories.make_account(owner=owner)


def at(account: Account, instant: datetime, as_of: datetime = NOW) -> Cut:
    return balances.cut(account, until=instant, as_of=as_of)


def test_a_position_of_then_is_the_same_after_newer_records_and_observations(
    account: Account,
) -> None:
    loan = factories.make_borrow(account=account, at=NOW - 5 * DAY, interest="0.1")
    factories.tell(loan, "0.1", at=NOW - 4 * DAY)
    factories.make_repay(account=account, principal="5", interest="0.01", at=NOW - 3 * DAY)
    then = NOW - 2 * DAY
    before = at(account, then, as_of=then).recorded

    factories.tell(loan, "0.9", at=NOW)
    factories.amend(loan, interest="0.9")
    factories.make_borrow(account=account, at=NOW - HOUR, principal="70")
    factories.make_borrow(account=account, at=NOW - 5 * DAY, first_seen_at=NOW, principal="3")
    factories.make_repay(account=account, principal="2", at=NOW - HOUR)

    assert at(account, then, as_of=then).recorded == before
    assert before[Slot(account.pk, "BTC_USDT", "USDT")].principal == 15


def test_a_position_of_now_is_what_the_list_of_debts_shows(account: Account) -> None:
    factories.make_borrow(account=account, at=NOW - DAY, interest="0.3")
    factories.make_repay(account=account, principal="7", interest="0.1", at=NOW - HOUR)

    ((slot, recorded),) = at(account, NOW).recorded.items()
    (shown,) = positions([account], now=NOW)

    assert (slot.symbol, slot.currency) == (shown.symbol, shown.currency)
    assert (recorded.principal, recorded.interest) == (
        shown.recorded.principal,
        shown.recorded.interest,
    )


def test_a_reading_with_null_interest_takes_nothing_back(account: Account) -> None:
    loan = factories.make_borrow(account=account, at=NOW - 3 * DAY, interest="0.5")
    factories.tell(loan, "0.5", at=NOW - 3 * DAY + HOUR)
    factories.tell(loan, None, at=NOW - 2 * DAY)
    factories.tell(loan, "0.0", at=NOW)

    (recorded,) = at(account, NOW - DAY).recorded.values()

    assert recorded.interest == Decimal("0.5")


def test_queries_do_not_grow_with_the_loans(
    account: Account, django_assert_num_queries: Callable
) -> None:
    def lend(count: int) -> None:
        rows = [
            factories.borrow_row(account=account, at=NOW - DAY + number * timedelta(seconds=1))
            for number in range(count)
        ]
        for row in factories.keep(Kind.BORROW, rows)[:2]:
            factories.tell(row, "0.00045833", at=NOW)

    lend(3)
    with django_assert_num_queries(6):
        at(account, NOW - HOUR)
    lend(60)
    with django_assert_num_queries(6):
        assert at(account, NOW - HOUR).recorded


def test_a_debt_whose_totals_are_missing_leaves_a_rest_and_no_error(account: Account) -> None:
    loan = factories.make_borrow(account=account, at=NOW - 9 * DAY, interest="0.9")
    factories.tell(loan, "0.2", at=NOW - 8 * DAY)
    factories.tell(loan, "0.9", at=NOW)
    factories.make_borrow(account=account, at=NOW - 9 * DAY, first_seen_at=NOW)
    RecordTotal.objects.all().delete()

    found = at(account, NOW - DAY)

    assert found.late == 1
    assert [recorded.told for recorded in found.recorded.values()] == [Decimal("-0.7")]


def test_a_cut_never_reads_through_the_records_before_it(account: Account) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by the size of the table, which is small here")
    for kind, row in ((Kind.BORROW, factories.borrow_row), (Kind.REPAY, factories.repay_row)):
        factories.keep(kind, [row(account=account, at=NOW - n * HOUR) for n in range(300)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    with CaptureQueriesContext(connection) as asked:
        at(account, NOW - HOUR + timedelta(minutes=30))

    plans = []
    for one in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {one['sql']}")
            plans += [step for *_, step in cursor.fetchall()]
    of_records = [step for step in plans if re.search("loans_(borrow|repay)record|U0", step)]
    assert len(of_records) > 5
    through = r"SCAN|\(account_id=\?( AND symbol=\?)?( AND at<\?)?\)"
    assert not [step for step in of_records if re.search(through, step)]


@pytest.mark.django_db(transaction=True)
def test_every_past_position_agrees_with_the_exchanges_books_of_that_time(
    paper: Paper, owner: User, tmp_path: Path
) -> None:
    paper.switch(limits="off")
    desk = Desk(paper, owner, tmp_path)
    seen: list[tuple[datetime, Decimal, Decimal]] = []

    def note() -> None:
        read(desk)
        (shown,) = positions([desk.account], now=desk.now())
        seen.append((desk.now(), shown.exchange.borrow_unpaid, shown.exchange.interest_unpaid))

    read(desk)
    desk.send(desk.place("150"))
    note()
    for amount in ("60", "20"):
        for _ in range(3):
            desk.advance(3600)
            note()
        desk.send(desk.place(amount, "repay"))
        note()

    for instant, principal, interest in seen:
        (recorded,) = at(desk.account, instant, as_of=desk.now()).recorded.values()
        assert (recorded.principal, recorded.interest) == (principal, interest)
