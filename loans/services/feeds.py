"""How each repeated call goes: attempts, successes, and failures with a sentence for people.

A feed that fails keeps what it last brought; pages show its age and the sentence.
"""

import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from loans.bitmart.errors import (
    Banned,
    BitmartError,
    Garbled,
    Maintenance,
    RateLimited,
    Refused,
    Unreachable,
)
from loans.models import Account, Feed, Venue
from loans.vault import VaultError

logger = logging.getLogger(__name__)

# After so many failures in a row a feed is asked less often.
PATIENT_FAILURES = 10
LONGEST_PAUSE = timedelta(minutes=3)

# What people can do something about. Other refusals are told in the exchange's own words.
REFUSALS = {
    30000: "{venue} does not offer this.",
    30001: "{venue} does not know this key.",
    30002: "{venue} does not know this key.",
    30003: "{venue} has frozen this key.",
    30005: "{venue} says that the signature is wrong: check the secret and the memo.",
    30007: "{venue} refuses the clock of this machine: it is more than a minute off.",
    30010: "{venue} does not accept this machine's address: see the key's list of addresses.",
    30011: "This key has expired at {venue}.",
    30012: "This key lacks the permission for this at {venue}.",
    53000: "{venue} has frozen this account.",
}


class FeedTrouble(Exception):
    """What keeps a feed from its data although no call failed; the message is a sentence."""


class Doubtful(FeedTrouble):
    """An answer that is complete and well-formed, and yet not believed until it is seen again."""


@dataclass(slots=True)
class Attempt:
    """How an attempt ended, once it has; `failure` is what kept it from its data."""

    succeeded: bool = False
    failure: Exception | None = None


@contextmanager
def watch(
    *,
    venue: str,
    name: str,
    now: datetime,
    account: Account | None = None,
    period_seconds: int = 60,
) -> Iterator[Attempt]:
    """Record an attempt and how it ended.

    What the exchange or the key is to blame for ends here, as a sentence on the feed. Anything else
    is told on the feed too, logged, and goes on: it is a defect of ours.
    """
    who = {"venue": venue, "account": account, "name": name}
    attempt = Attempt()
    try:
        yield attempt
    except (BitmartError, VaultError, FeedTrouble) as exc:
        attempt.failure = exc
        sentence = explain(exc, venue=venue, now=now)
        logger.warning("feed %s of %s: %s", name, account.pk if account else venue, sentence)
        _note(who, now, period_seconds, failed=sentence)
    except Exception:
        _note(who, now, period_seconds, failed="This site met an error of its own; see its log.")
        raise
    else:
        attempt.succeeded = True
        _note(who, now, period_seconds)


def is_due(*, venue: str, name: str, now: datetime, account: Account | None = None) -> bool:
    """Whether to ask now. After many failures in a row it is asked less often, each feed at another
    moment, so that a key that died is not tried for ever and all do not return at once.
    """
    feed = Feed.objects.filter(venue=venue, account=account, name=name).first()
    if feed is None or feed.failures < PATIENT_FAILURES or feed.last_attempt_at is None:
        return True
    pause = min(timedelta(minutes=feed.failures - PATIENT_FAILURES + 1), LONGEST_PAUSE)
    apart = timedelta(seconds=zlib.crc32(f"{account and account.pk}{name}".encode()) % 60)
    return now >= feed.last_attempt_at + pause - apart


def explain(error: Exception, *, venue: str, now: datetime) -> str:
    """Say to people what went wrong and, where it is known, until when."""
    who = Venue(venue).label if Venue(venue).is_real_money else "the paper exchange"
    said = _say(error, who, now)
    return said[:1].upper() + said[1:]


def _say(error: Exception, who: str, now: datetime) -> str:
    match error:
        case Banned():
            until = now + timedelta(seconds=error.retry_after_seconds)
            when = f" Nothing is asked before {until:%H:%M} UTC." if until > now else ""
            return f"{who} has blocked this address after too many calls.{when}"
        case RateLimited():
            wait = error.retry_after_seconds
            when = f" It goes on in {wait} s." if wait else ""
            return f"Calls to {who} are held back: {error.detail}.{when}"
        case Maintenance():
            return f"{who} says that it is not working now: {error.detail}"
        case Unreachable():
            return f"{who} could not be asked: {error.detail}."
        case Refused():
            known = REFUSALS.get(error.code or 0)
            told = f"{who} refused: {error.detail} ({error.code})"
            return known.format(venue=who) if known else told
        case Garbled() if "html" in error.detail:
            return f"{who} answered with a web page instead of data."
        case Garbled():
            return f"{who} answered with something else than data: {error.detail}."
        case VaultError():
            return f"The key cannot be opened: {error}."
        case _:
            return str(error)


def _note(who: dict, now: datetime, period_seconds: int, *, failed: str = "") -> None:
    """One statement, as this happens all the time; a second one the first time."""
    changes: dict[str, object] = {"last_attempt_at": now, "period_seconds": period_seconds}
    if failed:
        changes |= {"failures": F("failures") + 1, "error": failed[:300]}
    else:
        changes |= {"last_success_at": now, "failures": 0, "error": ""}
    if not Feed.objects.filter(**who).update(**changes):
        changes["failures"] = int(bool(failed))
        Feed.objects.update_or_create(**who, defaults=changes)
