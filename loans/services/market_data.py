"""Which key reads a venue's terms, which are the same for everybody.

On paper a key without an owner, made at the first start, so that rates show before anybody has
added one; on a live venue the key that was used least lately, whose owner was told so.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from loans.bitmart.secret import Credentials
from loans.models import Account, KeyLight, Venue
from loans.services.feeds import FeedTrouble
from loans.services.keys import Sealing

LABEL = "Market data"
# What the exchange says of a key that will never work again.
DEAD_KEY_CODES = frozenset({30001, 30002, 30003, 30011})


class NoSource(FeedTrouble):
    """There is no key to read the rates with."""


def needs_paper_key() -> bool:
    """Whether no key without an owner reads the paper exchange."""
    return not Account.objects.market_data().connected().filter(venue=Venue.PAPER).exists()


def add_paper_key(*, credentials: Credentials, sealing: Sealing, now: datetime) -> None:
    """Keep a key without an owner; nothing happens if another process was first with one."""
    account = Account(owner=None, venue=Venue.PAPER, label=LABEL, created_at=now)
    sealing.put(account, credentials)
    try:
        with transaction.atomic():
            if needs_paper_key():
                account.save(force_insert=True)
    except IntegrityError:
        return


def sources(venue: str) -> list[Account]:
    """Keys that may read the venue's terms, the one to ask first in front."""
    broken = KeyLight.objects.filter(name=KeyLight.Name.READS, state=KeyLight.State.RED)
    usable = Account.objects.connected().filter(venue=venue)
    usable = usable.exclude(owner__isnull=False, pk__in=broken.values("account_id"))
    by_use = usable.order_by(F("last_used_at").asc(nulls_first=True))
    return sorted(by_use, key=lambda account: account.owner_id is not None)


def note_use(*, account: Account, now: datetime) -> None:
    """Let another key be first next time."""
    Account.objects.filter(pk=account.pk).update(last_used_at=now)


def give_up(*, account: Account, reason: str) -> None:
    """A key without an owner that the venue does not know any more is replaced by another."""
    gone = Account.objects.market_data().filter(pk=account.pk)
    gone.update(status=Account.Status.FAILED, status_reason=reason[:300])
