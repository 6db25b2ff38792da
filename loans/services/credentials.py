"""Opens an account's sealed key for one purpose: making the client that signs with it.

This is the one place that decrypts. What it returns refuses to be shown, written or copied.
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
