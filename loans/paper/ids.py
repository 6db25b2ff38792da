"""Ids, traces and keys in the shapes that were captured live. All random, none guessable."""

import secrets
import string
import uuid

_ALPHABET = string.ascii_letters + string.digits


def answer_id() -> str:
    """What borrow, repay and transfer answer: 32 hex digits."""
    return secrets.token_hex(16)


def borrow_record_id(at_ms: int) -> str:
    """What the borrow record lists: 13 digits of milliseconds and 16 letters or digits."""
    return f"{at_ms:013d}" + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def repay_record_id() -> str:
    """What the repay record lists: a dashed UUID."""
    return str(uuid.uuid4())


def trace(now_ms: int, shape: str = "modern") -> str:
    """The envelope's trace: `32hex.NN.{13 digits of milliseconds}{4 digits}`, a UUID, or N/A."""
    if shape == "uuid":
        return str(uuid.uuid4())
    if shape == "na":
        return "N/A"
    tail = f"{now_ms:013d}{secrets.randbelow(10_000):04d}"
    return f"{secrets.token_hex(16)}.{60 + secrets.randbelow(60)}.{tail}"


def access_key() -> str:
    """40 hex digits, as the exchange hands them out."""
    return secrets.token_hex(20)


def secret_key() -> str:
    """64 hex digits."""
    return secrets.token_hex(32)
