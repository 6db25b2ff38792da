"""The money tasks with real settings, a sealed key, the shared limiter and the paper exchange."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone

from loans import venues
from loans.models import Account, Instruction, MarginSide, State
from loans.services import instructions
from loans.services.journal import Entry
from loans.tasks import look_for_instruction, money_tick, refresh_pair, send_instruction
from tests.factories import make_account, make_instruction, make_market
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(paper: Paper, owner: User, settings: LazySettings, tmp_path: Path) -> Account:
    settings.PAPER_BASE_URL = paper.base_url
    settings.DATA_DIR = tmp_path
    key = paper.new_key()
    account = make_account(owner=owner)
    account.seal(venues.keyring(), access_key=key.access_key, secret=key.secret, memo=key.memo)
    account.save()
    return account


def place(account: Account, amount: str = "20") -> Instruction:
    now = timezone.now()
    return instructions.place(
        person=account.owner,
        account=account,
        kind="borrow",
        symbol="BTC_USDT",
        currency="USDT",
        amount=Decimal(amount),
        nonce=f"n{Instruction.objects.count()}",
        now=now,
        expires_at=now + timedelta(seconds=60),
    )


def test_one_message_takes_a_borrow_to_its_record(account: Account, paper: Paper) -> None:
    borrow = place(account)

    send_instruction(str(borrow.pk))
    Instruction.objects.update(look_at=timezone.now())
    look_for_instruction(str(borrow.pk))

    borrow.refresh_from_db()
    assert borrow.state == State.CONFIRMED
    assert borrow.borrow_record.principal == 20
    assert (Path(venues.journal().path)).stat().st_mode & 0o777 == 0o600


def test_eight_deliveries_send_once(account: Account, paper: Paper) -> None:
    borrow = place(account)

    for _ in range(8):
        send_instruction(str(borrow.pk))

    assert len(paper.books()["executed"]["loans"]) == 1


def test_the_tick_finds_what_no_message_told(account: Account, paper: Paper) -> None:
    """A broker in memory keeps the tick's messages, as a wiped one would lose the first."""
    borrow = place(account)

    money_tick()
    send_instruction(str(borrow.pk))

    borrow.refresh_from_db()
    assert borrow.state == State.CONFIRMED


def test_the_tick_reads_the_journal_before_it_expires(account: Account) -> None:
    borrow = place(account)
    entry = Entry(str(borrow.pk), timezone.now(), "f" * 64, last_event_id=1)
    venues.journal().append(entry)
    Instruction.objects.update(expires_at=timezone.now())

    money_tick()

    borrow.refresh_from_db()
    assert borrow.state == State.UNKNOWN


def test_a_key_that_does_not_open_sends_nothing_and_expires(
    account: Account, paper: Paper, settings: LazySettings
) -> None:
    borrow = place(account)
    settings.CREDENTIAL_KEYS = "k9:" + "A" * 43 + "="

    send_instruction(str(borrow.pk))

    borrow.refresh_from_db()
    assert borrow.state == State.QUEUED
    assert "does not open" in borrow.explanation
    assert paper.books()["executed"]["loans"] == []


@pytest.mark.parametrize("gone", ["sealed", "removed"])
def test_what_cannot_be_looked_for_is_not_due_for_ever(
    account: Account, settings: LazySettings, gone: str
) -> None:
    now = timezone.now()
    unknown = make_instruction(
        account=account, state=State.UNKNOWN, signed_at=now, created_at=now, look_at=now
    )
    refused = make_instruction(
        account=account, state=State.REJECTED, signed_at=now, created_at=now, look_at=now
    )
    settings.CREDENTIAL_KEYS = "k9:" + "A" * 43 + "="
    if gone == "removed":
        fields = dict.fromkeys(Account.SEALED_FIELDS, "")
        Account.objects.update(status=Account.Status.REMOVED, **fields)

    for row in (unknown, refused):
        look_for_instruction(str(row.pk))
        row.refresh_from_db()
        assert row.look_at > timezone.now()

    long_ago = now - timedelta(days=2)
    Instruction.objects.update(signed_at=long_ago, look_at=long_ago)
    for row in (unknown, refused):
        look_for_instruction(str(row.pk))
        row.refresh_from_db()
    assert (unknown.state, unknown.reason) == (State.NEEDS_HUMAN, "unlistable")
    assert refused.look_at is None


def test_an_unknown_instruction_and_a_finished_one_are_left_alone(account: Account) -> None:
    send_instruction("00000000-0000-0000-0000-000000000000")
    look_for_instruction("00000000-0000-0000-0000-000000000000")
    borrow = place(account)
    instructions.cancel(instruction=borrow, person=account.owner, now=timezone.now())

    send_instruction(str(borrow.pk))

    borrow.refresh_from_db()
    assert borrow.state == State.CANCELLED


def test_figures_can_be_read_at_once_after_money_moved(account: Account, paper: Paper) -> None:
    make_market(symbol="BTC_USDT")
    send_instruction(str(place(account).pk))

    refresh_pair(str(account.pk), "BTC_USDT")

    quote = MarginSide.objects.get(margin_account__account=account, side="quote")
    assert quote.borrow_unpaid == 20
