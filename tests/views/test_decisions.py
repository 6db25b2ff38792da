"""Cancelling an instruction, and deciding one by hand: who, when, and with what kept."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from loans.models import Account, Instruction, Kind, State
from loans.services import instructions as money
from tests import factories
from tests.views.people import let_time_pass, sign_in
from tests.views.trade import Desk, make_desk, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return make_desk(owed=True)


def one(desk: Desk, state: str, **fields: object) -> Instruction:
    """An instruction of the desk in a state."""
    return factories.make_instruction(
        account=desk.account, state=state, created_at=desk.now, **fields
    )


def url(instruction: Instruction, action: str = "") -> str:
    return f"/instructions/{instruction.pk}/{action}"


def page_of(desk: Desk, instruction: Instruction) -> str:
    return text_of(desk.client.get(url(instruction)))


def placed(desk: Desk) -> Instruction:
    return money.place(
        person=desk.owner,
        account=desk.account,
        kind=Kind.BORROW,
        symbol="BTC_USDT",
        currency="USDT",
        amount=20,
        nonce=uuid4().hex,
        now=desk.now,
        expires_at=desk.now + timedelta(seconds=60),
    )


def test_a_queued_one_can_be_cancelled(desk: Desk) -> None:
    instruction = placed(desk)
    assert "Cancel it" in page_of(desk, instruction)

    response = desk.client.post(url(instruction, "cancel/"))

    instruction.refresh_from_db()
    assert response.status_code == 303
    assert instruction.state == State.CANCELLED


def test_one_that_a_worker_has_taken_cannot_be_cancelled(desk: Desk) -> None:
    instruction = placed(desk)
    Instruction.objects.update(state=State.CLAIMED)
    assert "Cancel it" not in page_of(desk, instruction)

    desk.client.post(url(instruction, "cancel/"))

    assert "can no longer be cancelled" in page_of(desk, instruction)


CANDIDATE = {
    "record_id": "B77",
    "amount": "20.00000000",
    "at": "2026-11-20T12:00:03+00:00",
    "equal": True,
}


def test_a_person_decides_with_a_record_and_a_reason(desk: Desk) -> None:
    desk = replace(desk, client=sign_in(desk.owner))
    instruction = one(desk, State.NEEDS_HUMAN, candidates=[CANDIDATE])
    record = factories.make_borrow(account=desk.account, record_id="B77")
    assert "B77" in page_of(desk, instruction)

    response = desk.client.post(
        url(instruction, "decide/"),
        {"verdict": "executed", "record": "B77", "reason": "Seen in the loan list.\r\n\tTwice."},
    )

    instruction.refresh_from_db()
    assert response.status_code == 303
    assert instruction.state == State.EXECUTED_BY_HAND
    assert instruction.borrow_record == record
    assert "Seen in the loan list." in page_of(desk, instruction)


def test_a_disabled_key_keeps_nobody_from_deciding_or_cancelling(desk: Desk) -> None:
    desk = replace(desk, client=sign_in(desk.owner))
    waiting, instruction = placed(desk), one(desk, State.NEEDS_HUMAN, lane=1)
    Account.objects.update(disabled=True)
    assert "Record my decision" in page_of(desk, instruction)

    desk.client.post(
        url(instruction, "decide/"), {"verdict": "not_executed", "reason": "Nothing there."}
    )
    desk.client.post(url(waiting, "cancel/"))

    waiting.refresh_from_db()
    instruction.refresh_from_db()
    assert instruction.state == State.NOT_EXECUTED_BY_HAND
    assert waiting.state == State.CANCELLED


def test_a_decision_wants_the_password_and_keeps_the_typing(desk: Desk) -> None:
    desk = replace(desk, client=sign_in(desk.owner))
    instruction = one(desk, State.NEEDS_HUMAN, candidates=[CANDIDATE])
    let_time_pass(desk.client, seconds=601)
    assert "asked for your password first" in page_of(desk, instruction)
    typed = {"verdict": "executed", "record": "B77", "reason": "Seen <there> by me."}

    asked = desk.client.post(url(instruction, "decide/"), typed)
    back = desk.client.post(asked.url, {"password": factories.PASSWORD})

    assert asked.url.startswith("/accounts/reauthenticate/")
    assert back.url == url(instruction)
    page = text_of(desk.client.get(back.url))
    assert "Seen &lt;there&gt; by me." in page
    assert re.search(r'value="executed"[^>]* checked', page)
    assert '<option value="B77" selected>' in page
    assert "Seen" not in page_of(desk, instruction)  # filled in once
    instruction.refresh_from_db()
    assert instruction.state == State.NEEDS_HUMAN


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Say whether it happened."),
        ({"verdict": "executed"}, "Write in a few words how you know"),
        (
            {"verdict": "not_executed", "record": "B77", "reason": "kept text"},
            "A record shows that it happened",
        ),
        ({"verdict": "executed", "record": "B99", "reason": "kept text"}, "B99"),
        ({"verdict": "executed", "reason": "Seen \u202eby me"}, "a character that cannot be seen"),
    ],
)
def test_half_a_decision_is_refused_and_the_typing_kept(
    desk: Desk, fields: dict[str, str], sentence: str
) -> None:
    instruction = one(desk, State.NEEDS_HUMAN, candidates=[CANDIDATE])

    response = desk.client.post(url(instruction, "decide/"), fields)

    assert response.status_code == 422
    assert sentence in text_of(response)
    assert fields.get("reason", "") in text_of(response)
    instruction.refresh_from_db()
    assert instruction.state == State.NEEDS_HUMAN
