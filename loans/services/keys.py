"""Exchange keys of people: adding, changing, replacing and removing them.

Nothing here calls a venue, and nothing gives a key back: the texts come in once, are sealed, and
are shown as a fingerprint from then on. Trying a key is in `lights`, getting one from the paper
exchange in `paper_keys`.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from loans.bitmart.secret import Credentials
from loans.models import (
    BEFORE_SENDING,
    OPEN,
    Account,
    AccountShare,
    Instruction,
    Person,
    State,
    Venue,
)
from loans.models.accounts import AccountQuerySet
from loans.services import twins
from loans.services.audit import By
from loans.services.transitions import remark
from loans.vault import Keyring, fingerprint

DAY = timedelta(days=1)
# Every account is asked for every minute, and a paper one comes with months of loans: without an
# end somebody could fill the disk that money is noted on.
MOST_OPEN = 50
MOST_A_DAY = 50
YOURS_ALREADY = "You have added this key before: it is “{label}”."
NOT_HERE = "This key cannot be added. If you are sure that it is yours, ask an administrator."


class Declined(Exception):
    """What was asked is not done; the message is a sentence for the person who asked."""


class TooMany(Declined):
    """The person has enough keys; the message is a sentence."""


@dataclass(frozen=True)
class Sealing:
    """What turns a key into a sealed text and a fingerprint."""

    keyring: Keyring
    pepper: str

    def put(self, account: Account, credentials: Credentials) -> None:
        """Seal the three texts into the row; the caller saves."""
        account.seal(
            self.keyring,
            access_key=credentials.access_key.reveal(),
            secret=credentials.secret.reveal(),
            memo=credentials.memo.reveal(),
        )
        account.fingerprint = self.fingerprint(credentials)

    def fingerprint(self, credentials: Credentials) -> str:
        """What stands for this key on pages."""
        return fingerprint(credentials.access_key.reveal(), pepper=self.pepper)


def owned_by(person: Person) -> AccountQuerySet:
    """A person's own keys, removed ones left out."""
    return Account.objects.kept().filter(owner_id=person.pk)


def run_by(person: Person, *, removed_too: bool = False) -> AccountQuerySet:
    """Accounts that a person may change: own ones, and those managed for somebody else."""
    managed = AccountShare.objects.filter(person_id=person.pk, role=AccountShare.Role.MANAGER)
    rows = Account.objects.filter(owner__isnull=False) if removed_too else Account.objects.kept()
    return rows.filter(Q(owner_id=person.pk) | Q(pk__in=managed.values("account_id")))


def add(
    *,
    venue: Venue,
    label: str,
    credentials: Credentials,
    allow_money: bool,
    sealing: Sealing,
    by: By,
) -> Account:
    """Keep a new key, sealed, with a check asked for.

    Raises Declined if the key is here already; whose it is, is told to its owner only. Raises
    TooMany if the person has enough.
    """
    account = new_account(venue=venue, label=label, by=by)
    account.allow_money = allow_money or venue == Venue.PAPER
    sealing.put(account, credentials)
    with transaction.atomic():
        one_at_a_time(by.person)
        refuse_too_many(by)
        _save_unique(account, by.person)
        by.record(
            "key_added",
            account,
            label=label,
            venue=venue,
            fingerprint=account.fingerprint,
            allow_money=account.allow_money,
        )
    return account


def ask_check(account: Account, *, by: By) -> bool:
    """Ask for a check; False if one is under way already or the key may not be used."""
    with transaction.atomic():
        held = held_row(account)
        if held.is_checking or held.disabled or held.status != Account.Status.READY:
            return False
        held.check_requested_at = by.at
        held.save(update_fields=["check_requested_at"])
        by.record("key_check_asked", held)
    return True


def rename(account: Account, *, label: str, by: By) -> None:
    """Give an account another name."""
    with transaction.atomic():
        held = held_row(account)
        before, held.label = held.label, label
        held.save(update_fields=["label"])
        by.record("key_renamed", held, before=before, after=label)


def disable(account: Account, *, by: By) -> None:
    """Call nothing with this key until it is enabled again."""
    _switch(account, "disabled", True, "key_disabled", by=by)


def enable(account: Account, *, by: By) -> None:
    """Use this key again, after a check."""
    with transaction.atomic():
        _switch(account, "disabled", False, "key_enabled", by=by)
        ask_check(account, by=by)


def allow_money(account: Account, *, allowed: bool, by: By) -> None:
    """Let this live key borrow and repay, or no longer. Only its owner may.

    Raises Declined for anybody else.
    """
    if account.owner_id != by.person.pk:
        raise Declined("Only the owner of a key decides whether it may borrow and repay.")
    action = "money_allowed" if allowed else "money_forbidden"
    _switch(account, "allow_money", allowed, action, by=by)


def change_mode(account: Account, *, mode: Account.Mode, by: By) -> None:
    """Say whether anything else moves money on the exchange account behind this key.

    Raises Declined where another key of it is here, which does.
    """
    with transaction.atomic():
        held = held_row(account)
        if held.mode == mode:
            return
        if mode == Account.Mode.EXCLUSIVE and twins.has_twin(held):
            raise Declined(twins.REASON)
        held.mode, held.mode_reason = mode, ""
        held.save(update_fields=["mode", "mode_reason"])
        by.record("mode_changed", held, mode=mode)


