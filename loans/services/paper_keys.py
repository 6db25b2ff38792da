"""A paper key in one click: a row that waits, a worker that asks the paper exchange, a key in the
row. `fetch` is the only step that uses the network, and no transaction is open then.
"""

import requests
from django.db import transaction

from loans.bitmart.secret import Credentials
from loans.models import Account, Venue
from loans.models.accounts import AccountQuerySet
from loans.services.audit import By
from loans.services.keys import (
    Sealing,
    new_account,
    one_at_a_time,
    owned_by,
    refuse_too_many,
)

CONNECT_SECONDS, READ_SECONDS = 5, 60  # a believable past takes the paper exchange a while
BODY_LIMIT_BYTES = 16 * 1024


class NoPaperKey(Exception):
    """The paper exchange gave no key; the message is a sentence for the person who asked."""


def ask(*, by: By) -> Account:
    """A row for a paper key that a worker will fetch; the one still pending, if there is one.

    Raises TooMany if the person has enough.
    """
    mine = owned_by(by.person).filter(venue=Venue.PAPER)
    with transaction.atomic():
        one_at_a_time(by.person)
        if (already := mine.filter(status=Account.Status.PENDING).first()) is not None:
            return already
        refuse_too_many(by)
        account = new_account(venue=Venue.PAPER, label=_free_label(mine), by=by)
        account.status, account.allow_money = Account.Status.PENDING, True
        account.save(force_insert=True)
        by.record("paper_key_asked", account, label=account.label)
    return account


def connect(account: Account, *, credentials: Credentials, sealing: Sealing, by: By) -> bool:
    """Put a fetched key into its pending row. False if the row waits for none any more."""
    with transaction.atomic():
        held = Account.objects.select_for_update().get(pk=account.pk)
        if held.status != Account.Status.PENDING:
            return False
        sealing.put(held, credentials)
        held.status, held.status_reason = Account.Status.READY, ""
        held.check_requested_at = by.at
        held.save()
        by.record("key_connected", held, fingerprint=held.fingerprint)
    return True


def fail(account: Account, *, reason: str, by: By) -> None:
    """Say in the pending row why it could not be connected; asking again is a click."""
    with transaction.atomic():
        waiting = Account.objects.filter(pk=account.pk, status=Account.Status.PENDING)
        if waiting.update(status=Account.Status.FAILED, status_reason=reason[:300]):
            by.record("key_failed", account, reason=reason)


def retry(account: Account, *, by: By) -> bool:
    """Let a worker try again to fetch a paper key that failed."""
    failed = Account.objects.filter(pk=account.pk, status=Account.Status.FAILED)
    with transaction.atomic():
        if not failed.update(
            status=Account.Status.PENDING, status_reason="", check_requested_at=by.at
        ):
            return False
        by.record("paper_key_asked", account, label=account.label)
    return True


def fetch(base_url: str, *, with_history: bool = True) -> Credentials:
    """A new paper key with balances, and a believable past if wished. Raises NoPaperKey."""
    url = f"{base_url.rstrip('/')}/paper/keys"
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                url,
                json={"history": with_history},
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


def _free_label(mine: AccountQuerySet) -> str:
    """`Paper`, or the first of `Paper 2`, `Paper 3`, ... that the person has not used."""
    used = set(mine.values_list("label", flat=True))
    names = ("Paper", *(f"Paper {number}" for number in range(2, len(used) + 3)))
    return next(name for name in names if name not in used)
