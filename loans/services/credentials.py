"""Opens an account's sealed key: to make the client that signs with it, or to seal it anew.

This is the one place that decrypts one. What it returns refuses to be shown, written or copied.
"""

from loans.bitmart.secret import Credentials
from loans.models import Account
from loans.vault import Keyring, VaultError


def open_credentials(account: Account, *, keyring: Keyring) -> Credentials:
    """Decrypt the three texts of an account's key.

    Raises: VaultError if the account holds no key, or a text was altered, moved or sealed with a
    key that the keyring has lost.
    """
    if not account.access_key_sealed:
        raise VaultError("this account holds no key")
    texts = {
        field: keyring.reveal(sealed, account.place_of(field.removesuffix("_sealed")))
        for field in Account.SEALED_FIELDS
        if (sealed := getattr(account, field))
    }
    try:
        return Credentials.of(
            texts["access_key_sealed"],
            texts.get("secret_sealed", ""),
            texts.get("memo_sealed", ""),
        )
    except ValueError as exc:
        raise VaultError("the sealed key cannot be used") from exc


def seal_anew(account: Account, *, keyring: Keyring) -> list[str]:
    """Seal with the keyring's current key what another key sealed; the caller saves these fields.

    Raises: VaultError if a text does not open; then nothing of the account is changed.
    """
    fields = [
        field
        for field in Account.SEALED_FIELDS
        if (sealed := getattr(account, field)) and keyring.needs_rotation(sealed)
    ]
    names = [field.removesuffix("_sealed") for field in fields]
    texts = {
        name: keyring.reveal(getattr(account, field), account.place_of(name))
        for name, field in zip(names, fields, strict=True)
    }
    account.seal(keyring, **texts)
    return fields