def replace(account: Account, *, credentials: Credentials, sealing: Sealing, by: By) -> None:
    """Put another key, or corrected secret and memo, into an account that keeps its history.

    A live key that changes must be allowed to borrow and repay anew. What was still to be looked
    at a second time is not, for the lists of the new key may be those of another account. Raises
    Declined if another access key is given while an instruction is open (its outcome is looked up
    with this one), or if the key is here already.
    """
    with transaction.atomic():
        held = held_row(account)
        before = held.fingerprint
        is_another = sealing.fingerprint(credentials) != before
        if is_another and (words := _open_words(held)):
            raise Declined(f"{words} The old key is needed until then.")
        sealing.put(held, credentials)
        if is_another and held.is_real_money:
            held.allow_money = False
        held.status, held.status_reason = Account.Status.READY, ""
        held.check_requested_at, held.probed_at = by.at, None
        _save_unique(held, by.person)
        held.lights.all().delete()
        held.probes.all().delete()
        if is_another:
            _end_looks(held, by=by)
        by.record("key_replaced", held, before=before, fingerprint=held.fingerprint)


def _end_looks(account: Account, *, by: By) -> None:
    """Conclude nothing any more from lists that a key read which is gone."""
    note = "Its key was replaced by another one: it is not looked for in the records any more."
    for instruction in account.instructions.filter(look_at__isnull=False):
        told = {"reason": "key_replaced"} if instruction.state == State.CONFIRMED else {}
        Instruction.objects.filter(pk=instruction.pk).update(look_at=None, **told)
        remark(instruction, now=by.at, note=note)


def remove(account: Account, *, by: By) -> None:
    """Destroy the sealed texts and keep the history.

    Raises Declined while an instruction is open, and for anybody but the owner.
    """
    if account.owner_id != by.person.pk:
        raise Declined("Only the owner of a key can remove it.")
    with transaction.atomic():
        held = held_row(account)
        if words := _open_words(held):
            raise Declined(f"{words} Until then you can disable the key.")
        for field in Account.SEALED_FIELDS:
            setattr(held, field, "")
        held.status, held.status_reason = Account.Status.REMOVED, ""
        held.removed_at, held.allow_money = by.at, False
        held.save()
        held.lights.all().delete()
        held.feeds.all().delete()
        held.terms.all().delete()
        by.record("key_removed", held, label=held.label, fingerprint=held.fingerprint)


def one_at_a_time(person: Person) -> None:
    """Let whatever else adds a key of this person wait until the transaction ends."""
    User.objects.select_for_update().get(pk=person.pk)


def refuse_too_many(by: By) -> None:
    """Raises TooMany, for what the person has or has added within a day."""
    if owned_by(by.person).count() >= MOST_OPEN:
        raise TooMany(f"You have {MOST_OPEN} keys, and more are not kept. Remove one first.")
    lately = Account.objects.filter(owner=by.person, created_at__gt=by.at - DAY)
    if lately.count() >= MOST_A_DAY:
        raise TooMany(f"You added {MOST_A_DAY} keys within a day. Add the next one tomorrow.")


def new_account(*, venue: Venue, label: str, by: By) -> Account:
    """A row that is not saved; paper is exclusive, a live account shared until told otherwise."""
    is_paper = venue == Venue.PAPER
    return Account(
        owner=by.person,
        venue=venue,
        label=label,
        mode=Account.Mode.EXCLUSIVE if is_paper else Account.Mode.SHARED,
        created_at=by.at,
        check_requested_at=by.at,
    )


def held_row(account: Account) -> Account:
    """The row, locked to the end of the transaction, and not removed meanwhile."""
    held = Account.objects.select_for_update().get(pk=account.pk)
    if held.status == Account.Status.REMOVED:
        raise Declined("This key was removed.")
    return held


def _switch(account: Account, field: str, value: bool, action: str, *, by: By) -> None:
    with transaction.atomic():
        held = held_row(account)
        if getattr(held, field) == value:
            return
        setattr(held, field, value)
        held.save(update_fields=[field])
        by.record(action, held)


def _save_unique(account: Account, person: User) -> None:
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as exc:
        twin = owned_by(person).filter(venue=account.venue, fingerprint=account.fingerprint).first()
        words = YOURS_ALREADY.format(label=twin.label) if twin else NOT_HERE
        raise Declined(words) from exc


def _open_words(account: Account) -> str:
    """What is still open on an account, as a sentence with a way out; empty if nothing is."""
    states = list(
        Instruction.objects.filter(account=account, state__in=OPEN).values_list("state", flat=True)
    )
    if not states:
        return ""
    count = f"{len(states)} instruction{'s are' if len(states) > 1 else ' is'} still open."
    if all(state in BEFORE_SENDING for state in states):
        return f"{count} Cancel what has not been sent, or wait for its outcome."
    return f"{count} Wait until the outcome is known, or settle it by hand on its page."
