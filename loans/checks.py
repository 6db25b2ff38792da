"""System checks: combinations of settings that are dangerous are refused before anything starts.

Each has an id and a hint. Nothing here prints a secret: a URL is named by its setting, never shown.
Neither gunicorn nor Celery asks Django's checks, so the start does (`refuse_danger`).
"""

import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from redis import ConnectionPool

from loans.bitmart.protocol import validate_base_url
from loans.models import Venue
from loans.services import peppers, resealing
from loans.vault import Keyring, VaultError

OURS = "marginsite"  # the tag by which the start finds these
LIVE_EXPIRY_SECONDS = Decimal(60)
SQLITE_FULL = 2  # what `PRAGMA synchronous` answers for FULL; 3 is EXTRA
ENCRYPTED = ("require", "verify-ca", "verify-full")
ORIGIN = re.compile(r"https?://[^\s/]+")


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine; no host means a socket file, which is too."""
    if not host or host == "localhost" or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_danger() -> None:
    """Raise ImproperlyConfigured naming every dangerous setting; warnings are for `check`.

    Leaves the database alone: the caller may be about to fork.
    """
    found = run_checks(tags=[OURS])
    errors = [
        f"{error.msg} {error.hint or ''} ({error.id})" for error in found if error.is_serious()
    ]
    if errors:
        raise ImproperlyConfigured("\n".join(errors))


@register(Tags.security, OURS)
def check_keyring(app_configs: Sequence[Any] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """The keys that seal what traders entrust must be there, and be readable by us alone."""
    try:
        Keyring.parse(settings.CREDENTIAL_KEYS)
    except VaultError as exc:
        hint = "CREDENTIAL_KEYS is `kid:base64url(32 bytes)[,kid2:...]`; the first one encrypts."
        yield Error(str(exc), hint=hint, id="loans.E001")
    else:
        if settings.SECRET_KEY in settings.CREDENTIAL_KEYS:
            hint = "Give CREDENTIAL_KEYS a key of its own: SECRET_KEY is rotated for other reasons."
            yield Error("CREDENTIAL_KEYS contains SECRET_KEY.", hint=hint, id="loans.E001")
    path = settings.DATA_DIR / "secrets.env"
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        hint = f"Run `chmod 600 {path.name}` in the data directory."
        yield Error("The file with the secrets is open to others.", hint=hint, id="loans.E002")


@register(OURS)
def check_venues(app_configs: Sequence[Any] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Venues are reached by https, or on this machine; live time bounds are not shortened."""
    for name in ("PAPER_BASE_URL", "BITMART_BASE_URL"):
        try:
            validate_base_url(getattr(settings, name))
        except ValueError as exc:
            yield Error(f"{name}: {exc}.", hint="Plain http is for loopback.", id="loans.E003")
    if ".bitmart." in f".{urlsplit(settings.PAPER_BASE_URL).hostname or ''}.":
        yield Error(
            "PAPER_BASE_URL names BitMart: what looks like paper would be real money.",
            hint="Paper is an exchange of ours; leave it unset, or name such a one.",
            id="loans.E014",
        )
    host = urlsplit(settings.BITMART_BASE_URL).hostname
    if settings.MONEY_EXPIRY_SECONDS < LIVE_EXPIRY_SECONDS and not is_loopback(host):
        yield Error(
            "MONEY_EXPIRY_SECONDS is under 60, and BitMart takes a request for 60 seconds.",
            hint="Below 60 a borrow could be called impossible while it still can happen. Only a "
            "BITMART_BASE_URL on loopback may have less.",
            id="loans.E004",
        )
    unknown = set(settings.MONEY_PROBED_VENUES) - set(Venue.values)
    if unknown:
        hint = f"Known are {', '.join(Venue.values)}."
        yield Error("MONEY_PROBED_VENUES names no venue.", hint=hint, id="loans.E005")
    if settings.CONFIRM_MIN_SECONDS >= settings.CONFIRM_MAX_SECONDS:
        hint = "Nobody could confirm anything."
        text = "CONFIRM_MIN_SECONDS must be less than CONFIRM_MAX_SECONDS."
        yield Error(text, hint=hint, id="loans.E016")


