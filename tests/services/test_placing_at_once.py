"""One confirmation that is sent several times at once, as by an impatient hand."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connections

from loans.models import Instruction
from loans.services import instructions
from tests.factories import NOW, make_account

AT_ONCE = 8


@pytest.mark.django_db(transaction=True)
def test_one_confirmation_sent_many_times_leads_to_one_instruction(owner: User) -> None:
    account, together = make_account(owner=owner), Barrier(AT_ONCE)

    def place(nonce: str) -> UUID:
        together.wait()
        try:
            placed = instructions.place(
                person=owner,
                account=account,
                kind="borrow",
                symbol="BTC_USDT",
                currency="USDT",
                amount=Decimal(20),
                nonce=nonce,
                now=NOW,
            )
        finally:
            connections.close_all()
        return placed.pk

    with ThreadPoolExecutor(AT_ONCE) as hands:
        places = list(hands.map(place, ["once"] * AT_ONCE))

    assert set(places) == {Instruction.objects.get().pk}
