"""Whose address counts, which is what trusted proxies say; when the use of a session is noted."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from marginsite.middleware import client_address
from tests.factories import PASSWORD
from tests.views.people import let_time_pass, sign_in


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


class Clock:
    """The time of day, to be moved on."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def move(self, **span: float) -> None:
        """So far on."""
        self.now += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock.now)
    return clock


def test_a_session_is_noted_once_a_minute_and_pages_write_nothing(
    owner: User, clock: Clock
) -> None:
    client = Client()
    client.force_login(owner)
    client.get("/files/")

    with CaptureQueriesContext(connection) as quiet:
        client.get("/files/")
    noted = UserSession.objects.get().last_seen_at
    clock.move(minutes=1)
    client.get("/files/")

    assert [one["sql"] for one in quiet if not one["sql"].startswith("SELECT")] == []
    assert UserSession.objects.get().last_seen_at > noted


def test_a_session_that_comes_from_elsewhere_is_noted_at_once(owner: User, clock: Clock) -> None:
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


def test_a_session_that_is_used_goes_on_and_one_that_is_not_has_ended(
    owner: User, clock: Clock
) -> None:
    used, left = sign_in(owner), sign_in(owner)
    for _ in range(3):
        clock.move(minutes=15)
        assert used.get("/files/").status_code == 200

    cookie = left.cookies["sessionid"].value
    answer = left.get("/files/", follow=True)

    assert answer.redirect_chain == [("/accounts/login/?next=/files/", 302)]
    assert "there was no sign of you for a while" in answer.content.decode()
    left.cookies["sessionid"] = cookie
    assert left.get("/files/").status_code == 302
    assert used.get("/files/").status_code == 200


def test_a_page_that_refreshes_itself_is_no_sign_of_a_person(owner: User, clock: Clock) -> None:
    browser = sign_in(owner)
    by_itself = {"hx-request": "true", "x-by-itself": "yes"}

    told = []
    for _ in range(6):
        clock.move(minutes=7)
        told.append(browser.get("/", headers=by_itself).status_code)

    assert told == [200, 200, 200, 200, 401, 401]


def test_requests_beside_the_one_that_ends_a_session_end_with_it(
    owner: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = sign_in(owner), Client()
    other.cookies["sessionid"] = one.cookies["sessionid"].value
    clock.move(minutes=31)
    beside = []

    def log_out(request: HttpRequest) -> None:
        if not beside:
            beside.append(0)
            beside[0] = other.get("/files/").status_code
        logout(request)

    monkeypatch.setattr("marginsite.middleware.logout", log_out)

    assert one.get("/files/").status_code == 302
    assert beside == [302]


def test_a_session_without_a_row_is_judged_by_its_last_proof(owner: User, clock: Clock) -> None:
    browser = sign_in(owner)
    UserSession.objects.all().delete()
    clock.move(minutes=31)

    assert browser.get("/files/").status_code == 302


def test_a_post_that_comes_too_late_leads_to_a_page_that_there_is(
    owner: User, clock: Clock
) -> None:
    browser = sign_in(owner)
    clock.move(minutes=31)

    answer = browser.post("/borrow/confirm/", {"token": "x"}, follow=True)

    assert answer.redirect_chain == [("/accounts/login/", 302)]
    assert "no sign of you" in answer.content.decode()


def test_signing_in_with_an_ended_session_says_nothing_of_its_end(owner: User) -> None:
    browser = sign_in(owner)
    let_time_pass(browser, seconds=31 * 60)
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(minutes=31))

    typed = {"login": owner.username, "password": PASSWORD, "next": "/files/"}
    answer = browser.post("/accounts/login/", typed, follow=True)

    assert answer.redirect_chain == [("/files/", 302)]
    assert "no sign of you" not in answer.content.decode()


def test_another_process_may_have_seen_the_session_in_use(owner: User, clock: Clock) -> None:
    here = sign_in(owner)
    elsewhere = Client()
    elsewhere.cookies["sessionid"] = here.cookies["sessionid"].value
    for _ in range(3):
        clock.move(minutes=20)
        assert elsewhere.get("/files/").status_code == 200

    assert here.get("/files/").status_code == 200


def test_nobody_stays_signed_in_for_more_than_half_a_day(owner: User, clock: Clock) -> None:
    browser = sign_in(owner)
    for _ in range(12 * 3 - 1):
        clock.move(minutes=20)
        browser.get("/files/")
        touched = browser.session
        touched["touched"] = True  # which puts the cookie's own end off
        touched.save()
    assert browser.get("/files/").status_code == 200

    clock.move(minutes=21)

    answer = browser.get("/files/", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/accounts/login/")
