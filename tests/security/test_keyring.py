"""Another key for the keyring, online and resumable; one that opens nothing is noticed."""

import io
import os
from base64 import urlsafe_b64encode

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from pytest_django import Settings

from loans.bitmart.secret import Credentials
from loans.models import Account, AuditEvent, Instruction, State
from loans.services import keys, resealing, second_factors
from loans.services.audit import By, verify
from loans.services.credentials import open_credentials, seal_anew
from loans.vault import Keyring, VaultError, key_id_of
from tests.factories import NOW, make_account, make_instruction

pytestmark = pytest.mark.django_db

BY = By(None, NOW)


def new_key(key_id: str) -> str:
    return f"{key_id}:{urlsafe_b64encode(os.urandom(32)).decode()}"


OLD, NEW = new_key("old"), new_key("new")
OLD_RING = Keyring.parse(OLD)
BOTH, NEW_RING = Keyring.parse(f"{NEW},{OLD}"), Keyring.parse(NEW)


def sealed_account(owner: User | None, ring: Keyring, number: int) -> Account:
    account = make_account(owner=owner, label=f"Desk {number}")
    credentials = Credentials.of(f"access-{number}", f"secret-{number}", f"memo {number}")
    keys.Sealing(ring, "pepper").put(account, credentials)
    account.save()
    return account


def secret_of(account: Account, ring: Keyring) -> str:
    account.refresh_from_db()
    return open_credentials(account, keyring=ring).secret.reveal()


def test_what_the_old_key_sealed_opens_with_the_new_one_alone(owner: User) -> None:
    accounts = [sealed_account(owner, OLD_RING, 1), sealed_account(None, OLD_RING, 2)]

    outcome = resealing.reseal(keyring=BOTH, by=BY)

    assert outcome == resealing.Outcome(resealed=2, lost=[])
    assert [secret_of(account, NEW_RING) for account in accounts] == ["secret-1", "secret-2"]
    with pytest.raises(VaultError):
        secret_of(accounts[0], OLD_RING)


def test_a_run_that_was_killed_is_started_again(owner: User) -> None:
    accounts = [sealed_account(owner, OLD_RING, number) for number in range(3)]
    done = accounts[1]  # what a killed run leaves: some accounts are done, each of them whole
    done.save(update_fields=seal_anew(done, keyring=BOTH))
    assert {secret_of(account, BOTH) for account in accounts} == {
        "secret-0",
        "secret-1",
        "secret-2",
    }

    assert resealing.reseal(keyring=BOTH, by=BY).resealed == 2
    assert resealing.reseal(keyring=BOTH, by=BY).resealed == 0
    assert len({secret_of(account, NEW_RING) for account in accounts}) == 3


def test_each_account_is_in_the_audit_trail_without_a_secret(owner: User) -> None:
    account = sealed_account(owner, OLD_RING, 1)

    resealing.reseal(keyring=BOTH, by=BY)

    event = AuditEvent.objects.get(action="key_resealed")
    assert event.account == account
    assert event.facts == {"before": ["old"], "after": "new"}
    assert verify().holds


def test_a_key_that_does_not_open_is_named_and_left_as_it_is(
    owner: User, settings: Settings
) -> None:
    sealed_account(owner, OLD_RING, 1)
    lost = sealed_account(owner, Keyring.parse(new_key("gone")), 2)
    settings.CREDENTIAL_KEYS = f"{NEW},{OLD}"

    output = io.StringIO()
    with pytest.raises(CommandError, match=r"1 did not open.*Desk 2"):
        call_command("rotate_keyring", stdout=output)

    assert "1 secrets were sealed anew with new" in output.getvalue()
    before = lost.access_key_sealed
    lost.refresh_from_db()
    assert lost.access_key_sealed == before


def test_the_command_says_when_the_old_key_may_go(owner: User, settings: Settings) -> None:
    sealed_account(owner, OLD_RING, 1)
    settings.CREDENTIAL_KEYS = f"{NEW},{OLD}"

    output = io.StringIO()
    call_command("rotate_keyring", stdout=output)

    assert "older ones may leave" in output.getvalue()


def complaints() -> list[str]:
    return [found.id for found in run_checks(databases=["default"])]


