"""Adding, changing, replacing and removing keys."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from loans.bitmart.secret import Credentials
from loans.models import Account, AuditEvent, Instruction, KeyLight, State, Venue
from loans.services import keys
from loans.services.audit import By
from loans.services.credentials import open_credentials
from loans.services.keys import Declined, Sealing, TooMany
from loans.vault import Keyring
from tests.factories import NOW, make_account, make_instruction, make_share

SEALING = Sealing(Keyring.parse(settings.CREDENTIAL_KEYS), settings.FINGERPRINT_PEPPER)
CANARY = Credentials.of("canary-access", "canary-secret", "canary-memo")


def by(person: User) -> By:
    """The person, now, from somewhere."""
    return By(person, NOW, "203.0.113.7")


def add_key(owner: User, **changes: object) -> Account:
    """A live key, as the form gives it."""
    fields = {
        "venue": Venue.BITMART,
        "label": "Desk",
        "credentials": CANARY,
        "allow_money": False,
    }
    return keys.add(sealing=SEALING, by=by(owner), **(fields | changes))


def actions() -> list[str]:
    """What the audit trail tells, oldest first."""
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_a_key_is_kept_sealed_and_shown_as_a_fingerprint(owner: User) -> None:
    account = add_key(owner)

    row = str(Account.objects.filter(pk=account.pk).values().get())
    assert "canary" not in row
    assert account.fingerprint == SEALING.fingerprint(CANARY)
    assert open_credentials(account, keyring=SEALING.keyring) == CANARY
    assert account.is_checking


def test_a_live_key_moves_no_money_and_is_shared_until_told_otherwise(owner: User) -> None:
    account = add_key(owner)

    assert not account.allow_money
    assert account.mode == Account.Mode.SHARED


def test_a_paper_key_may_borrow_and_is_exclusive(owner: User) -> None:
    account = add_key(owner, venue=Venue.PAPER)

    assert account.allow_money
    assert account.mode == Account.Mode.EXCLUSIVE


def test_the_audit_trail_tells_of_a_key_without_telling_it(owner: User) -> None:
    account = add_key(owner)

    event = AuditEvent.objects.get(action="key_added")
    assert event.facts["fingerprint"] == account.fingerprint
    assert "canary" not in str(event.facts)
    assert (event.actor, event.account, event.address) == (owner, account, "203.0.113.7")


def test_the_same_key_twice_is_refused_with_its_name(owner: User) -> None:
    add_key(owner)

    with pytest.raises(Declined, match="it is “Desk”"):
        add_key(owner, label="Again")
    assert Account.objects.count() == 1


def test_a_key_of_somebody_else_is_refused_without_saying_so(owner: User, stranger: User) -> None:
    add_key(owner)

    with pytest.raises(Declined) as refusal:
        add_key(stranger)
    assert str(refusal.value) == keys.NOT_HERE
    assert "Desk" not in str(refusal.value)


def test_own_keys_count_like_those_of_paper(owner: User) -> None:
    for _ in range(keys.MOST_OPEN):
        make_account(owner=owner)

    with pytest.raises(TooMany, match="Remove one first"):
        add_key(owner)
    assert actions() == []


def test_a_removed_key_may_be_added_again(owner: User) -> None:
    keys.remove(add_key(owner), by=by(owner))

    assert add_key(owner).status == Account.Status.READY


def test_removing_destroys_the_sealed_texts_and_keeps_the_row(owner: User) -> None:
    account = add_key(owner)
    KeyLight.objects.create(account=account, name=KeyLight.Name.READS, checked_at=NOW)

    keys.remove(account, by=by(owner))

    account.refresh_from_db()
    assert account.status == Account.Status.REMOVED
    assert [getattr(account, field) for field in Account.SEALED_FIELDS] == ["", "", ""]
    assert account.fingerprint
    assert not account.lights.exists()
    assert Account.objects.visible_to(owner).contains(account)


@pytest.mark.parametrize("state", [State.QUEUED, State.UNKNOWN, State.NEEDS_HUMAN])
def test_a_key_with_an_open_instruction_is_not_removed(owner: User, state: State) -> None:
    account = add_key(owner)
    make_instruction(account=account, state=state)

    with pytest.raises(Declined, match="1 instruction is still open"):
        keys.remove(account, by=by(owner))
    account.refresh_from_db()
    assert account.access_key_sealed


def test_a_settled_instruction_does_not_keep_a_key(owner: User) -> None:
    account = add_key(owner)
    make_instruction(account=account, state=State.CONFIRMED)

    keys.remove(account, by=by(owner))

    assert Instruction.objects.filter(account=account).exists()


def test_a_manager_cannot_remove_or_allow_money(owner: User, colleague: User) -> None:
    account = add_key(owner)
    make_share(account=account, person=colleague, role="manager")

    with pytest.raises(Declined):
        keys.remove(account, by=by(colleague))
    with pytest.raises(Declined):
        keys.allow_money(account, allowed=True, by=by(colleague))
    account.refresh_from_db()
    assert not account.allow_money


def test_the_owner_allows_money_once_and_it_is_audited_once(owner: User) -> None:
    account = add_key(owner)

    keys.allow_money(account, allowed=True, by=by(owner))
    keys.allow_money(account, allowed=True, by=by(owner))

    account.refresh_from_db()
    assert account.allow_money
    assert actions().count("money_allowed") == 1


def test_replacing_keeps_the_account_and_asks_for_a_check(owner: User) -> None:
    account = add_key(owner, allow_money=True)
    KeyLight.objects.create(account=account, name=KeyLight.Name.MARGIN, checked_at=NOW)
    another = Credentials.of("another-access", "another-secret", "")

    keys.replace(account, credentials=another, sealing=SEALING, by=by(owner))

    account.refresh_from_db()
    assert open_credentials(account, keyring=SEALING.keyring) == another
    assert account.is_checking
    assert not account.lights.exists()
    assert not account.allow_money, "another live key must be allowed anew"


def test_a_corrected_memo_keeps_the_permission(owner: User) -> None:
    account = add_key(owner, allow_money=True)
    make_instruction(account=account, state=State.UNKNOWN)
    corrected = Credentials.of("canary-access", "canary-secret", "the right memo")

    keys.replace(account, credentials=corrected, sealing=SEALING, by=by(owner))

    account.refresh_from_db()
    assert account.allow_money


def test_another_key_waits_until_nothing_is_open(owner: User) -> None:
    account = add_key(owner)
    make_instruction(account=account, state=State.UNKNOWN)
    another = Credentials.of("another-access", "another-secret", "")

    with pytest.raises(Declined, match="old key is needed"):
        keys.replace(account, credentials=another, sealing=SEALING, by=by(owner))


def test_what_another_key_lists_decides_nothing_about_what_the_old_one_sent(owner: User) -> None:
    account = add_key(owner)
    refused, confirmed = (
        make_instruction(account=account, state=state, look_at=NOW)
        for state in (State.REJECTED, State.CONFIRMED)
    )

    corrected = Credentials.of("canary-access", "canary-secret", "the right memo")
    keys.replace(account, credentials=corrected, sealing=SEALING, by=by(owner))
    assert Instruction.objects.filter(look_at=NOW).count() == 2

    another = Credentials.of("another-access", "another-secret", "")
    keys.replace(account, credentials=another, sealing=SEALING, by=by(owner))

    assert not Instruction.objects.exclude(look_at=None).exists()
    for instruction in (refused, confirmed):
        instruction.refresh_from_db()
        assert instruction.second_look_done_at is None
        assert instruction.contradicted_at is None
        assert "replaced by another" in instruction.events.latest("sequence").note
    assert confirmed.reason == "key_replaced"


def test_a_key_is_not_replaced_by_one_that_is_here(owner: User) -> None:
    add_key(owner, label="First")
    another = add_key(owner, credentials=Credentials.of("other", "s", ""), label="Second")

    with pytest.raises(Declined, match="it is “First”"):
        keys.replace(another, credentials=CANARY, sealing=SEALING, by=by(owner))
    another.refresh_from_db()
    assert another.fingerprint != SEALING.fingerprint(CANARY)


def test_enabling_a_disabled_key_asks_for_a_check(owner: User) -> None:
    account = make_account(owner=owner)

    keys.disable(account, by=by(owner))
    assert not Account.objects.connected().exists()
    keys.enable(account, by=by(owner))

    account.refresh_from_db()
    assert not account.disabled
    assert account.is_checking


def test_a_disabled_key_is_not_checked(owner: User) -> None:
    account = make_account(owner=owner, disabled=True)

    assert not keys.ask_check(account, by=by(owner))


def test_a_second_check_is_not_asked_while_one_is_under_way(owner: User) -> None:
    account = make_account(owner=owner)

    assert keys.ask_check(account, by=by(owner))
    assert not keys.ask_check(account, by=by(owner))
    assert actions().count("key_check_asked") == 1


def test_a_person_runs_own_and_managed_keys_only(owner: User, colleague: User) -> None:
    mine, managed, seen = (make_account(owner=o) for o in (colleague, owner, owner))
    make_share(account=managed, person=colleague, role="manager")
    make_share(account=seen, person=colleague, role="trader")

    assert set(keys.run_by(colleague)) == {mine, managed}
