"""Which venues exist, where they are, and the client for an account. A venue decides the base URL
and the money bounds, nothing else.

This is where settings meet the client: services are handed what is made here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.bitmart.limits import Limiter
from loans.bitmart.protocol import validate_base_url
from loans.models import Account, Venue
from loans.services.bounds import Bounds, span
from loans.services.credentials import open_credentials
from loans.services.journal import Journal
from loans.services.limiter import DatabaseStore, RedisStore, SharedLimiter, Store
from loans.services.sending import Line
from loans.vault import Keyring

# Preparing needs a few reads of at most 15 s each; another worker takes over after this.
LEASE = timedelta(seconds=90)

_REDIS_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "rediscache": "redis",
    "unix": "unix",
    "redis+socket": "unix",
}
_SETTING_OF = {Venue.PAPER: "PAPER_BASE_URL", Venue.BITMART: "BITMART_BASE_URL"}


def base_url(venue: str) -> str:
    """Where a venue is called: https, plain http on this machine only.

    Raises: ImproperlyConfigured, naming the setting.
    """
    name = _SETTING_OF[Venue(venue)]
    try:
        return validate_base_url(getattr(settings, name))
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name}: {exc}") from exc


def keyring() -> Keyring:
    """The keys that seal and open what traders entrusted to us."""
    return _keyring(settings.CREDENTIAL_KEYS)


def limiter_for(venue: str, *, key: str = "") -> SharedLimiter:
    """The limiter of one key (by its fingerprint) on a venue; of the public calls without one."""
    return SharedLimiter(
        _store(f"{venue}@{urlsplit(base_url(venue)).netloc}"), venue=venue, key=key
    )


def client_for(
    account: Account, *, limiter: Limiter | None = None, priority: int = limits.KEEPING_UP
) -> Client:
    """A client with the account's key. One thread uses it; close it (or `with`) after a walk.

    Raises: VaultError if the key does not open.
    """
    return Client(
        base_url(account.venue),
        open_credentials(account, keyring=keyring()),
        limiter=limiter or limiter_for(account.venue, key=account.fingerprint),
        priority=priority,
    )


def public_client(venue: str, *, priority: int = limits.KEEPING_UP) -> Client:
    """A client without a key, for prices, the clock and announcements."""
    return Client(base_url(venue), limiter=limiter_for(venue), priority=priority)


@lru_cache(maxsize=4)
def _keyring(text: str) -> Keyring:
    return Keyring.parse(text)


def _store(name: str) -> Store:
    cache = settings.CACHES["default"].get("LOCATION", "")
    for address in (cache, settings.CELERY_BROKER_URL):
        if url := redis_url(address):
            return RedisStore(_connection(url), venue=name)
    return DatabaseStore(name)


@lru_cache(maxsize=4)
def _connection(url: str) -> redis.Redis:
    """One pool a process. A server that hangs must not hang a page or a payment."""
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def redis_url(address: str) -> str | None:
    """The address as the Redis client wants it; None if it is not a Redis or Valkey server."""
    parts = urlsplit(address)
    scheme = _REDIS_SCHEMES.get(parts.scheme)
    if scheme is None:
        return None
    query = dict(parse_qsl(parts.query))
    database = query.get("db") or query.get("virtual_host") or ""
    suffix = f"?db={database}" if database.isdigit() else ""
    return f"{scheme}://{parts.netloc}{parts.path}{suffix}"


# --- The money path: where its settings meet its services ---------------------------------------


def money_bounds() -> Bounds:
    """W, P, V and the other bounds, as set."""
    return Bounds(
        expiry=span(settings.MONEY_EXPIRY_SECONDS),
        processing=span(settings.MONEY_PROCESSING_SECONDS),
        visibility=span(settings.MONEY_VISIBILITY_SECONDS),
        queue=span(settings.MONEY_QUEUE_SECONDS),
        deadline=span(settings.MONEY_DEADLINE_SECONDS),
        lease=LEASE,
    )


def is_probed(account: Account) -> bool:
    """Whether "not executed" may be said without a person (ruled per venue, or by its probes)."""
    return account.venue in settings.MONEY_PROBED_VENUES or account.probed_at is not None


def journal() -> Journal:
    """The send journal of this data folder."""
    return Journal(settings.DATA_DIR / "sends.journal")


@contextmanager
def money_line(account: Account) -> Iterator[Line]:
    """Everything one send needs. Raises: VaultError if the key does not open."""
    limiter = limiter_for(account.venue, key=account.fingerprint)
    credentials = open_credentials(account, keyring=keyring())
    with Client(
        base_url(account.venue), credentials, limiter=limiter, priority=limits.PERSON_WAITING
    ) as client:
        yield Line(
            client=client,
            credentials=credentials,
            base_url=base_url(account.venue),
            limiter=limiter,
            journal=journal(),
            bounds=money_bounds(),
            clock=timezone.now,
        )
