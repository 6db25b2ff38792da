"""Holds a key so that it cannot slip out: no repr, no format, no pickle, no JSON.

`reveal` is the one way in; it belongs where headers are made and signatures computed, nowhere else.
"""

import hmac
from dataclasses import dataclass
from typing import NoReturn

_SHOWN = "<secret>"


class Secret:
    """A piece of text that refuses to be shown, written or copied out of memory."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold `text`; a Secret of a Secret is a mistake."""
        if not isinstance(text, str):
            raise TypeError("a secret is made from text")
        self._text = text

    def reveal(self) -> str:
        """The text itself: for signing and for the key's header only."""
        return self._text

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        raise TypeError("a secret is not shown")

    def __format__(self, format_spec: str) -> str:
        raise TypeError("a secret is not formatted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        raise TypeError("a secret is not hashed")

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


class SecretWords(tuple[str, ...]):
    """Plain texts on their way to being blanked; a debugger that prints variables sees none."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


@dataclass(frozen=True, slots=True)
class Credentials:
    """An exchange key. The access key alone reads an account's records, so it is a secret too.

    The memo is free text chosen with the key, is case-sensitive and may be empty.
    """

    access_key: Secret
    secret: Secret
    memo: Secret

    def __post_init__(self) -> None:
        """Refuse what no HTTP header can carry, before anything is signed.

        Raises: ValueError.
        """
        key = self.access_key.reveal()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("the access key has characters that no key has")
        if not self.secret:
            raise ValueError("the secret is empty")

    @classmethod
    def of(cls, access_key: str, secret: str, memo: str) -> "Credentials":
        """Make credentials from plain text."""
        return cls(Secret(access_key), Secret(secret), Secret(memo))

    def words(self, *more: str) -> SecretWords:
        """The texts to blank wherever the exchange echoes them."""
        long_enough = 4  # A memo of one letter would blank half of every sentence.
        held = (self.access_key.reveal(), self.secret.reveal(), self.memo.reveal(), *more)
        return SecretWords(text for text in held if len(text) >= long_enough)
