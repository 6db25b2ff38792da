"""Two keys of one exchange account are found by the records they share."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from loans.bitmart.client import Client
from loans.bitmart.secret import Credentials
from loans.models import Account, Instruction, State
from loans.services import keys, record_store
from loans.services.audit import By
from loans.services.instructions import NotAllowed
from tests.factories import make_account
from tests.money import Desk
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)


def read(desk: Desk, account: Account, key: object) -> None:
    credentials = Credentials.of(key.access_key, key.secret, key.memo)
    with Client(desk.paper.base_url, credentials) as client:
        rows = client.borrow_records("BTC_USDT").rows
    record_store.store(account=account, kind="borrow", rows=rows, clock=desk.now)
    account.refresh_from_db()


def test_shared_records_make_both_accounts_shared_and_their_slots_one(
    paper: Paper, owner: User, colleague: User, tmp_path: Path
) -> None:
    desk = Desk(paper, owner, tmp_path)
    twin = make_account(owner=colleague)
    key = paper.new_key(same_account_as=desk.key.access_key)
    desk.look(desk.send(desk.place("20")))
    assert desk.account.mode == "exclusive"

    read(desk, twin, key)

    desk.account.refresh_from_db()
    assert desk.account.mode == twin.mode == "shared"
    assert desk.account.exchange_account == twin.exchange_account is not None
    desk.place("5")
    desk.account, desk.owner = twin, colleague
    with pytest.raises(NotAllowed, match="same exchange account"):
        desk.place("6")


def test_accounts_without_common_records_stay_apart(
    paper: Paper, owner: User, colleague: User, tmp_path: Path
) -> None:
    desk = Desk(paper, owner, tmp_path)
    other = make_account(owner=colleague)
    desk.look(desk.send(desk.place("20")))

    read(desk, other, paper.new_key())

    desk.account.refresh_from_db()
    assert desk.account.mode == other.mode == "exclusive"
    assert desk.account.exchange_account is None


@pytest.fixture
def desks(paper: Paper, owner: User, colleague: User, tmp_path: Path) -> tuple[Desk, Desk]:
    """Two people with a key each of one exchange account, which nobody knows yet."""
    one, other = Desk(paper, owner, tmp_path), Desk(paper, colleague, tmp_path)
    other.use(paper.new_key(same_account_as=one.key.access_key))
    return one, other


def lost_on_the_way(desk: Desk) -> Instruction:
    """It never reaches the exchange, and nobody can tell."""
    desk.paper.fault("drop", kind="borrow")
    return desk.send(desk.place("21"))


@pytest.mark.parametrize("looks_first", ["the lost one", "the confirmed one"])
def test_a_loan_through_an_unknown_twin_is_not_taken_for_the_lost_one(
    desks: tuple[Desk, Desk], looks_first: str
) -> None:
    one, other = desks
    lost = lost_on_the_way(one)
    confirmed = other.send(other.place("21"))
    if looks_first == "the confirmed one":
        assert other.look(confirmed).borrow_record is not None

    assert one.look(lost).state == State.UNKNOWN
    other.look(confirmed)
    assert one.look(lost).state == State.UNKNOWN
    one.account.refresh_from_db()
    assert one.account.mode == "shared"
    let_the_horizon_pass(one, lost, other, confirmed)
    assert lost.state == State.NOT_EXECUTED
    assert confirmed.borrow_record.account == other.account
    assert len(one.executed()) == 1


def let_the_horizon_pass(one: Desk, mine: Instruction, other: Desk, theirs: Instruction) -> None:
    """And look at both as often as a proof of absence needs."""
    one.advance(790)
    for _ in range(4):
        other.ahead = one.ahead
        one.look(mine)
        other.look(theirs)
        one.advance(31)


def test_a_loan_through_a_known_twin_is_waited_for(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    first = one.send(one.place("20"))
    one.look(first)
    read(one, other.account, other.key)
    one.account.refresh_from_db()
    assert one.account.mode == other.account.mode == "shared"
    other.paper.fault("late_record", kind="borrow", seconds=12)
    confirmed = other.send(other.place("21"))
    lost = lost_on_the_way(one)

    one.look(lost)
    one.advance(15)
    assert one.look(lost).state == State.UNKNOWN

    let_the_horizon_pass(one, lost, other, confirmed)
    assert lost.state == State.NOT_EXECUTED
    assert confirmed.borrow_record.account == other.account


def test_what_was_placed_before_twins_were_known_is_not_sent_over_the_same_amount(
    desks: tuple[Desk, Desk],
) -> None:
    one, other = desks
    mine, theirs = one.place("21"), other.place("21")
    record_one_account(one, other)
    one.paper.fault("execute_then_drop", kind="borrow")
    one.send(mine)
    one.wait_until_executed()

    other.send(theirs)

    assert (mine.state, theirs.state) == (State.UNKNOWN, State.ABORTED)
    assert theirs.reason == "same_amount"
    assert len(one.executed()) == 1


def record_one_account(*desks: Desk) -> None:
    """As if they had shared a record."""
    group = uuid4()
    for desk in desks:
        Account.objects.filter(pk=desk.account.pk).update(exchange_account=group, mode="shared")


def test_a_key_that_was_removed_and_added_again_is_alone(
    paper: Paper, owner: User, tmp_path: Path
) -> None:
    desk = Desk(paper, owner, tmp_path)
    desk.look(desk.send(desk.place("20")))
    Account.objects.filter(pk=desk.account.pk).update(status=Account.Status.REMOVED)
    again = make_account(owner=owner)

    read(desk, again, desk.key)

    desk.account.refresh_from_db()
    assert again.mode == "exclusive"
    assert again.exchange_account == desk.account.exchange_account is not None


def test_a_known_twin_is_never_called_exclusive_by_hand(
    desks: tuple[Desk, Desk], owner: User
) -> None:
    one, other = desks
    record_one_account(one, other)
    by = By(owner, one.now(), None)

    with pytest.raises(keys.Declined, match="same exchange account"):
        keys.change_mode(one.account, mode=Account.Mode.EXCLUSIVE, by=by)

    Account.objects.filter(pk=other.account.pk).update(status=Account.Status.REMOVED)
    keys.change_mode(one.account, mode=Account.Mode.EXCLUSIVE, by=by)
