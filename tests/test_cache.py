"""Pages go on without the cache, and at once; what must be counted fails loudly."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.core.internal import ratelimit
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from loans.models import Instruction
from marginsite import settings as product
from marginsite.cache import Cache
from tests.factories import PASSWORD
from tests.servers import redis_url
from tests.views.people import sign_in
from tests.views.trade import aged, make_desk, token_of

PATIENCE_SECONDS = 4.0


@pytest.fixture
def absent(tmp_path: Path) -> Cache:
    """A cache whose server is not there."""
    return Cache(f"unix://{tmp_path}/nobody.sock", {})


def test_a_read_without_the_server_is_a_miss(absent: Cache) -> None:
    assert absent.get("session") is None
    assert absent.get("session", "default") == "default"
    assert absent.get_many(["one", "two"]) == {}


def test_attempts_that_cannot_be_read_do_not_begin_anew(absent: Cache, owner: User) -> None:
    request = RequestFactory().get("/")
    rate = ratelimit.parse_rates("5/m/ip")[0]
    key = ratelimit.get_cache_key(request, app="account", action="login", rate=rate)

    with pytest.raises(RedisConnectionError):
        absent.get(key, [])


@pytest.mark.parametrize("change", [lambda c: c.set("a", 1), lambda c: c.delete("a")])
def test_a_change_without_the_server_is_an_error(absent: Cache, change: object) -> None:
    with pytest.raises(RedisConnectionError):
        change(absent)


@pytest.mark.redis
def test_with_a_server_it_counts_and_forgets() -> None:
    cache = Cache(redis_url(), {"KEY_PREFIX": "marginsite-test"})

    cache.set("attempts", 1, timeout=30)
    cache.incr("attempts")

    assert cache.get("attempts") == 2
    assert cache.delete("attempts")
    assert cache.get("attempts") is None


@pytest.fixture(params=["nobody", "frozen"])
def away(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[None]:
    """The site's own cache, where nobody listens, or somebody who never answers."""
    path = tmp_path / "away.sock"
    with socket.socket(socket.AF_UNIX) as server:
        if request.param == "frozen":
            server.bind(str(path))
            server.listen(64)
        location = {"LOCATION": f"unix://{path}?db=1"}
        settings.CACHES = {"default": product.CACHES["default"] | location}
        yield


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/rates/", "/loans/", "/settings/", "/healthz"])
def test_a_page_goes_on_at_once_while_the_cache_is_away(away: None, path: str) -> None:
    browser = make_desk(owed=True).client
    browser.get(path)  # what the first page of a process loads takes seconds
    began = time.monotonic()

    assert browser.get(path).status_code == 200

    assert time.monotonic() - began < PATIENCE_SECONDS


@pytest.mark.django_db
def test_a_confirmation_places_at_once_while_the_cache_is_away(away: None) -> None:
    desk = make_desk()
    token = aged(token_of(desk.client.post("/borrow/", desk.fields())), seconds=5)
    began = time.monotonic()

    answer = desk.client.post("/borrow/confirm/", {"token": token})

    assert answer["Location"] == f"/instructions/{Instruction.objects.get().pk}/"
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_a_session_that_ends_while_the_cache_is_away_is_not_back_with_it(
    owner: User, settings: Settings
) -> None:
    with_it = settings.CACHES
    browser = sign_in(owner)
    cookie = browser.cookies["sessionid"].value
    assert browser.get("/settings/").status_code == 200
    settings.CACHES = {"default": {"BACKEND": "marginsite.cache.Cache", "LOCATION": "unix:///no"}}

    assert browser.post("/accounts/logout/").status_code == 302

    settings.CACHES = with_it
    browser.cookies["sessionid"] = cookie
    assert browser.get("/settings/").status_code == 302


def test_nobody_signs_in_uncounted_while_the_cache_is_away_and_is_told_so(
    away: None, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()

    answer = Client().post(
        "/accounts/login/?next=/rates/", {"login": owner.username, "password": PASSWORD}
    )

    assert time.monotonic() - began < PATIENCE_SECONDS
    assert answer.status_code == 503
    assert answer["Retry-After"] == "30"
    assert 'href="/accounts/login/?next=/rates/"' in answer.content.decode()
    assert "must be counted" in answer.content.decode()
    assert "_auth_user_id" not in answer.wsgi_request.session
    assert not any(record.exc_info for record in caplog.records)
    assert "/accounts/login/ is refused" in caplog.text
