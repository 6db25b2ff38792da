"""Two keys of one exchange account are found by the records they share."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from loans.bitmart.client import Client
from loans.bitmart.secret import Credentials
from loans.models import Account
from loans.services import record_store
from loans.services.instructions import NotAllowed
from tests.factories import make_account
from tests.money import Desk
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)


def read(desk: Desk, account: Account, key: object) -> None:
    credentials = Credentials.of(key.access_key, key.secret, key.memo)
    with Client(desk.paper.base_url, credentials) as client:
        rows = client.borrow_records("BTC_USDT").rows
    record_store.store(account=account, kind="borrow", rows=rows, now=desk.now())
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
