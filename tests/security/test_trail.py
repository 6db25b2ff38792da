"""What people do with money is in the audit trail with the address it came from."""

import pytest
from django.contrib.auth.models import User

from loans.models import AuditEvent, State
from tests.factories import make_account, make_instruction
from tests.views.people import sign_in

DECISION = {"verdict": "not_executed", "reason": "It is not in the exchange's list."}


@pytest.mark.parametrize(
    ("state", "deed", "fields", "action"),
    [
        (State.QUEUED, "cancel", {}, "instruction_cancelled"),
        (State.NEEDS_HUMAN, "decide", DECISION, "instruction_settled_by_hand"),
    ],
)
def test_the_address_is_kept(
    owner: User, state: str, deed: str, fields: dict[str, str], action: str
) -> None:
    instruction = make_instruction(account=make_account(owner=owner), state=state)

    path = f"/instructions/{instruction.pk}/{deed}/"
    sign_in(owner).post(path, fields, REMOTE_ADDR="192.0.2.7")

    assert AuditEvent.objects.get(action=action).address == "192.0.2.7"
