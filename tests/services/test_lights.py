"""What a key check shows, tried against a real paper exchange."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from loans.bitmart.client import Client
from loans.bitmart.secret import Credentials
from loans.models import Account, AuditEvent, KeyLight
from loans.services import lights
from loans.services.audit import By
from tests.factories import NOW, make_account, make_borrow
from tests.paper_fixture import Paper, PaperKey

pytestmark = pytest.mark.django_db
GREEN, RED, NOT_KNOWN = KeyLight.State.GREEN, KeyLight.State.RED, KeyLight.State.NOT_KNOWN
SITE = By(None, NOW)


@pytest.fixture
def account(owner: User) -> Account:
    """An account whose key is about to be checked."""
    return make_account(owner=owner)


def client_of(paper: Paper, key: PaperKey, **changes: str) -> Client:
    """A client that uses the key, or a miscopied one."""
    texts = {"access_key": key.access_key, "secret": key.secret, "memo": key.memo} | changes
    return Client(paper.base_url, Credentials.of(**texts))


def check(account: Account, client: Client) -> dict[str, tuple[str, int | None, str]]:
    """Check, and read back what the lights show."""
    lights.finish(account, lights.try_out(account, client=client), by=SITE)
    return {light.name: (light.state, light.code, light.detail) for light in account.lights.all()}


def states(shown: dict[str, tuple[str, int | None, str]]) -> dict[str, str]:
    """Only the colours."""
    return {name: state for name, (state, _, _) in shown.items()}


def test_a_good_key_is_green_and_margin_is_not_known(account: Account, paper: Paper) -> None:
    shown = check(account, client_of(paper, paper.new_key()))

    assert states(shown) == {
        "reads": GREEN,
        "signs": GREEN,
        "margin": NOT_KNOWN,
        "clock": GREEN,
        "ip": GREEN,
    }
    account.refresh_from_db()
    assert not account.is_checking
    assert AuditEvent.objects.get(action="key_checked").facts["lights"]["reads"] == "green"


def test_a_wrong_key_is_red_and_what_comes_after_it_is_not_known(
    account: Account, paper: Paper
) -> None:
    shown = check(account, client_of(paper, paper.new_key(), access_key="no-such-key"))

    assert shown["reads"][:2] == (RED, 30002)
    assert shown["signs"][:2] == (NOT_KNOWN, 30002)
    assert (shown["ip"][0], shown["clock"][0]) == (NOT_KNOWN, GREEN)


@pytest.mark.parametrize("wrong", ["secret", "memo"])
def test_a_wrong_secret_or_memo_reads_but_does_not_sign(
    account: Account, paper: Paper, wrong: str
) -> None:
    shown = check(account, client_of(paper, paper.new_key(), **{wrong: "miscopied"}))

    assert shown["reads"][0] == GREEN
    assert shown["signs"][:2] == (RED, 30005)
    assert "not your account id" in shown["signs"][2]
    assert shown["ip"][0] == GREEN


def test_a_foreign_address_is_said_by_the_light_for_it(account: Account, paper: Paper) -> None:
    key = paper.new_key(ips=["203.0.113.9"])

    shown = check(account, client_of(paper, key))

    assert shown["ip"][:2] == (RED, 30010)
    assert shown["reads"][0] == NOT_KNOWN
    assert "IP list" in shown["ip"][2]


@pytest.mark.parametrize(("terms", "code"), [({"expired": True}, 30011), ({"frozen": True}, 30003)])
def test_an_expired_or_frozen_key_is_told_apart(
    account: Account, paper: Paper, terms: dict[str, bool], code: int
) -> None:
    shown = check(account, client_of(paper, paper.new_key(**terms)))

    assert shown["reads"][:2] == (RED, code)


def test_a_clock_that_is_off_is_red_and_says_by_how_much(account: Account, paper: Paper) -> None:
    key = paper.new_key()
    paper.clock(offset_seconds=90)

    shown = check(account, client_of(paper, key))

    assert shown["clock"][0] == RED
    assert "behind" in shown["clock"][2]
    assert shown["signs"][0] == GREEN, "the signed question is asked in the exchange's time"


def test_an_exchange_that_is_down_leaves_everything_not_known(
    account: Account, paper: Paper
) -> None:
    key = paper.new_key()
    client = Client("http://127.0.0.1:9", Credentials.of(key.access_key, key.secret, key.memo))

    shown = check(account, client)

    assert set(states(shown).values()) == {NOT_KNOWN}
    assert "Check again" in shown["reads"][2]


def test_a_key_that_lists_this_history_says_so(account: Account, paper: Paper) -> None:
    client = client_of(paper, paper.new_key(history=True))
    known = client.borrow_records("ETH_USDT").rows[0]
    make_borrow(account=account, record_id=known.record_id, symbol="ETH_USDT")

    assert "lists 1 of" in check(account, client)["reads"][2]


def test_a_key_of_another_exchange_account_is_noticed(account: Account, paper: Paper) -> None:
    make_borrow(account=account, record_id="of-another", symbol="ETH_USDT")

    shown = check(account, client_of(paper, paper.new_key(history=True)))

    assert "another exchange account" in shown["reads"][2]


def test_the_margin_light_learns_from_loan_calls_only(account: Account, paper: Paper) -> None:
    lights.learn_from_money_call(account, code=None, now=NOW)
    shown = check(account, client_of(paper, paper.new_key()))
    assert shown["margin"][0] == GREEN

    lights.learn_from_money_call(account, code=51004, now=NOW)
    assert account.lights.get(name="margin").state == GREEN, "an amount says nothing about rights"

    lights.learn_from_money_call(account, code=30012, now=NOW + timedelta(seconds=1))
    margin = account.lights.get(name="margin")
    assert (margin.state, margin.code) == (RED, 30012)
    assert "Margin-Trade" in margin.detail


def test_a_key_that_does_not_open_is_red_and_audited(account: Account) -> None:
    lights.will_not_open(account, by=SITE)

    light = account.lights.get(name="reads")
    assert light.state == RED
    assert "CREDENTIAL_KEYS" in light.detail
    assert AuditEvent.objects.filter(action="key_would_not_open", account=account).exists()


def test_a_check_of_a_key_that_was_replaced_meanwhile_is_dropped(
    account: Account, paper: Paper
) -> None:
    seen = lights.try_out(account, client=client_of(paper, paper.new_key()))
    Account.objects.filter(pk=account.pk).update(check_requested_at=NOW)

    lights.finish(account, seen, by=SITE)

    assert not account.lights.exists()
    account.refresh_from_db()
    assert account.is_checking


def test_every_light_has_its_place_before_the_first_check(account: Account) -> None:
    shown = lights.base_lights(account)

    assert [light.name for light in shown] == ["reads", "signs", "margin", "clock", "ip"]
    assert {light.state for light in shown} == {NOT_KNOWN}


def test_no_sentence_is_too_long_for_its_column() -> None:
    sentences = [words for _, words in lights.VERDICTS.values()] + list(lights.NO_MARGIN.values())

    assert max(map(len, sentences)) < 290
