"""The tasks behind the Keys page, against a real paper exchange."""

from datetime import timedelta

import pytest
from django.conf import settings as current
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone
from kombu.transport.memory import Channel
from pytest_django import Settings

from loans import tasks, venues
from loans.bitmart.secret import Credentials
from loans.models import Account, AuditEvent, BorrowRecord, Venue
from loans.services import keys, paper_keys
from loans.services.audit import By
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _paper_of_the_settings(paper: Paper, settings: Settings) -> None:
    settings.PAPER_BASE_URL = paper.base_url
    Channel.queues.clear()


@pytest.fixture
def person() -> User:
    """Somebody who adds keys."""
    return User.objects.create_user("owner")


def sealing() -> keys.Sealing:
    """As the settings have it."""
    return keys.Sealing(venues.keyring(), current.FINGERPRINT_PEPPER)


def add(person: User, paper: Paper, label: str) -> Account:
    """A paper key of one's own, put in by hand."""
    key = paper.new_key()
    return keys.add(
        venue=Venue.PAPER,
        label=label,
        credentials=Credentials.of(key.access_key, key.secret, key.memo),
        allow_money=False,
        sealing=sealing(),
        by=By(person, timezone.now()),
    )


def waiting_messages() -> str:
    """Everything that lies in the broker."""
    return str([list(queue.queue) for queue in Channel.queues.values()])


def test_one_click_ends_in_a_checked_key_with_a_past(person: User) -> None:
    account = paper_keys.ask(by=By(person, timezone.now()))

    tasks.connect_paper_key(str(account.pk))
    tasks.check_key(str(account.pk))
    tasks.refresh_account(str(account.pk))

    account.refresh_from_db()
    assert account.status == Account.Status.READY
    assert not account.is_checking
    assert account.lights.get(name="signs").state == "green"
    assert account.last_used_at is not None
    assert BorrowRecord.objects.filter(account=account).count() > 100


def test_a_paper_exchange_that_is_down_is_said_in_the_row(person: User, settings: Settings) -> None:
    settings.PAPER_BASE_URL = "http://127.0.0.1:9"
    account = paper_keys.ask(by=By(person, timezone.now()))

    tasks.connect_paper_key(str(account.pk))

    account.refresh_from_db()
    assert account.status == Account.Status.FAILED
    assert "does not answer" in account.status_reason


def test_running_a_task_twice_makes_one_key(person: User) -> None:
    account = paper_keys.ask(by=By(person, timezone.now()))

    tasks.connect_paper_key(str(account.pk))
    account.refresh_from_db()
    first = account.fingerprint
    tasks.connect_paper_key(str(account.pk))

    account.refresh_from_db()
    assert account.fingerprint == first


def test_swapped_ciphertexts_do_not_open_and_nothing_is_called(person: User, paper: Paper) -> None:
    mine, other = add(person, paper, "Mine"), add(person, paper, "Other")
    for field in Account.SEALED_FIELDS:
        Account.objects.filter(pk=mine.pk).update(**{field: getattr(other, field)})
    asked_before = paper.books()["requests"]

    tasks.check_key(str(mine.pk))

    assert paper.books()["requests"] == asked_before
    assert mine.lights.get(name="reads").state == "red"
    assert AuditEvent.objects.filter(action="key_would_not_open", account=mine).exists()


def test_a_disabled_key_is_not_tried(person: User, paper: Paper) -> None:
    account = add(person, paper, "Off")
    keys.disable(account, by=By(person, timezone.now()))

    tasks.check_key(str(account.pk))

    assert not account.lights.exists()


def test_the_tick_rings_again_for_what_nobody_heard(person: User, paper: Paper) -> None:
    checked, asked = add(person, paper, "Mine"), paper_keys.ask(by=By(person, timezone.now()))
    tasks.key_tick()
    assert str(checked.pk) not in waiting_messages(), "it has not waited long enough"

    late = timedelta(seconds=30)
    Account.objects.update(check_requested_at=F("check_requested_at") - late)
    tasks.key_tick()

    messages = waiting_messages()
    assert str(checked.pk) in messages
    assert str(asked.pk) in messages
