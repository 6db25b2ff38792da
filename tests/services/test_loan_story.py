"""The story of a loan against a real paper exchange: what it cost by our replay is what its books
say, whichever way it counts the hours.
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from loans.models import BorrowRecord
from loans.replay import Hours, Label
from loans.services import loan_story
from loans.services.positions import positions
from tests.money import Desk
from tests.paper_fixture import Paper
from tests.services.reading import read

pytestmark = pytest.mark.django_db(transaction=True)
HOUR_SECONDS = 3600


@pytest.fixture
def desk(paper: Paper, owner: User, tmp_path: Path) -> Desk:
    paper.switch(limits="off")
    return Desk(paper, owner, tmp_path)


def live_through(desk: Desk, hours: int, minutes: int = 0) -> None:
    """Let time pass, reading a little after every full and every half hour of it."""
    for _ in range(hours * 2):
        desk.advance(HOUR_SECONDS // 2)
        read(desk)
    if minutes:
        desk.advance(minutes * 60)
        read(desk)


def assert_both_agree(desk: Desk) -> None:
    for position in positions([desk.account], now=desk.now() + timedelta(hours=1)):
        assert position.principal_drift == 0
        assert position.interest_drift == 0
        assert position.incomplete_because == ""


def borrow_and_repay_a_part(desk: Desk) -> loan_story.Story:
    """Nine hours of a loan with a repayment in the middle, read every half hour."""
    read(desk)
    desk.send(desk.place("150"))
    live_through(desk, 5, minutes=7)
    assert_both_agree(desk)
    desk.send(desk.place("60", "repay"))
    live_through(desk, 4)
    assert_both_agree(desk)
    return loan_story.tell(BorrowRecord.objects.get(), now=desk.now())


@pytest.mark.parametrize("hours", list(Hours))
def test_the_replay_finds_how_the_hours_are_counted(desk: Desk, hours: Hours) -> None:
    still = {"BTC_USDT": {"USDT": "0.00055", "BTC": "0.00055"}}
    desk.paper.switch(limits="off", interest_hours=hours.name.lower(), rates=still)

    story = borrow_and_repay_a_part(desk)

    assert story.verdict.label is Label.AGREES
    assert hours in story.verdict.fits
    assert story.replayed == story.record.interest
    assert 0 < story.left < 150
    if story.verdict.fits == (hours,):
        assert story.next_charge_at > desk.now()


def test_rates_that_move_unseen_are_no_reason_to_blame_the_exchange(desk: Desk) -> None:
    story = borrow_and_repay_a_part(desk)

    assert story.verdict.label is Label.AGREES or "rate" in story.verdict.reason.lower()


def test_a_repaid_loan_is_closed_and_its_cost_is_known(desk: Desk) -> None:
    read(desk)
    desk.send(desk.place("15"))
    read(desk)
    owed = positions([desk.account], now=desk.now())[0].owed
    desk.send(desk.place(str(owed), "repay", repay_all=True, amount_cap=owed))
    read(desk)

    story = loan_story.tell(BorrowRecord.objects.get(), now=desk.now())

    assert positions([desk.account], now=desk.now()) == []
    assert story.left == 0
    assert story.closed_at is not None
    assert story.replayed == story.record.interest == owed - 15


def test_a_loan_that_reads_zero_later_keeps_its_figures(desk: Desk) -> None:
    desk.paper.switch(limits="off", repaid_records="zero")
    read(desk)
    desk.send(desk.place("15"))
    read(desk)
    owed = positions([desk.account], now=desk.now())[0].owed
    desk.send(desk.place(str(owed), "repay"))
    read(desk)

    story = loan_story.tell(BorrowRecord.objects.get(), now=desk.now())

    assert story.record.principal == Decimal(15)
    assert story.record.story_changed
    assert [one.principal for one in story.said] == [Decimal(15), Decimal(0)]
    assert story.verdict.label is not Label.DIFFERS