@register(Tags.security, OURS)
def check_servers(app_configs: Sequence[Any] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Broker, cache and database on another machine need a password and an encrypted line."""
    addresses = {"CELERY_BROKER_URL": settings.CELERY_BROKER_URL}
    addresses["CACHE_URL"] = settings.CACHES["default"].get("LOCATION", "")
    for name, address in addresses.items():
        if address and not _is_readable(name, str(address)):
            hint = "It is like `redis://:password@host:6379/0`."
            yield Error(f"{name} is not readable.", hint=hint, id="loans.E017")
        else:
            yield from _open_server(name, str(address))
    found = settings.DATABASES["default"]
    if found["ENGINE"].endswith("sqlite3") or is_loopback(found.get("HOST")):
        return
    if not found.get("PASSWORD"):
        yield _without_password("DATABASE_URL")
    if found.get("OPTIONS", {}).get("sslmode") not in ENCRYPTED:
        yield _without_encryption(
            "DATABASE_URL",
            "Add `?sslmode=verify-full` to it, and `&sslrootcert=` "
            "with the file of the authority that signed its certificate.",
        )


@register(Tags.security, OURS)
def check_exposure(app_configs: Sequence[Any] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """What is seen from other machines shows no tracebacks, and is better encrypted. Hosts and
    origins are written so that a browser's can be equal to them.
    """
    hosts = [host for host in settings.ALLOWED_HOSTS if not is_loopback(host)]
    if settings.DEBUG and (hosts or not is_loopback(settings.BIND)):
        yield Error(
            "DEBUG is on, and other machines can reach this site.",
            hint="Error pages of DEBUG show settings and variables. Turn DEBUG off, or keep "
            "MARGINSITE_BIND and ALLOWED_HOSTS to loopback.",
            id="loans.E008",
        )
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts under which people open this site."
        yield Error("ALLOWED_HOSTS allows every host.", hint=hint, id="loans.E009")
    if any(set(host) & set("/ ") for host in settings.ALLOWED_HOSTS):
        hint = "Names alone, with commas and no spaces: `loans.example.com,localhost`."
        yield Error("ALLOWED_HOSTS is not readable.", hint=hint, id="loans.E018")
    if not all(ORIGIN.fullmatch(origin) for origin in settings.CSRF_TRUSTED_ORIGINS):
        hint = "Scheme and name, with commas and no spaces: `https://loans.example.com`."
        yield Error("CSRF_TRUSTED_ORIGINS is not readable.", hint=hint, id="loans.E019")
    if not is_loopback(settings.BIND) and not settings.HTTPS:
        hint = "Put a proxy with https before it and set MARGINSITE_HTTPS=true."
        yield Warning("Sign-ins travel in plain text.", hint=hint, id="loans.W010")
    for entry in settings.TRUSTED_PROXIES:
        if not _is_network(entry):
            hint = "Addresses or networks: `10.0.0.1,10.1.0.0/16`."
            yield Error("TRUSTED_PROXIES is not readable.", hint=hint, id="loans.E011")


@register(Tags.database, OURS)
def check_durability(
    app_configs: Sequence[Any] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """A commit must survive a power cut: that something was sent is never forgotten. Read back."""
    for alias in databases or ():
        connection = connections[alias]
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                level = cursor.execute("PRAGMA synchronous").fetchone()[0]
                is_durable, wanted = level >= SQLITE_FULL, "PRAGMA synchronous=FULL"
            else:
                cursor.execute("SELECT current_setting('synchronous_commit')")
                is_durable = cursor.fetchone()[0] != "off"
                wanted = "synchronous_commit = on"
        if not is_durable:
            hint = f"Set `{wanted}` for this database."
            yield Error("A commit may be lost in a power cut.", hint=hint, id="loans.E012")


@register(Tags.database, OURS)
def check_sealed_keys(
    app_configs: Sequence[Any] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """What traders entrusted must open with this keyring: another one is a loss nobody noticed."""
    if "default" not in (databases or ()):
        return
    try:
        ring = Keyring.parse(settings.CREDENTIAL_KEYS)
        lost = resealing.lost_key_ids(ring)
    except (VaultError, DatabaseError):
        return  # said elsewhere; or the tables are not there yet
    if lost:
        yield Error(
            f"Stored secrets do not open: they were sealed under {', '.join(lost)}.",
            hint="Put the secrets.env (or CREDENTIAL_KEYS) back that they were sealed with. If it "
            "is lost, start once with MARGINSITE_NEW_SECRETS=true, which removes what does not "
            "open; then put the exchange keys in and add the second factors again.",
            id="loans.E013",
        )


@register(Tags.database, OURS)
def check_pepper(
    app_configs: Sequence[Any] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The fingerprints of keys must be made with the pepper that made those which are stored."""
    if "default" not in (databases or ()):
        return
    try:
        is_another = peppers.is_another(settings.FINGERPRINT_PEPPER)
    except DatabaseError:
        return  # the tables are not there yet, or an older version made them
    if is_another:
        yield Error(
            "This database belongs to another FINGERPRINT_PEPPER: secrets.env was lost or changed.",
            hint="Put the secrets.env (or FINGERPRINT_PEPPER) back that belongs to it. If it is "
            "lost, start once with MARGINSITE_NEW_SECRETS=true, then put the exchange keys in "
            "again: under another pepper a key is not known again.",
            id="loans.E015",
        )


def _open_server(name: str, address: str) -> Iterator[CheckMessage]:
    parts = urlsplit(address)
    has_host = parts.scheme in ("redis", "rediss", "rediscache", "amqp", "amqps")
    if not has_host or is_loopback(parts.hostname):
        return
    if not parts.password:
        yield _without_password(name)
    if parts.scheme not in ("rediss", "amqps") or not _checks_certificates(name, parts):
        hint = "Use `rediss://`, for CELERY_BROKER_URL with `?ssl_cert_reqs=required` at its end."
        yield _without_encryption(name, hint)


def _checks_certificates(name: str, parts: SplitResult) -> bool:
    """Whether the server must show who it is. The cache asks unless it is told not to; Celery asks
    Redis only if it is told to.
    """
    told = parse_qs(parts.query).get("ssl_cert_reqs", [""])[-1]
    if not told:
        return name != "CELERY_BROKER_URL" or parts.scheme != "rediss"
    return told in ("required", "CERT_REQUIRED")


def _without_password(name: str) -> Error:
    hint = "Whoever reaches it can read or forge what waits there."
    text = f"{name} is on another machine and has no password."
    return Error(text, hint=hint, id="loans.E006")


def _without_encryption(name: str, hint: str) -> Error:
    text = f"{name} is on another machine without encryption that can be trusted."
    return Error(text, hint=hint, id="loans.E007")


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


def _is_readable(name: str, address: str) -> bool:
    """As far as can be told without asking: a broker may be whatever Celery knows."""
    try:
        if name == "CACHE_URL":
            ConnectionPool.from_url(address)
        return bool(urlsplit(address).scheme)
    except ValueError:
        return False
