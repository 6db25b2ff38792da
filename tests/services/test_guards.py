"""The guards of the money path one by one: each test fails where one of them is taken away."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from loans.bitmart import money
from loans.models import Account, AccountShare, Instruction, State, guards
from loans.services import recovery, sweeping
from loans.services.instructions import NotAllowed
from loans.services.journal import Journal
from loans.services.sending import EPOCH, MILLISECOND
from tests.factories import give_second_factor, make_share
from tests.money import SECOND, Desk
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(paper: Paper, owner: User, tmp_path: Path) -> Desk:
    return Desk(paper, owner, tmp_path)


def borrow_elsewhere(desk: Desk, amount: str) -> None:
    """Somebody borrows with the same account on the exchange's own page."""
    order = money.sign_order(
        kind="borrow",
        symbol="BTC_USDT",
        currency="USDT",
        amount=Decimal(amount),
        signed_at_ms=(desk.now() - EPOCH) // MILLISECOND,
        credentials=desk.credentials,
    )
    money.send(order, base_url=desk.paper.base_url, connect_seconds=1, total_seconds=5)


def lost(desk: Desk, amount: str = "20") -> Instruction:
    """One whose request never arrives."""
    desk.paper.fault("drop", kind="borrow")
    return desk.send(desk.place(amount))


def at_step(step: str, deed) -> object:
    """Do something when the worker gets there."""
    return lambda name: deed() if name == step else None


@pytest.mark.parametrize("passed", [70, 400, 700])
def test_absence_proves_nothing_before_expiry_processing_and_visibility_are_over(
    desk: Desk, passed: int
) -> None:
    borrow = lost(desk)
    desk.advance(passed)

    for _ in range(2):
        assert desk.look(borrow).state == State.UNKNOWN
        desk.advance(31)


def test_an_equal_loan_of_a_moment_before_is_not_taken_for_ours(desk: Desk) -> None:
    Account.objects.update(mode=Account.Mode.SHARED)
    borrow_elsewhere(desk, "20")

    borrow = desk.look_until_decided(lost(desk))

    assert borrow.state == State.NOT_EXECUTED


def test_a_record_that_is_bound_to_another_is_not_taken_for_ours(desk: Desk) -> None:
    desk.paper.fault("late_record", kind="borrow", seconds=10)
    first = desk.send(desk.place("20"))
    desk.advance(8)
    second = lost(desk)
    desk.advance(12)
    assert desk.look(first).borrow_record is not None

    assert desk.look_until_decided(second).state == State.NOT_EXECUTED


def test_a_record_that_a_confirmed_one_waits_for_is_not_taken_for_ours(desk: Desk) -> None:
    desk.paper.fault("late_record", kind="borrow", seconds=10)
    first = desk.send(desk.place("20"))
    desk.advance(8)
    second = lost(desk)
    desk.advance(12)

    assert desk.look(second).state == State.UNKNOWN

    assert desk.look(first).borrow_record.principal == 20
    assert desk.look_until_decided(second).state == State.NOT_EXECUTED


def test_a_record_that_nothing_explains_is_left_to_a_person(desk: Desk) -> None:
    borrow = lost(desk)
    borrow_elsewhere(desk, "7")

    desk.look_until_decided(borrow)

    assert (borrow.state, borrow.reason) == (State.NEEDS_HUMAN, "other_records")


def test_a_strangers_record_ends_the_exclusive_use(desk: Desk) -> None:
    desk.paper.fault("execute_then_drop", kind="borrow")
    borrow = desk.send(desk.place("20"))
    borrow_elsewhere(desk, "7")

    assert desk.look(borrow).state == State.EXECUTED

    desk.account.refresh_from_db()
    assert desk.account.mode == Account.Mode.SHARED


@pytest.fixture
def live(desk: Desk) -> Desk:
    """A desk of which everybody believes that its money is real."""
    Account.objects.filter(pk=desk.account.pk).update(venue="bitmart", allow_money=True)
    desk.account.refresh_from_db()
    return desk


