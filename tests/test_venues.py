"""Where venues are, what signs for an account, and which server counts the calls."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from loans import venues
from loans.models import Account, Venue
from loans.services.credentials import open_credentials
from loans.services.limiter import DatabaseStore, RedisStore
from loans.vault import VaultError
from tests.factories import make_account


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://:word@host:6379/3", "redis://:word@host:6379/3"),
        ("rediss://host/1", "rediss://host/1"),
        ("unix:///run/v.sock?db=1", "unix:///run/v.sock?db=1"),
        ("redis+socket:///run/v.sock?virtual_host=1", "unix:///run/v.sock?db=1"),
        ("redis+socket:///run/v.sock", "unix:///run/v.sock"),
        ("amqp://host//", None),
        ("memory://", None),
        ("", None),
    ],
)
def test_a_server_that_speaks_redis_is_recognised(address: str, expected: str | None) -> None:
    assert venues.redis_url(address) == expected


def test_calls_are_counted_on_the_cache_server_where_there_is_one(
    settings: Settings,
) -> None:
    settings.CACHES = {"default": {"LOCATION": "unix:///nowhere/v.sock?db=1"}}

    assert isinstance(venues.limiter_for(Venue.PAPER)._store, RedisStore)


def test_calls_are_counted_in_the_database_otherwise(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "amqp://host//"

    assert isinstance(venues.limiter_for(Venue.PAPER)._store, DatabaseStore)


@pytest.mark.parametrize(
    "address", ["http://api.example.org", "ftp://127.0.0.1", "https://a:b@host", "https://host/x"]
)
def test_an_address_that_must_not_be_called_is_named(settings: Settings, address: str) -> None:
    settings.BITMART_BASE_URL = address

    with pytest.raises(ImproperlyConfigured, match="BITMART_BASE_URL"):
        venues.base_url(Venue.BITMART)


def sealed_account() -> Account:
    account = make_account(owner=None)
    account.seal(venues.keyring(), access_key="access", secret="secret", memo="")
    account.save()
    return account


@pytest.mark.django_db
def test_a_sealed_key_opens_on_its_own_row() -> None:
    credentials = open_credentials(sealed_account(), keyring=venues.keyring())

    assert credentials.access_key.reveal() == "access"
    assert credentials.memo.reveal() == ""


@pytest.mark.django_db
def test_a_sealed_key_does_not_open_on_another_row() -> None:
    account, other = sealed_account(), make_account(owner=None, label="Other")
    other.access_key_sealed = account.access_key_sealed

    with pytest.raises(VaultError):
        open_credentials(other, keyring=venues.keyring())


@pytest.mark.django_db
def test_an_account_without_a_key_says_so() -> None:
    account = make_account(owner=None, access_key_sealed="", secret_sealed="", memo_sealed="")

    with pytest.raises(VaultError, match="holds no key"):
        open_credentials(account, keyring=venues.keyring())