def test_a_keyring_that_opens_nothing_of_what_is_stored_is_refused(
    owner: User, settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = OLD
    sealed_account(owner, OLD_RING, 1)
    assert "loans.E013" not in complaints()

    for other in (new_key("other"), new_key("old")):
        settings.CREDENTIAL_KEYS = other
        assert "loans.E013" in complaints()


def test_one_altered_row_does_not_hold_up_everybody(owner: User, settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = OLD
    good, bad = sealed_account(owner, OLD_RING, 1), sealed_account(owner, OLD_RING, 2)
    Account.objects.filter(pk=bad.pk).update(secret_sealed=good.secret_sealed)

    assert "loans.E013" not in complaints()
    with pytest.raises(VaultError):
        secret_of(bad, OLD_RING)


def test_after_a_known_loss_only_what_opens_stays_and_the_history_with_it(
    owner: User, settings: Settings
) -> None:
    kept = sealed_account(owner, NEW_RING, 1)
    lost = sealed_account(owner, OLD_RING, 2)
    instruction = make_instruction(account=lost, state=State.CONFIRMED)

    assert resealing.forget_lost(keyring=NEW_RING, by=BY) == 1

    assert secret_of(kept, NEW_RING) == "secret-1"
    lost.refresh_from_db()
    assert (lost.access_key_sealed, lost.secret_sealed, lost.memo_sealed) == ("", "", "")
    assert Instruction.objects.filter(pk=instruction.pk).exists()
    assert AuditEvent.objects.get(action="key_lost").account == lost


def test_a_text_that_is_not_sealed_has_no_key() -> None:
    assert key_id_of("ms1:old:abc") == "old"
    assert key_id_of("plain") == ""


def factor_of(person: User, ring: Keyring) -> Authenticator:
    sealed = second_factors.seal("JBSWY3DPEHPK3PXP", keyring=ring)
    return Authenticator.objects.create(user=person, type="totp", data={"secret": sealed})


def test_second_factors_are_sealed_anew_with_the_keys(owner: User, stranger: User) -> None:
    factor, lost = factor_of(owner, OLD_RING), factor_of(stranger, Keyring.parse(new_key("gone")))
    passkey = Authenticator.objects.create(user=owner, type="webauthn", data={"name": "Key"})

    outcome = resealing.reseal(keyring=BOTH, by=BY)

    assert outcome == resealing.Outcome(resealed=1, lost=[f"a second factor of {stranger}"])
    factor.refresh_from_db()
    assert second_factors.reveal(factor.data["secret"], keyring=NEW_RING) == "JBSWY3DPEHPK3PXP"
    event = AuditEvent.objects.get(action="second_factor_resealed")
    assert event.facts == {"person": str(owner), "kind": "totp"}
    before = lost.data
    lost.refresh_from_db()
    passkey.refresh_from_db()
    assert (lost.data, passkey.data) == (before, {"name": "Key"})


def test_a_keyring_that_opens_no_second_factor_is_refused(owner: User, settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = OLD
    factor_of(owner, OLD_RING)
    assert "loans.E013" not in complaints()

    settings.CREDENTIAL_KEYS = new_key("other")
    assert "loans.E013" in complaints()


def test_what_another_keyring_sealed_since_hides_no_loss(owner: User, settings: Settings) -> None:
    mine, other = new_key("k1"), new_key("k1")  # as every site's first key is called
    sealed_account(owner, Keyring.parse(mine), 1)
    factor_of(owner, Keyring.parse(other))

    for keys_of_site in (mine, other):
        settings.CREDENTIAL_KEYS = keys_of_site
        assert "loans.E013" in complaints()


def test_a_row_that_was_altered_under_the_present_key_is_named(owner: User, stranger: User) -> None:
    good, bad = sealed_account(owner, NEW_RING, 1), sealed_account(owner, NEW_RING, 2)
    Account.objects.filter(pk=bad.pk).update(secret_sealed=good.secret_sealed)
    factor_of(stranger, Keyring.parse(new_key("new")))

    assert resealing.reseal(keyring=BOTH, by=BY) == resealing.Outcome(
        resealed=0, lost=["Desk 2", f"a second factor of {stranger}"]
    )


def test_after_a_known_loss_a_second_factor_that_opens_stays(owner: User, stranger: User) -> None:
    kept, lost = factor_of(owner, NEW_RING), factor_of(stranger, OLD_RING)

    assert second_factors.forget_lost(keyring=NEW_RING, by=BY) == 1

    assert list(Authenticator.objects.all()) == [kept]
    event = AuditEvent.objects.get(action="second_factor_lost")
    assert event.facts == {"person": str(lost.user), "kind": "totp"}
