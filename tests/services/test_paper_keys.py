"""A paper key in one click."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from loans.bitmart.client import Client
from loans.bitmart.secret import Credentials
from loans.models import Account
from loans.services import keys, paper_keys
from loans.services.audit import By
from loans.services.keys import Sealing, TooMany
from loans.services.paper_keys import NoPaperKey
from loans.vault import Keyring
from tests.factories import NOW, make_account
from tests.paper_fixture import Paper

SEALING = Sealing(Keyring.parse(settings.CREDENTIAL_KEYS), settings.FINGERPRINT_PEPPER)
KEY = Credentials.of("an-access-key", "a-secret", "a-memo")


def test_a_key_with_a_past_works_at_once(paper: Paper) -> None:
    credentials = paper_keys.fetch(paper.base_url)

    client = Client(paper.base_url, credentials)
    assert len(client.borrow_records("ETH_USDT").rows) == 100


def test_a_silent_exchange_is_said_in_words() -> None:
    with pytest.raises(NoPaperKey, match="does not answer"):
        paper_keys.fetch("http://127.0.0.1:9")


def test_an_answer_without_a_key_is_not_quoted(paper: Paper) -> None:
    with pytest.raises(NoPaperKey) as trouble:
        paper_keys.fetch(f"{paper.base_url}/nowhere")

    assert "HTTP 404" in str(trouble.value)


def test_two_clicks_ask_for_one_paper_key(owner: User) -> None:
    first = paper_keys.ask(by=By(owner, NOW))
    second = paper_keys.ask(by=By(owner, NOW))

    assert first == second
    assert first.status == Account.Status.PENDING


def test_a_fetched_paper_key_is_put_into_its_row_once(owner: User) -> None:
    account = paper_keys.ask(by=By(owner, NOW))
    site = By(None, NOW)

    assert paper_keys.connect(account, credentials=KEY, sealing=SEALING, by=site)
    other = Credentials.of("other", "s", "")
    assert not paper_keys.connect(account, credentials=other, sealing=SEALING, by=site)

    account.refresh_from_db()
    assert account.status == Account.Status.READY
    assert account.fingerprint == SEALING.fingerprint(KEY)


def test_a_failed_paper_key_says_why_and_may_be_tried_again(owner: User) -> None:
    account = paper_keys.ask(by=By(owner, NOW))

    paper_keys.fail(account, reason="The paper exchange does not answer.", by=By(None, NOW))
    account.refresh_from_db()
    assert account.status == Account.Status.FAILED
    assert "does not answer" in account.status_reason

    assert paper_keys.retry(account, by=By(owner, NOW))
    account.refresh_from_db()
    assert account.status == Account.Status.PENDING


def test_each_paper_key_has_a_name_of_its_own(owner: User) -> None:
    labels = []
    for number in range(3):
        account = paper_keys.ask(by=By(owner, NOW))
        credentials = Credentials.of(f"key-{number}", "a-secret", "")
        paper_keys.connect(account, credentials=credentials, sealing=SEALING, by=By(None, NOW))
        labels.append(account.label)

    assert labels == ["Paper", "Paper 2", "Paper 3"]


def test_a_person_has_so_many_keys_and_no_more(owner: User, stranger: User) -> None:
    for _ in range(keys.MOST_OPEN):
        make_account(owner=owner, created_at=NOW - keys.DAY)

    with pytest.raises(TooMany, match="Remove one first"):
        paper_keys.ask(by=By(owner, NOW))
    assert Account.objects.count() == keys.MOST_OPEN
    assert paper_keys.ask(by=By(stranger, NOW))

    keys.remove(Account.objects.filter(owner=owner).first(), by=By(owner, NOW))
    assert paper_keys.ask(by=By(owner, NOW))


def test_removing_keys_makes_no_room_for_more_on_the_same_day(owner: User) -> None:
    for _ in range(keys.MOST_A_DAY):
        keys.remove(make_account(owner=owner, created_at=NOW), by=By(owner, NOW))

    with pytest.raises(TooMany, match="tomorrow"):
        paper_keys.ask(by=By(owner, NOW))
    assert paper_keys.ask(by=By(owner, NOW + keys.DAY))


def test_a_second_click_finds_the_last_key_that_there_is_room_for(owner: User) -> None:
    for _ in range(keys.MOST_OPEN - 1):
        make_account(owner=owner)

    assert paper_keys.ask(by=By(owner, NOW)) == paper_keys.ask(by=By(owner, NOW))


def test_a_key_that_was_removed_while_it_was_fetched_stays_removed(owner: User) -> None:
    account = paper_keys.ask(by=By(owner, NOW))
    keys.remove(account, by=By(owner, NOW))

    assert not paper_keys.connect(account, credentials=KEY, sealing=SEALING, by=By(None, NOW))
    account.refresh_from_db()
    assert account.access_key_sealed == ""
