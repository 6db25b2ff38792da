"""The money path against a real paper exchange: sent at most once, and the verdict is true."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from loans.models import AccountShare, Coverage, Instruction, SiteState, State
from loans.services import instructions, record_store, recovery, tags, transitions
from loans.services.instructions import NotAllowed, SlotTaken, TooLate
from tests.factories import make_share
from tests.money import Desk
from tests.paper_fixture import Paper
from tests.services.test_guards import borrow_elsewhere

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(paper: Paper, owner: User, tmp_path: Path) -> Desk:
    return Desk(paper, owner, tmp_path)


def test_a_borrow_is_confirmed_and_bound_to_its_record(desk: Desk) -> None:
    borrow = desk.send(desk.place("20"))

    assert borrow.state == State.CONFIRMED
    assert borrow.answer_id
    desk.look(borrow)
    assert borrow.borrow_record.principal == 20
    assert borrow.borrow_record.record_id != borrow.answer_id
    assert len(desk.executed()) == 1
    assert transitions.differing_from_events() == []


def test_what_a_slow_look_lists_is_dated_when_it_came(desk: Desk) -> None:
    borrow = desk.send(desk.place("20"))
    heard_at = desk.now() + timedelta(seconds=75)

    desk.look(borrow, clock=lambda: heard_at)

    assert borrow.borrow_record.first_seen_at == heard_at


def test_the_bytes_on_the_wire_are_those_that_were_committed(desk: Desk) -> None:
    borrow = desk.place("20")
    desk.send(borrow)

    entry = next(iter(desk.journal.entries()))

    assert entry.instruction_id == str(borrow.pk)
    assert entry.body_sha256 == borrow.body_sha256
    assert entry.signed_at == borrow.signed_at
    assert desk.steps[:4] == ["claimed", "looked", "signed", "sending"]


@pytest.mark.parametrize(
    "fault", ["execute_then_drop", "execute_then_delay", "truncated", "success_without_id", "drip"]
)
def test_a_lost_answer_is_unknown_and_then_found(desk: Desk, fault: str) -> None:
    desk.paper.fault(fault, kind="borrow", seconds=4)

    borrow = desk.send(desk.place("20"))

    assert borrow.state == State.UNKNOWN
    desk.look(borrow)
    assert borrow.state == State.EXECUTED
    assert borrow.borrow_record.principal == 20
    assert len(desk.executed()) == 1


@pytest.mark.parametrize("fault", ["drop", "refuse", "html_502", "cloudflare_403", "unknown_code"])
def test_a_lost_request_is_unknown_until_absence_is_proven(desk: Desk, fault: str) -> None:
    desk.paper.fault(fault, kind="borrow")

    borrow = desk.send(desk.place("20"))

    assert borrow.state == State.UNKNOWN
    desk.look(borrow)
    assert borrow.state == State.UNKNOWN, "absence proves nothing before the horizon"
    desk.look_until_decided(borrow)
    assert borrow.state == State.NOT_EXECUTED
    assert desk.executed() == []


def test_absence_needs_two_complete_lists_apart(desk: Desk) -> None:
    desk.paper.fault("drop", kind="borrow")
    borrow = desk.send(desk.place("20"))
    desk.advance(781)

    desk.look(borrow)
    desk.look(borrow)

    assert borrow.state == State.UNKNOWN
    desk.advance(31)
    assert desk.look(borrow).state == State.NOT_EXECUTED


def test_an_exchange_whose_clock_leaps_ahead_proves_no_absence(desk: Desk) -> None:
    """Then not even the time is over in which it may still be executed, or listed."""
    desk.paper.fault("drop", kind="borrow")
    borrow = desk.send(desk.place("20"))
    desk.paper.clock(offset_seconds=3600)

    for _ in range(3):
        desk.look(borrow)
        desk.ahead += timedelta(seconds=31)

    assert borrow.state == State.UNKNOWN
    assert borrow.absent_since is None


def test_without_confirmed_assumptions_a_person_decides(desk: Desk) -> None:
    desk.paper.fault("drop", kind="borrow")
    borrow = desk.send(desk.place("20"))

    desk.look_until_decided(borrow, is_probed=False)

    assert (borrow.state, borrow.reason) == (State.NEEDS_HUMAN, "unprobed")
    instructions.decide_by_hand(
        instruction=borrow,
        person=desk.owner,
        executed=False,
        record_id=None,
        reason="Not on the exchange's own page.",
        now=desk.now(),
    )
    assert borrow.state == State.NOT_EXECUTED_BY_HAND


def test_over_lists_that_contradict_each_other_a_person_decides_at_the_horizon(desk: Desk) -> None:
    desk.use(desk.paper.new_key(history=True))
    desk.paper.switch(record_order="shuffled", limits="off")
    desk.paper.fault("drop", kind="borrow")
    stream = {"account": desk.account, "symbol": "ETH_USDT", "kind": "borrow"}
    Coverage.objects.create(**stream, trusted=False)

    borrow = desk.look_until_decided(desk.send(desk.place("20", symbol="ETH_USDT")))

    assert (borrow.state, borrow.reason) == (State.NEEDS_HUMAN, "untrusted")


def test_after_an_audit_that_contradicted_a_list_a_person_decides_at_the_horizon(
    desk: Desk,
) -> None:
    desk.paper.fault("drop", kind="borrow")
    Coverage.objects.create(
        account=desk.account, symbol="BTC_USDT", kind="borrow", trusted=False, doubt="it differed"
    )

    borrow = desk.look_until_decided(desk.send(desk.place("20")))

    assert (borrow.state, borrow.reason) == (State.NEEDS_HUMAN, "untrusted")


def test_a_refused_connection_is_not_sent(desk: Desk) -> None:
    borrow = desk.send(desk.place("20"), base_url="http://127.0.0.1:9")

    assert borrow.state == State.NOT_SENT
    assert desk.executed() == []


def test_a_refusal_in_the_exchanges_own_words_is_rejected(desk: Desk) -> None:
    desk.paper.fault("code", kind="borrow", code=51004)

    borrow = desk.send(desk.place("20"))

    assert (borrow.state, borrow.code) == (State.REJECTED, 51004)
    desk.look_until_decided(borrow)
    assert borrow.second_look_done_at is not None
    assert borrow.contradicted_at is None


def test_a_refusal_that_was_executed_is_an_incident_and_its_code_is_withdrawn(desk: Desk) -> None:
    desk.paper.fault("code", kind="borrow", code=51003, execute=True)
    first = desk.send(desk.place("20"))
    assert first.state == State.REJECTED
    desk.look_until_decided(first)
    assert first.contradicted_at is not None
    desk.paper.fault("code", kind="borrow", code=51003)

    second = desk.send(desk.place("21"))

    assert second.state == State.UNKNOWN


def test_a_second_delivery_sends_nothing(desk: Desk) -> None:
    borrow = desk.place("20")
    for _ in range(8):
        desk.send(borrow)

    assert len(desk.executed()) == 1


def test_an_old_claim_cannot_send_after_a_new_one(desk: Desk) -> None:
    borrow = desk.place("20")

    def fall_asleep(step: str) -> None:
        if step == "signed":
            Instruction.objects.filter(pk=borrow.pk).update(epoch=7)

    desk.send(borrow, on_step=fall_asleep)

    assert borrow.state == State.CLAIMED
    assert desk.executed() == []


@pytest.mark.parametrize("where", ["claimed", "looked", "signed"])
def test_a_worker_that_dies_before_sending_leaves_it_to_another(desk: Desk, where: str) -> None:
    borrow = desk.place("20", expires_at=desk.now() + timedelta(minutes=10))
    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=_die_at(where))
    desk.advance(31)

    desk.sweep()

    assert desk.send(borrow).state == State.CONFIRMED
    assert len(desk.executed()) == 1


@pytest.mark.parametrize(
    ("where", "executions"),
    [("sending", 0), ("connected", 0), ("half_written", 0), ("written", 1), ("answered", 1)],
)
def test_a_worker_that_dies_while_sending_never_leads_to_a_second_send(
    desk: Desk, where: str, executions: int
) -> None:
    borrow = desk.place("20")
    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=_die_at(where))
    desk.wait_until_executed(executions)
    desk.advance(31)
    desk.sweep()
    borrow.refresh_from_db()
    assert borrow.state == State.UNKNOWN

    desk.look_until_decided(borrow)

    assert borrow.state == (State.EXECUTED if executions else State.NOT_EXECUTED)
    assert len(desk.executed()) == executions


def _die_at(where: str):
    def step(name: str) -> None:
        if name == where:
            raise SystemExit(where)

    return step


def test_what_waits_too_long_expires_unsent(desk: Desk) -> None:
    borrow = desk.place("20")
    desk.advance(61)

    desk.sweep()

    borrow.refresh_from_db()
    assert borrow.state == State.EXPIRED
    assert desk.send(borrow).state == State.EXPIRED
    assert desk.executed() == []


def test_an_exchange_that_does_not_answer_postpones(desk: Desk) -> None:
    borrow = desk.place("20")
    desk.paper.fault("drop", kind="time", count=1)

    desk.send(borrow)

    assert borrow.state == State.QUEUED
    assert "tried again" in borrow.events.last().note
    desk.advance(5)
    assert desk.send(borrow).state == State.CONFIRMED


@pytest.mark.parametrize("ahead", [0, 45, -45])
def test_without_a_time_endpoint_the_clock_comes_from_an_answers_date(
    desk: Desk, ahead: int
) -> None:
    desk.paper.fault("code", kind="time", code=30000, status=404, count=None)
    desk.paper.clock(offset_seconds=ahead)

    borrow = desk.send(desk.place("20"))

    assert borrow.state == State.CONFIRMED, borrow.explanation
    assert abs(borrow.clock_offset_ms - ahead * 1000) < 2500


def test_one_open_instruction_a_slot(desk: Desk) -> None:
    first = desk.place("20")

    with pytest.raises(SlotTaken) as taken:
        desk.place("30")

    assert taken.value.instruction == first
    assert desk.place("5", kind="repay").kind == "repay", "a borrow never blocks a repay"
    assert desk.place("20", nonce=first.nonce) == first


def test_beside_an_unknown_one_only_another_amount_in_addition(desk: Desk) -> None:
    desk.paper.fault("execute_then_drop", kind="borrow")
    first = desk.send(desk.place("20"))
    with pytest.raises(SlotTaken):
        desk.place("21")
    with pytest.raises(NotAllowed):
        desk.place("20", in_addition=True)

    second = desk.send(desk.place("21", in_addition=True))

    assert desk.look(second).borrow_record.principal == 21
    assert desk.look(first).borrow_record.principal == 20


def test_stop_switch_and_lost_rights_hold_inside_the_sending_statement(desk: Desk) -> None:
    stopped = desk.place("20")

    def stop(step: str) -> None:
        if step == "signed":
            SiteState.objects.update(stopped=True)

    desk.send(stopped, on_step=stop)

    assert (stopped.state, stopped.reason) == (State.ABORTED, "stopped")
    assert desk.executed() == []
    with pytest.raises(NotAllowed):
        desk.place("20")


def test_repay_only_lets_repayments_through(desk: Desk) -> None:
    desk.send(desk.place("20"))
    SiteState.objects.update(repay_only=True)
    with pytest.raises(NotAllowed):
        desk.place("5")

    assert desk.send(desk.place("5", kind="repay")).state == State.CONFIRMED


def test_a_trader_whose_share_ends_cannot_send_any_more(desk: Desk, colleague: User) -> None:
    share = make_share(account=desk.account, person=colleague, role=AccountShare.Role.TRADER)
    owner, desk.owner = desk.owner, colleague
    borrow = desk.place("20")
    share.delete()

    desk.send(borrow)

    assert (borrow.state, borrow.reason) == (State.ABORTED, "rights_gone")
    desk.owner = owner


def test_a_viewer_and_a_stranger_may_not_place(desk: Desk, colleague: User, stranger: User) -> None:
    make_share(account=desk.account, person=colleague)
    for person in (colleague, stranger):
        desk.owner = person
        with pytest.raises(NotAllowed):
            desk.place("20")
    assert not Instruction.objects.exists()


def test_repay_all_sends_the_fresh_debt_and_leaves_nothing(desk: Desk) -> None:
    desk.send(desk.place("15"))

    repay = desk.send(desk.place("15", kind="repay", repay_all=True, amount_cap="15.00068748"))

    assert repay.state == State.CONFIRMED
    assert format(repay.amount, "f") == "15.00034374"
    assert format(repay.amount_confirmed, "f") == "15.00000000"
    owed = desk.client().margin_accounts("BTC_USDT").rows[0].quote
    assert owed.borrow_unpaid + owed.interest_unpaid == 0
    assert desk.look(repay).repay_record.amount == repay.amount


def test_more_than_owed_stops_before_sending(desk: Desk) -> None:
    desk.send(desk.place("15"))

    repay = desk.send(desk.place("16", kind="repay"))

    assert (repay.state, repay.reason) == (State.ABORTED, "over_repay")
    assert "15.00034374" in repay.explanation


def test_above_borrowable_stops_before_sending(desk: Desk) -> None:
    borrow = desk.send(desk.place("49999999"))

    assert (borrow.state, borrow.reason) == (State.ABORTED, "above_borrowable")


def test_cancel_while_it_waits_only(desk: Desk) -> None:
    borrow = desk.place("20")
    instructions.cancel(instruction=borrow, person=desk.owner, now=desk.now())
    assert desk.send(borrow).state == State.CANCELLED
    sent = desk.send(desk.place("20"))
    with pytest.raises(TooLate):
        instructions.cancel(instruction=sent, person=desk.owner, now=desk.now())


def test_the_database_itself_refuses_a_way_back(desk: Desk) -> None:
    borrow = desk.send(desk.place("20"))
    for change in ({"state": State.QUEUED, "answer_id": "", "signed_at": None},):
        with pytest.raises(IntegrityError), transaction.atomic():
            Instruction.objects.filter(pk=borrow.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        borrow.events.update(note="rewritten")
    with pytest.raises(IntegrityError), transaction.atomic():
        borrow.events.all()._raw_delete("default")


def test_a_forgotten_send_is_found_in_the_journal(desk: Desk) -> None:
    borrow = desk.place("20")
    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=_die_at("written"))
    desk.wait_until_executed()
    _forget(borrow)

    recovery.heed_journal(desk.journal, now=desk.now())

    borrow.refresh_from_db()
    assert borrow.state == State.UNKNOWN
    assert desk.look(borrow).state == State.EXECUTED
    assert len(desk.executed()) == 1


def test_a_second_worker_gives_way_to_the_first_line_of_the_journal(desk: Desk) -> None:
    """It had read the journal before the first wrote there, and the database forgot the first."""
    borrow = desk.place("20", expires_at=desk.now() + timedelta(minutes=10))
    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=_die_at("written"))
    desk.wait_until_executed()
    _forget(borrow)
    desk.advance(20)

    desk.send(borrow)

    assert (borrow.state, borrow.reason) == (State.UNKNOWN, "forgotten")
    assert desk.look(borrow).state == State.EXECUTED
    assert len(desk.executed()) == 1


def test_a_send_that_only_the_journal_knows_is_found_however_late_it_recovers(desk: Desk) -> None:
    borrow = desk.place("20")
    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=_die_at("written"))
    desk.wait_until_executed()
    _forget(borrow)
    newer = next(iter(desk.journal.entries()))
    desk.journal.append(replace(newer, instruction_id=str(uuid4()), last_event_id=10**9))
    desk.advance(3600)

    recovery.heed_journal(desk.journal, now=desk.now())

    assert SiteState.load().recovered_at is not None
    borrow.refresh_from_db()
    assert desk.look(borrow).state == State.EXECUTED


def test_a_recovery_finds_what_was_sent_long_before_it(desk: Desk) -> None:
    borrow = desk.place("20")
    with pytest.raises(SystemExit):
        desk.send(borrow, on_step=_die_at("written"))
    desk.wait_until_executed()
    _forget(borrow)
    desk.advance(3600)

    recovery.recover(journal=desk.journal, now=desk.now(), why="restored without its journal")

    borrow.refresh_from_db()
    assert desk.look(borrow).state == State.EXECUTED
    assert borrow.borrow_record.principal == 20


def _forget(borrow: Instruction) -> None:
    """Bring the database back to before the claim, as a restored backup would."""
    from django.db import connection

    from loans.models import guards

    guards.remove(connection)
    borrow.events.filter(sequence__gt=1).delete()
    Instruction.objects.filter(pk=borrow.pk).update(
        state=State.QUEUED, signed_at=None, body_sha256="", epoch=0, lease_until=None
    )
    guards.install(connection)


def test_after_a_recovery_open_ones_are_unknown_and_money_waits(desk: Desk) -> None:
    waiting = desk.place("20", expires_at=desk.now() + timedelta(hours=1))

    assert recovery.recover(journal=desk.journal, now=desk.now(), why="restored") == 1

    waiting.refresh_from_db()
    assert waiting.state == State.UNKNOWN
    held = desk.place("5", kind="repay", expires_at=desk.now() + timedelta(hours=1))
    assert desk.send(held).state == State.QUEUED
    assert desk.executed() == []


def test_a_record_that_turned_to_zero_unseen_is_left_to_a_person(desk: Desk) -> None:
    desk.paper.switch(repaid_records="zero")
    desk.paper.fault("execute_then_drop", kind="borrow")
    borrow = desk.send(desk.place("15"))
    repaid = desk.send(desk.place("15.00034374", kind="repay"))
    assert repaid.state == State.CONFIRMED

    desk.look_until_decided(borrow)

    assert (borrow.state, borrow.reason) == (State.NEEDS_HUMAN, "emptied")


def test_a_record_that_was_seen_before_it_turned_to_zero_is_still_found(desk: Desk) -> None:
    desk.paper.switch(repaid_records="zero")
    desk.paper.fault("execute_then_drop", kind="borrow")
    borrow = desk.send(desk.place("15"))
    rows = desk.client().borrow_records("BTC_USDT").rows
    record_store.store(account=desk.account, kind="borrow", rows=rows, clock=desk.now)
    desk.send(desk.place("15.00034374", kind="repay"))

    desk.look(borrow)

    assert borrow.state == State.EXECUTED
    assert borrow.borrow_record.principal == 15


def test_the_answer_lights_the_margin_permission(desk: Desk) -> None:
    desk.send(desk.place("20"))
    assert desk.account.lights.get(name="margin").state == "green"
    desk.paper.fault("code", kind="repay", code=30012)

    repay = desk.send(desk.place("5", kind="repay"))

    assert repay.state == State.REJECTED
    assert desk.account.lights.get(name="margin").state == "red"


def test_in_a_shared_account_a_tag_is_offered_and_makes_the_match_certain(desk: Desk) -> None:
    asked = {
        "account": desk.account,
        "kind": "borrow",
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "amount": Decimal(20),
        "highest": None,
        "now": desk.now(),
    }
    assert tags.offer(**asked) is None, "nobody else uses it"
    desk.account.mode = "shared"
    desk.account.save()
    tagged = tags.offer(**asked)
    assert tagged == Decimal("20.00000001")
    desk.paper.fault("execute_then_drop", kind="borrow")

    borrow = desk.look(desk.send(desk.place(str(tagged))))

    assert borrow.state == State.EXECUTED
    assert "unlike theirs" in borrow.explanation
    assert tags.offer(**asked) == Decimal("20.00000002"), "a tag is used once in 30 days"
    assert tags.offer(**asked | {"kind": "repay"}) == Decimal("19.99999999")
    assert tags.offer(**asked | {"highest": Decimal(20)}) is None
    assert tags.offer(**asked | {"amount": tagged}) is None


def test_a_clock_set_back_while_sending_is_no_incident(desk: Desk) -> None:
    def set_back(step: str) -> None:
        if step == "signed":
            desk.ahead -= timedelta(minutes=10)

    borrow = desk.send(desk.place("20"), on_step=set_back)
    desk.ahead += timedelta(minutes=10)

    desk.look(borrow)

    assert borrow.borrow_record.principal == 20
    assert borrow.contradicted_at is None


def test_two_equal_records_after_one_request_end_the_exclusive_use(desk: Desk) -> None:
    desk.paper.fault("execute_then_drop", kind="borrow")
    borrow = desk.send(desk.place("20"))
    borrow_elsewhere(desk, "20")

    desk.look(borrow)

    assert (borrow.state, borrow.reason) == (State.NEEDS_HUMAN, "double")
    desk.account.refresh_from_db()
    assert desk.account.mode == "shared"
