"""The money path under every reading of what the facts leave open: the verdict stays true."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from loans.models import State
from tests.money import Desk
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)

READINGS = [
    {"record_time": "seconds", "query_unit": "seconds"},
    {"record_time": "seconds", "bounds": "exclusive"},
    {"ids": "same", "remaining": "left"},
    {"record_order": "oldest", "amounts": "trimmed"},
    {"record_order": "shuffled", "interest_amount": "null"},
    {"error_data": "null", "trace": "na", "record_limit": 60, "limit_window": "sliding"},
]


@pytest.fixture(params=READINGS, ids=lambda reading: "-".join(map(str, reading.values())))
def desk(request: pytest.FixtureRequest, paper: Paper, owner: User, tmp_path: Path) -> Desk:
    paper.switch(limits="off", **request.param)
    return Desk(paper, owner, tmp_path)


def test_a_confirmed_one_is_bound_to_its_record(desk: Desk) -> None:
    borrow = desk.look(desk.send(desk.place("20")))

    assert borrow.state == State.CONFIRMED
    assert borrow.borrow_record.principal == 20


def test_a_lost_answer_is_found_beside_older_equal_loans(desk: Desk) -> None:
    for _ in range(3):
        desk.look(desk.send(desk.place("5")))
        desk.advance(3)
    desk.paper.fault("execute_then_drop", kind="borrow")

    borrow = desk.send(desk.place("5"))

    assert borrow.state == State.UNKNOWN, borrow.explanation
    assert desk.look(borrow).state == State.EXECUTED
    assert len(desk.executed()) == 4


def test_a_lost_request_is_never_called_executed(desk: Desk) -> None:
    desk.look(desk.send(desk.place("20")))
    desk.paper.fault("drop", kind="borrow")

    borrow = desk.look_until_decided(desk.send(desk.place("20")))

    assert borrow.state == State.NOT_EXECUTED
    assert len(desk.executed()) == 1


def test_repay_all_leaves_nothing(desk: Desk) -> None:
    desk.send(desk.place("15"))
    asked = desk.place("15.00034374", kind="repay", repay_all=True, amount_cap="15.00068748")

    repay = desk.look(desk.send(asked))

    assert repay.state == State.CONFIRMED
    assert repay.repay_record.amount == repay.amount
    owed = desk.client().margin_accounts("BTC_USDT").rows[0].quote
    assert owed.borrow_unpaid + owed.interest_unpaid == 0
