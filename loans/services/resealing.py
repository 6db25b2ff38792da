"""Changing the key of the keyring: what an older key sealed is sealed anew, account by account and
second factor by second factor.

Each is one transaction with its line in the audit trail, so a run that is killed is simply started
again. Nothing is shown, and nothing is sent.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from loans.models import Account
from loans.services import second_factors
from loans.services.audit import By
from loans.services.credentials import open_credentials, seal_anew
from loans.vault import Keyring, VaultError, key_id_of


@dataclass(frozen=True)
class Outcome:
    """How many accounts and second factors were sealed anew, and which of them do not open."""

    resealed: int
    lost: list[str]


def reseal(*, keyring: Keyring, by: By) -> Outcome:
    """Seal every account's key and every second factor with the keyring's current key."""
    resealed, lost = 0, []
    for pk in list(_with_keys().values_list("pk", flat=True)):
        with transaction.atomic():
            account = Account.objects.select_for_update().get(pk=pk)
            if not _opens(account, keyring):
                lost.append(account.label)
                continue
            before = _key_ids(account)
            if fields := seal_anew(account, keyring=keyring):
                account.save(update_fields=fields)
                by.record("key_resealed", account, before=before, after=keyring.current_id)
                resealed += 1
    factors, lost_factors = second_factors.seal_anew(keyring=keyring, by=by)
    return Outcome(resealed + factors, lost + lost_factors)


def lost_key_ids(keyring: Keyring) -> list[str]:
    """Ids of keys under which something is sealed, and nothing of it opens.

    One altered row is that row's trouble; a whole key that opens nothing is another keyring. What
    was sealed under that one since then says nothing for the rest: exchange keys and second factors
    are judged apart.
    """
    found: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for account in _with_keys().only("owner", "label", "created_at", *Account.SEALED_FIELDS):
        key_id = key_id_of(account.access_key_sealed)
        found["account", key_id].append(_opens(account, keyring))
    for text in second_factors.sealed_texts():
        found["factor", key_id_of(text)].append(second_factors.opens(text, keyring=keyring))
    return sorted({key_id for (_, key_id), opened in found.items() if not any(opened)})


def forget_lost(*, keyring: Keyring, by: By) -> int:
    """Remove sealed keys that the keyring cannot open; their accounts keep everything else."""
    forgotten = 0
    for account in list(_with_keys()):
        if _opens(account, keyring):
            continue
        with transaction.atomic():
            cleared = dict.fromkeys(Account.SEALED_FIELDS, "")
            Account.objects.filter(pk=account.pk).update(**cleared)
            by.record("key_lost", account, before=_key_ids(account))
        forgotten += 1
    return forgotten


def _with_keys() -> QuerySet[Account]:
    return Account.objects.exclude(access_key_sealed="").order_by("created_at", "pk")


def _opens(account: Account, keyring: Keyring) -> bool:
    try:
        open_credentials(account, keyring=keyring)
    except VaultError:
        return False
    return True


def _key_ids(account: Account) -> list[str]:
    sealed: Iterator[str] = (getattr(account, field) for field in Account.SEALED_FIELDS)
    return sorted({key_id_of(text) for text in sealed if text})
