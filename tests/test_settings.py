"""Nonsense in a setting ends the start with a sentence that names it, and shows no secret."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from marginsite.settings import bool_setting, database_of, decimal_setting
from tests.commands import manage

UNREADABLE = (
    "postgres//me:a-secret@host/name",
    "postgres://me:a-secret@host:port/name",
    "postgres://me:a-secret/word@host/name",
    "postgres://me:a-secret@host/",
    "mysql://me:a-secret@host/name",
    "sqlite://",
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("true", True), ("Yes", True), ("1", True), ("False", False), ("off", False), ("", False)],
)
def test_a_switch_is_on_or_off(text: str, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINSITE_HTTPS", text)

    assert bool_setting("MARGINSITE_HTTPS") is answer


@pytest.mark.parametrize("text", ["ture", "maybe", "2", "true # yes"])
def test_a_switch_that_is_misspelt_is_not_off(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINSITE_HTTPS", text)

    with pytest.raises(ImproperlyConfigured, match="MARGINSITE_HTTPS must be one of true"):
        bool_setting("MARGINSITE_HTTPS")


@pytest.mark.parametrize("text", ["abc", "0", "-1", "Infinity", "NaN", "sNaN"])
def test_seconds_that_are_none_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONEY_QUEUE_SECONDS", text)

    with pytest.raises(ImproperlyConfigured, match="MONEY_QUEUE_SECONDS must be a positive"):
        decimal_setting("MONEY_QUEUE_SECONDS", "60")


def test_empty_seconds_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONEY_QUEUE_SECONDS", "")

    assert decimal_setting("MONEY_QUEUE_SECONDS", "60") == Decimal(60)


@pytest.mark.parametrize("url", UNREADABLE)
def test_an_unreadable_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be like") as refusal:
        database_of(url)

    assert "a-secret" not in str(refusal.value)
    assert refusal.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["postgres://me@host/name", "postgresql:////run/name", "sqlite:////srv/x.sqlite3"]
)
def test_a_readable_database_is_taken(url: str) -> None:
    assert database_of(url)["NAME"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "loud"),
        ("DATABASE_URL", "postgres://me:a-secret@127.0.0.1:1/name"),
        ("DATABASE_URL", "sqlite:////proc/nowhere/x.sqlite3"),
        ("MARGINSITE_DATA_DIR", "/dev/null/data"),
    ],
)
def test_what_is_known_only_at_the_start_is_a_sentence(
    name: str, value: str, tmp_path: Path
) -> None:
    outcome = manage("first_start", **{"MARGINSITE_DATA_DIR": str(tmp_path), name: value})

    assert outcome.returncode == 1
    assert name in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert "a-secret" not in outcome.stderr