@pytest.mark.parametrize("kind", ["borrow", "repay"])
def test_real_money_is_not_moved_without_a_second_factor(live: Desk, kind: str) -> None:
    give_second_factor(live.owner, "recovery_codes")

    with pytest.raises(NotAllowed, match="needs a second factor"):
        live.place("20", kind=kind)

    assert not Instruction.objects.exists()
    assert live.executed() == []


@pytest.mark.parametrize("factor", ["totp", "webauthn"])
def test_real_money_is_moved_with_a_second_factor(live: Desk, factor: str) -> None:
    give_second_factor(live.owner, factor)

    assert live.send(live.place("20")).state == State.CONFIRMED


@pytest.mark.parametrize("step", ["placed", "claimed", "signed"])
def test_a_second_factor_that_is_gone_holds_real_money_back(live: Desk, step: str) -> None:
    factor = give_second_factor(live.owner)
    borrow = live.place("20")
    if step == "placed":
        factor.delete()

    live.send(borrow, on_step=at_step(step, factor.delete))

    assert (borrow.state, borrow.reason) == (State.ABORTED, "rights_gone")
    assert live.executed() == []


def test_what_waited_too_long_since_its_claim_is_not_sent(desk: Desk) -> None:
    borrow = desk.place("20")

    desk.send(borrow, on_step=at_step("signed", lambda: desk.advance(61)))

    assert borrow.state == State.CLAIMED
    assert desk.executed() == []


def test_a_share_that_ends_after_the_claim_holds_the_money_back(
    desk: Desk, colleague: User
) -> None:
    share = make_share(account=desk.account, person=colleague, role=AccountShare.Role.TRADER)
    desk.owner = colleague
    borrow = desk.place("20")

    desk.send(borrow, on_step=at_step("signed", share.delete))

    assert (borrow.state, borrow.reason) == (State.ABORTED, "rights_gone")
    assert desk.executed() == []


def test_a_person_switched_off_after_the_claim_holds_the_money_back(desk: Desk) -> None:
    borrow = desk.place("20")
    people = User.objects.filter(pk=desk.owner.pk)

    desk.send(borrow, on_step=at_step("signed", lambda: people.update(is_active=False)))

    assert desk.executed() == []


def test_nothing_is_sent_from_inside_a_transaction(desk: Desk) -> None:
    borrow = desk.place("20")
    with pytest.raises(RuntimeError), transaction.atomic():
        desk.send(borrow)

    assert "sending" not in desk.steps
    assert desk.executed() == []


def test_the_signature_carries_the_exchanges_time(desk: Desk) -> None:
    desk.paper.clock(offset_seconds=90)  # more than a signature may be off

    assert desk.send(desk.place("20")).state == State.CONFIRMED


def test_every_refusal_is_looked_at_again_after_the_horizon(desk: Desk) -> None:
    desk.paper.fault("code", kind="borrow", code=51003, execute=True)
    borrow = desk.send(desk.place("20"))
    assert borrow.state == State.REJECTED

    due = sweeping.sweep(now=desk.now() + desk.bounds.horizon + 10 * SECOND)

    assert due.to_look == (str(borrow.pk),)


def test_a_confirmed_loan_that_reads_zero_is_no_incident(desk: Desk) -> None:
    desk.paper.switch(repaid_records="zero")
    borrow = desk.send(desk.place("15"))
    desk.send(desk.place("15.00034374", kind="repay"))

    desk.look_until_decided(borrow)

    assert borrow.contradicted_at is None
    assert borrow.reason == "record_not_bound"


# --- When the database was put back -------------------------------------------------------------


