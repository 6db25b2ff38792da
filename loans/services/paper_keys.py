"""Asking the paper exchange for a key. Takes no part in keeping it: that is `keys`."""

import requests

from loans.bitmart.secret import Credentials

CONNECT_SECONDS, READ_SECONDS = 5, 60  # a believable past takes the paper exchange a while
BODY_LIMIT_BYTES = 16 * 1024


class NoPaperKey(Exception):
    """The paper exchange gave no key; the message is a sentence for the person who asked."""


def fetch(base_url: str) -> Credentials:
    """A new paper key with balances and a believable past. Raises NoPaperKey."""
    url = f"{base_url.rstrip('/')}/paper/keys"
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                url,
                json={"history": True},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as exc:
            raise NoPaperKey(
                "The paper exchange does not answer. Is it running? Try again in a moment."
            ) from exc
    return _read(answer)


def _read(answer: requests.Response) -> Credentials:
    # A failing answer's text is not quoted: on success it would hold the key.
    if answer.status_code != requests.codes.ok and answer.status_code != requests.codes.created:
        raise NoPaperKey(f"The paper exchange gave no key (HTTP {answer.status_code}). Try again.")
    unusable = "The paper exchange gave an answer that holds no key."
    if len(answer.content) > BODY_LIMIT_BYTES:
        raise NoPaperKey(unusable)
    try:
        found = answer.json()
        return Credentials.of(found["access_key"], found["secret"], found["memo"])
    except (ValueError, KeyError, TypeError):
        raise NoPaperKey(unusable) from None  # the cause would carry the answer
