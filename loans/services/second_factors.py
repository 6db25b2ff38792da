"""What second factors keep secret: of authenticator apps what makes their codes, and the seed of
recovery codes. Sealed like the keys of exchanges, so that a copy of the database holds neither.

allauth hands over a text without saying whose it is, so a sealed one is bound to no row.
"""

from allauth.mfa.models import Authenticator
from django.db import transaction

from loans.models import Person
from loans.services import rights
from loans.services.audit import By
from loans.vault import Keyring, Place, VaultError, key_id_of

SECRETS = ("secret", "seed")  # as allauth names them in its rows
_ANYWHERE = Place("authenticator", "data", "", "")


def seal(text: str, *, keyring: Keyring) -> str:
    """Encrypt what a second factor keeps secret."""
    return keyring.seal(text, _ANYWHERE)


def reveal(text: str, *, keyring: Keyring) -> str:
    """Decrypt it; what was never sealed is given as it is. Raises: VaultError."""
    return keyring.reveal(text, _ANYWHERE) if key_id_of(text) else text


def facts_of(factor: Authenticator) -> dict[str, str]:
    """What the audit trail says of one: whose it is, and of which kind."""
    return {"person": str(factor.user), "kind": factor.type}


def can_be_tried(factor: Authenticator, *, keyring: Keyring) -> bool:
    """Whether all that it keeps secret can be decrypted."""
    return all(opens(text, keyring=keyring) for text in _secrets_of(factor).values())


def opens(text: str, *, keyring: Keyring) -> bool:
    """Whether it can be decrypted."""
    try:
        reveal(text, keyring=keyring)
    except VaultError:
        return False
    return True


def sealed_texts() -> list[str]:
    """All that is sealed."""
    factors = Authenticator.objects.order_by("pk")
    return [text for factor in factors for text in _secrets_of(factor).values() if key_id_of(text)]


def seal_anew(*, keyring: Keyring, by: By) -> tuple[int, list[str]]:
    """Seal with the keyring's current key what is not: how many factors, and whose do not open."""
    resealed, lost = 0, []
    for pk in list(Authenticator.objects.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            factor = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if factor is None:
                continue  # removed meanwhile
            if not can_be_tried(factor, keyring=keyring):
                lost.append(f"a second factor of {factor.user}")
                continue
            if _seal_anew(factor, keyring):
                by.record("second_factor_resealed", **facts_of(factor))
                resealed += 1
    return resealed, lost


def _seal_anew(factor: Authenticator, keyring: Keyring) -> bool:
    old = {n: text for n, text in _secrets_of(factor).items() if keyring.needs_rotation(text)}
    texts = {name: reveal(text, keyring=keyring) for name, text in old.items()}
    if texts:
        factor.data |= {name: seal(text, keyring=keyring) for name, text in texts.items()}
        factor.save(update_fields=["data"])
    return bool(texts)


def forget_lost(*, keyring: Keyring, by: By) -> int:
    """Remove factors that the keyring cannot open: their owners sign in without them."""
    forgotten = 0
    for factor in list(Authenticator.objects.order_by("pk")):
        if can_be_tried(factor, keyring=keyring):
            continue
        with transaction.atomic():
            factor.delete()
            by.record("second_factor_lost", **facts_of(factor))
        forgotten += 1
    return forgotten


def forget_dangling(person: Person) -> None:
    """Remove recovery codes that stand in for nothing any more."""
    if not rights.has_second_factor(person):
        factors = Authenticator.objects.filter(user=person.pk)
        factors.filter(type=Authenticator.Type.RECOVERY_CODES).delete()


def _secrets_of(factor: Authenticator) -> dict[str, str]:
    return {name: factor.data[name] for name in SECRETS if name in factor.data}
