"""A sealed text opens in its own place only; a broken keyring says so without telling its keys."""

import base64

import pytest

from loans.vault import Keyring, Place, VaultError, fingerprint

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
OTHER = base64.urlsafe_b64encode(bytes(range(1, 33))).decode()
PLACE = Place("account", "secret", "row-1", "7")


def test_what_is_sealed_opens_in_its_place() -> None:
    ring = Keyring.parse(f"k1:{KEY}")

    token = ring.seal("мемо #1", PLACE)

    assert token.startswith("ms1:k1:")
    assert "мемо" not in token
    assert ring.reveal(token, PLACE) == "мемо #1"
    assert token != ring.seal("мемо #1", PLACE), "a nonce is used once"


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("account", "memo", "row-1", "7"),
        Place("account", "secret", "row-2", "7"),
        Place("account", "secret", "row-1", "8"),
        Place("other", "secret", "row-1", "7"),
    ],
)
def test_a_sealed_text_opens_nowhere_else(elsewhere: Place) -> None:
    ring = Keyring.parse(f"k1:{KEY}")

    with pytest.raises(VaultError):
        ring.reveal(ring.seal("text", PLACE), elsewhere)


def test_every_altered_character_is_noticed() -> None:
    ring = Keyring.parse(f"k1:{KEY}")
    token = ring.seal("text", PLACE)
    for position in range(len("ms1:k1:"), len(token) - 2):
        swapped = "A" if token[position] != "A" else "B"
        with pytest.raises(VaultError):
            ring.reveal(token[:position] + swapped + token[position + 1 :], PLACE)


def test_rotation_seals_with_the_first_key_and_opens_with_every() -> None:
    old = Keyring.parse(f"k1:{KEY}")
    token = old.seal("text", PLACE)
    both = Keyring.parse(f"k2:{OTHER},k1:{KEY}")

    assert both.reveal(token, PLACE) == "text"
    assert both.needs_rotation(token)
    assert not both.needs_rotation(both.seal("text", PLACE))
    with pytest.raises(VaultError):
        Keyring.parse(f"k2:{OTHER}").reveal(token, PLACE)


@pytest.mark.parametrize(
    "text", ["", "k1", "k1:short", f"k1:{KEY},k1:{OTHER}", f":{KEY}", "k1:!!!", f"k 1:{KEY}"]
)
def test_a_broken_keyring_is_refused_without_telling_its_keys(text: str) -> None:
    with pytest.raises(VaultError) as failure:
        Keyring.parse(text)

    assert KEY not in str(failure.value)
    assert OTHER not in str(failure.value)
    assert KEY not in repr(Keyring.parse(f"k1:{KEY}"))


def test_a_fingerprint_needs_the_pepper() -> None:
    one = fingerprint("access", pepper="a")

    assert len(one) == 16
    assert one == fingerprint("access", pepper="a")
    assert one != fingerprint("access", pepper="b")
