"""Dangerous settings are refused, each with an id and a hint."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.core.checks import run_checks
from django.db import connection
from pytest_django import Settings

from loans import checks

REMOTE_CACHE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://:word@cache.example.org",
}
BROKER = "rediss://:word@broker.example.org/0"


def ids(**kwargs: Any) -> list[str]:
    """The ids of what is complained about."""
    return [message.id for message in run_checks(**kwargs) if message.id.startswith("loans.")]


def test_the_defaults_are_fine() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"CREDENTIAL_KEYS": ""}, "loans.E001"),
        ({"CREDENTIAL_KEYS": "k1:dG9vc2hvcnQ"}, "loans.E001"),
        ({"BITMART_BASE_URL": "http://api.example.org"}, "loans.E003"),
        ({"PAPER_BASE_URL": "ftp://127.0.0.1"}, "loans.E003"),
        ({"PAPER_BASE_URL": "https://api-cloud.bitmart.com"}, "loans.E014"),
        ({"MONEY_EXPIRY_SECONDS": 59}, "loans.E004"),
        ({"MONEY_PROBED_VENUES": ["elsewhere"]}, "loans.E005"),
        ({"CELERY_BROKER_URL": "rediss://broker.example.org/0"}, "loans.E006"),
        ({"CELERY_BROKER_URL": "redis://:word@broker.example.org/0"}, "loans.E007"),
        ({"CELERY_BROKER_URL": BROKER}, "loans.E007"),
        ({"CELERY_BROKER_URL": f"{BROKER}?ssl_cert_reqs=none"}, "loans.E007"),
        ({"CACHES": {"default": REMOTE_CACHE}}, "loans.E007"),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["desk.example.org"]}, "loans.E008"),
        ({"DEBUG": True, "BIND": "0.0.0.0"}, "loans.E008"),
        ({"ALLOWED_HOSTS": ["*"]}, "loans.E009"),
        ({"BIND": "0.0.0.0"}, "loans.W010"),
        ({"TRUSTED_PROXIES": ["the proxy"]}, "loans.E011"),
        ({"CONFIRM_MIN_SECONDS": 2, "CONFIRM_MAX_SECONDS": 1}, "loans.E016"),
        ({"CONFIRM_MIN_SECONDS": 2, "CONFIRM_MAX_SECONDS": 2}, "loans.E016"),
        ({"CACHES": {"default": REMOTE_CACHE | {"LOCATION": "foo"}}}, "loans.E017"),
        ({"CACHES": {"default": REMOTE_CACHE | {"LOCATION": "redis://h:port/1"}}}, "loans.E017"),
        ({"CELERY_BROKER_URL": "foo"}, "loans.E017"),
        ({"CELERY_BROKER_URL": "redis://[::1/0"}, "loans.E017"),
        ({"ALLOWED_HOSTS": ["https://loans.example.com"]}, "loans.E018"),
        ({"ALLOWED_HOSTS": ["localhost", " loans.example.com"]}, "loans.E018"),
        ({"CSRF_TRUSTED_ORIGINS": ["loans.example.com"]}, "loans.E019"),
        ({"CSRF_TRUSTED_ORIGINS": ["https://loans.example.com/"]}, "loans.E019"),
    ],
)
def test_a_dangerous_setting_is_named(
    settings: Settings, changes: dict[str, Any], complaint: str
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    assert complaint in ids()


@pytest.mark.parametrize(
    "changes",
    [
        {"MONEY_EXPIRY_SECONDS": 2, "BITMART_BASE_URL": "http://127.0.0.1:8001"},
        {"CELERY_BROKER_URL": "redis://127.0.0.1:6379/0"},
        {"CELERY_BROKER_URL": "redis+socket:///run/broker.sock"},
        {"CELERY_BROKER_URL": f"{BROKER}?ssl_cert_reqs=required"},
        {"CACHES": {"default": REMOTE_CACHE | {"LOCATION": "rediss://:word@cache.example.org"}}},
        {"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "[::1]"]},
        {"BIND": "0.0.0.0", "HTTPS": True, "ALLOWED_HOSTS": ["desk.example.org"]},
        {"TRUSTED_PROXIES": ["10.0.0.1", "fd00::/8"]},
        {"CACHES": {"default": REMOTE_CACHE | {"LOCATION": "unix:///run/broker.sock?db=1"}}},
        {"CSRF_TRUSTED_ORIGINS": ["https://loans.example.com", "http://*.localhost:8443"]},
    ],
)
def test_a_harmless_setting_is_let_be(settings: Settings, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    assert ids() == []


def test_a_database_elsewhere_needs_a_password_and_encryption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = current.DATABASES["default"]
    remote = {"ENGINE": "django.db.backends.postgresql", "HOST": "db.example.org", "PASSWORD": ""}
    for name, value in (remote | {"OPTIONS": {}}).items():
        monkeypatch.setitem(found, name, value)
    assert ids() == ["loans.E006", "loans.E007"]

    monkeypatch.setitem(found, "PASSWORD", "word")
    monkeypatch.setitem(found, "OPTIONS", {"sslmode": "verify-full"})
    assert ids() == []


def test_every_complaint_has_a_hint_and_no_secret(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://:a-secret-word@broker.example.org/0"
    settings.CREDENTIAL_KEYS = "k1:a-secret-key"

    found = [message for message in run_checks() if message.id.startswith("loans.")]

    assert found
    assert all(message.hint for message in found)
    assert not [text for text in map(str, found) if "a-secret" in text]


def test_secrets_that_others_can_read_are_refused(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "secrets.env").touch(mode=0o644)

    assert ids() == ["loans.E002"]


def test_the_tests_own_keyring_is_not_the_secret_key(settings: Settings) -> None:
    settings.SECRET_KEY = current.CREDENTIAL_KEYS.partition(":")[2]

    assert "loans.E001" in ids()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_may_forget_a_commit_is_refused() -> None:
    durability = {"tags": ["database"], "databases": ["default"]}
    lax, safe = (
        ("PRAGMA synchronous=NORMAL", "PRAGMA synchronous=FULL")
        if connection.vendor == "sqlite"
        else ("SET synchronous_commit = off", "SET synchronous_commit = on")
    )

    assert ids(**durability) == []
    with connection.cursor() as cursor:
        cursor.execute(lax)
        try:
            assert ids(**durability) == ["loans.E012"]
        finally:
            cursor.execute(safe)


@pytest.mark.parametrize(
    ("host", "answer"),
    [("", True), ("/run/x.sock", True), ("::1", True), ("127.9.9.9", True), ("10.0.0.1", False)],
)
def test_this_machine_is_known(host: str, answer: bool) -> None:
    assert checks.is_loopback(host) is answer
