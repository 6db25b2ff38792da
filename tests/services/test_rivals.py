"""Instructions over one amount within seconds, whose records look alike: whose is which."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from loans.models import Account, Instruction, State
from loans.services import recovery
from tests.money import SECOND, Desk
from tests.paper_fixture import Paper
from tests.services.test_guards import at_step, borrow_elsewhere, lost, restore_to_before_the_claim

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(paper: Paper, owner: User, tmp_path: Path) -> Desk:
    return Desk(paper, owner, tmp_path)


def confirmed_but_unlisted(desk: Desk, seconds: int = 60) -> Instruction:
    """The exchange answers at once, and lists it only later."""
    desk.paper.fault("late_record", kind="borrow", seconds=seconds)
    return desk.send(desk.place("20"))


def unanswered(desk: Desk) -> Instruction:
    """It is carried out, and nobody is told."""
    desk.paper.fault("execute_then_drop", kind="borrow")
    done = len(desk.executed())
    borrow = desk.send(desk.place("20"))
    desk.wait_until_executed(done + 1)
    return borrow


def look_until_settled(desk: Desk, *instructions: Instruction) -> None:
    """Let the horizon pass, then look at each in turn."""
    desk.advance(790)
    for _ in range(4):
        for instruction in instructions:
            desk.look(instruction)
            desk.advance(31)


def records(desk: Desk) -> list[str]:
    """The ids that the exchange gave, in its own order."""
    return [row["record_id"] for row in desk.executed()]


def test_a_later_record_is_not_taken_for_the_earlier_confirmed_one(desk: Desk) -> None:
    first = confirmed_but_unlisted(desk)
    unanswered(desk)

    assert desk.look(first).borrow_record is None


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("mode", Account.Mode.values)
def test_a_confirmed_one_never_takes_the_only_proof_of_another(
    desk: Desk, mode: str, turned: bool
) -> None:
    Account.objects.update(mode=mode)
    first = confirmed_but_unlisted(desk)
    desk.advance(2)
    second = unanswered(desk)

    order = [second, first] if turned else [first, second]
    for instruction in order:
        desk.look(instruction)
    look_until_settled(desk, *order)

    earlier, later = records(desk)
    assert second.state in (State.EXECUTED, State.NEEDS_HUMAN)
    if mode == Account.Mode.EXCLUSIVE:
        assert first.borrow_record.record_id == earlier
        assert (second.state, second.borrow_record.record_id) == (State.EXECUTED, later)


def test_what_did_not_happen_is_told_from_what_was_confirmed_at_the_same_time(desk: Desk) -> None:
    first = confirmed_but_unlisted(desk)
    second = lost(desk)

    look_until_settled(desk, second, first)

    assert first.borrow_record.record_id == records(desk)[0]
    assert second.state == State.NOT_EXECUTED


def test_an_equal_id_is_believed_at_once(desk: Desk) -> None:
    desk.paper.switch(ids="same")
    first = confirmed_but_unlisted(desk, seconds=1)
    desk.advance(2)
    unanswered(desk)

    assert desk.look(first).borrow_record.record_id == first.answer_id


def test_a_second_look_does_not_take_a_rivals_record_for_a_contradiction(desk: Desk) -> None:
    desk.paper.fault("code", kind="borrow", code=51003)
    refused = desk.send(desk.place("20"))
    rival = unanswered(desk)
    desk.advance(790)

    desk.look(refused)
    assert refused.look_at is not None, "the rival may still turn out to be the one"

    Instruction.objects.filter(pk=rival.pk).update(state=State.NEEDS_HUMAN)
    desk.look(refused)
    assert (refused.look_at, refused.contradicted_at) == (None, None)


def test_a_second_look_still_finds_what_no_rival_explains(desk: Desk) -> None:
    desk.paper.fault("code", kind="borrow", code=51003)
    refused = desk.send(desk.place("20"))
    confirmed = desk.send(desk.place("20"))
    borrow_elsewhere(desk, "20")
    look_until_settled(desk, confirmed, refused)

    assert refused.contradicted_at is not None


def test_a_repay_all_does_not_send_the_amount_of_one_that_may_have_happened(desk: Desk) -> None:
    desk.send(desk.place("15"))
    desk.paper.fault("drop", kind="repay")
    asked = {"kind": "repay", "repay_all": True, "amount_cap": "16"}
    unknown = desk.send(desk.place("15", **asked))
    again = desk.place("14", in_addition=True, **asked)

    desk.send(again)

    assert (again.state, again.reason) == (State.ABORTED, "same_amount")
    assert f"{unknown.amount:f} USDT may still have happened" in again.explanation


def test_another_copy_put_back_does_not_undo_a_recovery(desk: Desk) -> None:
    borrow = desk.place("20", expires_at=desk.now() + HOUR)
    desk.send(borrow)
    desk.journal.path.unlink()
    restore_to_before_the_claim(borrow)
    recovery.recover(journal=desk.journal, now=desk.now(), why="restored without its journal")
    borrow.refresh_from_db()
    restore_to_before_the_claim(borrow)
    Instruction.objects.filter(pk=borrow.pk).update(look_at=None)
    recovery.SiteState.objects.update(recovery_epoch=0, recovered_at=None)

    recovery.heed_journal(desk.journal, now=desk.now())

    borrow.refresh_from_db()
    assert borrow.state == State.UNKNOWN
    assert recovery.SiteState.load().recovery_epoch == 2
    recovery.heed_journal(desk.journal, now=desk.now())
    assert recovery.SiteState.load().recovery_epoch == 2


def test_a_clock_that_is_set_while_it_is_prepared_does_not_date_the_signing(desk: Desk) -> None:
    borrow = desk.place("20")

    def set_back() -> None:
        desk.set_by -= 9 * SECOND

    desk.send(borrow, on_step=at_step("looked", set_back))

    assert abs(borrow.signed_at - (desk.now() + 9 * SECOND)) < 3 * SECOND
    assert borrow.clock_offset_ms == pytest.approx(9_000, abs=2_000)
