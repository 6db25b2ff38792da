"""A secret gives itself away through `reveal` only."""

import copy
import json
import pickle

import pytest

from loans.bitmart.secret import Credentials, Secret
from tests.bitmart.samples import CANARIES, credentials


@pytest.mark.parametrize(
    "leak",
    [str, "{}".format, "%s".__mod__, json.dumps, pickle.dumps, copy.copy, copy.deepcopy, hash,
     lambda secret: f"{secret}", lambda secret: f"{secret:>40}", lambda secret: "" + secret],
)  # fmt: skip
def test_a_secret_refuses_to_leave(leak):
    with pytest.raises(TypeError) as caught:
        leak(Secret("canary"))

    assert "canary" not in str(caught.value)


def test_a_secret_shows_a_placeholder_and_reveals_on_request():
    secret = Secret("canary")

    assert repr(secret) == "<secret>"
    assert secret.reveal() == "canary"
    assert secret == Secret("canary")
    assert secret != Secret("other")
    assert not hasattr(secret, "__dict__")


def test_credentials_show_nothing_of_the_key():
    held = credentials()

    assert not any(canary in repr(held) + repr(held.words()) for canary in CANARIES)
    assert set(held.words("signature")) == {*CANARIES, "signature"}


@pytest.mark.parametrize("key", ["", "two words", "line\nfeed", "ключ", "tab\t"])
def test_an_access_key_that_no_header_carries_is_refused_at_once(key):
    with pytest.raises(ValueError, match="access key"):
        Credentials.of(key, "secret", "memo")


def test_an_empty_memo_is_allowed_and_an_empty_secret_is_not():
    Credentials.of("key", "secret", "")

    with pytest.raises(ValueError, match="secret is empty"):
        Credentials.of("key", "", "memo")
