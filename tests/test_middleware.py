"""Whose address counts, which is what trusted proxies say; when the use of a session is noted."""

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from marginsite.middleware import client_address


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ([], "203.0.113.5", "198.51.100.9", "203.0.113.5"),
        (["10.0.0.1"], "203.0.113.5", "198.51.100.9", "203.0.113.5"),
        (["10.0.0.1"], "10.0.0.1", "198.51.100.9", "198.51.100.9"),
        (["10.0.0.1"], "10.0.0.1", "1.2.3.4, 198.51.100.9", "198.51.100.9"),
        (["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        (["10.0.0.1"], "10.0.0.1", "", "10.0.0.1"),
        (["fd00::/8"], "fd00::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_callers_address_is_taken_from_trusted_proxies_only(
    settings: Settings, proxies: list[str], peer: str, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.META["REMOTE_ADDR"])

    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert client_address(answer)(request).content.decode() == address


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The process's clock, to be moved on."""
    now = [1000.0]
    monkeypatch.setattr("marginsite.middleware.monotonic", lambda: now[0])
    return now


def test_a_session_is_noted_once_a_minute_and_pages_write_nothing(
    owner: User, ticks: list[float]
) -> None:
    client = Client()
    client.force_login(owner)
    client.get("/files/")

    with CaptureQueriesContext(connection) as quiet:
        client.get("/files/")
    noted = UserSession.objects.get().last_seen_at
    ticks[0] += 60
    client.get("/files/")

    assert [one["sql"] for one in quiet if not one["sql"].startswith("SELECT")] == []
    assert UserSession.objects.get().last_seen_at > noted


def test_a_session_that_comes_from_elsewhere_is_noted_at_once(
    owner: User, ticks: list[float]
) -> None:
    client = Client()
    client.force_login(owner)
    for address, browser in (
        ("203.0.113.5", "one"),
        ("198.51.100.9", "one"),
        ("198.51.100.9", "b"),
    ):
        client.get("/files/", REMOTE_ADDR=address, HTTP_USER_AGENT=browser)
        session = UserSession.objects.get()
        assert (session.ip, session.user_agent) == (address, browser)
