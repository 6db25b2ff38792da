"""The keyring: the one place that encrypts and decrypts what traders entrust to us.

A sealed text is `ms1:<key id>:<base64url(nonce + ciphertext)>`, AES-256-GCM with a 96-bit random
nonce. The associated data name format, key, table, field, row and owner, so a ciphertext copied to
another row or person does not open.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = "ms1"
NONCE_BYTES = 12
KEY_BYTES = 32


class VaultError(Exception):
    """A keyring that cannot be read, or a sealed text that does not open. Says nothing of the
    content.
    """


@dataclass(frozen=True)
class Place:
    """Where a sealed text lives; it opens nowhere else."""

    table: str
    field: str
    row: str
    owner: str

    def associated_data(self, key_id: str) -> bytes:
        """The bytes that are authenticated together with the ciphertext."""
        return "|".join([FORMAT, key_id, self.table, self.field, self.row, self.owner]).encode()


@dataclass(frozen=True)
class Keyring:
    """Keys by id; the first one seals, every one opens."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read `kid:base64url(32 bytes)[,kid2:...]`. Raises VaultError naming the entry, never its
        content.
        """
        keys: dict[str, bytes] = {}
        for position, entry in enumerate(filter(None, (e.strip() for e in text.split(","))), 1):
            key_id, _, encoded = entry.partition(":")
            try:
                key = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            except (binascii.Error, ValueError) as exc:
                raise VaultError(f"CREDENTIAL_KEYS entry {position} is not base64url") from exc
            if not key_id.isalnum() or len(key) != KEY_BYTES or key_id in keys:
                raise VaultError(f"CREDENTIAL_KEYS entry {position}: a new id, then 32 bytes")
            keys[key_id] = key
        if not keys:
            raise VaultError("CREDENTIAL_KEYS holds no key")
        return cls(keys)

    @property
    def current_id(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, text: str, place: Place) -> str:
        """Encrypt for one place."""
        key_id, nonce = self.current_id, os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[key_id]).encrypt(
            nonce, text.encode(), place.associated_data(key_id)
        )
        return f"{FORMAT}:{key_id}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def reveal(self, token: str, place: Place) -> str:
        """Decrypt. Raises VaultError if the key is unknown, or the text was altered or moved."""
        form, _, rest = token.partition(":")
        key_id, _, encoded = rest.partition(":")
        if form != FORMAT or key_id not in self.keys:
            raise VaultError("sealed with a key that CREDENTIAL_KEYS does not hold")
        try:
            data = base64.urlsafe_b64decode(encoded)
            opened = AESGCM(self.keys[key_id]).decrypt(
                data[:NONCE_BYTES], data[NONCE_BYTES:], place.associated_data(key_id)
            )
        except (InvalidTag, ValueError) as exc:
            raise VaultError("the sealed text was altered or belongs to another row") from exc
        return opened.decode()

    def needs_rotation(self, token: str) -> bool:
        """Whether another than the current key sealed it."""
        return key_id_of(token) != self.current_id


def key_id_of(token: str) -> str:
    """The id of the key that sealed it; empty for what is no sealed text."""
    form, _, rest = token.partition(":")
    return rest.partition(":")[0] if form == FORMAT else ""


def fingerprint(access_key: str, *, pepper: str) -> str:
    """Sixteen hex digits that stand for an access key on pages and in logs; not reversible without
    the pepper.
    """
    return hmac.new(pepper.encode(), access_key.encode(), hashlib.sha256).hexdigest()[:16]


def proof_of(pepper: str) -> str:
    """Sixty-four hex digits by which a pepper is known again; they do not tell it."""
    return hmac.new(pepper.encode(), b"marginsite: this pepper", hashlib.sha256).hexdigest()