def restore_to_before_the_claim(borrow: Instruction) -> None:
    """As a backup of that moment would."""
    guards.remove(connection)
    borrow.events.filter(sequence__gt=1).delete()
    Instruction.objects.filter(pk=borrow.pk).update(
        state=State.QUEUED, amount=borrow.amount_confirmed, known_ids=[],
        **dict.fromkeys(("signed_at", "settled_at", "look_at", "lease_until"), None),
        **dict.fromkeys(("body_sha256", "answer_id", "reason"), ""), epoch=0,
    )  # fmt: skip
    guards.install(connection)


def test_a_send_forgotten_with_its_journal_is_found_since_its_placing(desk: Desk) -> None:
    borrow = desk.send(desk.place("20"))
    restore_to_before_the_claim(borrow)
    desk.advance(1800)

    recovery.recover(journal=desk.journal, now=desk.now(), why="restored")

    borrow.refresh_from_db()
    assert desk.look(borrow).state == State.EXECUTED


def test_a_loan_known_before_the_placing_is_not_the_forgotten_one(desk: Desk) -> None:
    borrow_elsewhere(desk, "20")
    desk.look(lost(desk, "7"))  # reads the records, so the stranger's is known from now on
    desk.advance(5)
    waiting = desk.place("20", in_addition=True, expires_at=desk.now() + HOUR)

    recovery.recover(journal=desk.journal, now=desk.now(), why="restored")

    waiting.refresh_from_db()
    assert desk.look(waiting).state == State.UNKNOWN


def test_a_recovery_keeps_the_signing_time_of_what_was_being_sent(desk: Desk) -> None:
    borrow = desk.place("20")

    def die() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=at_step("written", die))
    desk.wait_until_executed()
    borrow.refresh_from_db()
    signed_at = borrow.signed_at
    desk.advance(600)

    recovery.recover(journal=desk.journal, now=desk.now(), why="restored")

    borrow.refresh_from_db()
    assert (borrow.state, borrow.signed_at) == (State.UNKNOWN, signed_at)
    assert desk.look(borrow).state == State.EXECUTED


def test_the_journal_knows_the_amount_that_a_repay_all_sent(desk: Desk) -> None:
    desk.send(desk.place("15"))
    asked = desk.place("15", kind="repay", repay_all=True, amount_cap="15.00068748")
    repay = desk.send(asked)
    restore_to_before_the_claim(repay)

    recovery.heed_journal(desk.journal, now=desk.now())

    repay.refresh_from_db()
    assert (repay.state, format(repay.amount, "f")) == (State.UNKNOWN, "15.00034374")
    assert desk.look(repay).state == State.EXECUTED


@pytest.mark.parametrize("where", ["/dev/full", "{folder}/no such folder/sends"])
def test_without_its_line_in_the_journal_nothing_is_sent(
    desk: Desk, tmp_path: Path, where: str
) -> None:
    desk.journal = Journal(Path(where.format(folder=tmp_path)))

    borrow = desk.send(desk.place("20"))

    assert borrow.state == State.NOT_SENT
    assert "journal" in borrow.explanation
    assert desk.paper.books(desk.key)["money"] == []


@pytest.mark.parametrize(("hours", "left"), [(1, "0"), (2, "0.00034374"), (3, "0.00068748")])
def test_repaying_all_survives_turning_hours_up_to_its_cap(
    desk: Desk, hours: int, left: str
) -> None:
    desk.send(desk.place("15"))
    asked = {"repay_all": True, "amount_cap": Decimal("15.00068748")}
    repay = desk.place("15.00034374", "repay", expires_at=desk.now() + 5 * HOUR, **asked)
    desk.advance(hours * 3600)

    desk.send(repay)

    owed = desk.client().margin_accounts("BTC_USDT").rows[0].quote
    assert repay.state == State.CONFIRMED
    assert repay.amount == Decimal("15.00068748")
    assert owed.borrow_unpaid + owed.interest_unpaid == Decimal(left)
    assert desk.look(repay).repay_record.amount == repay.amount
