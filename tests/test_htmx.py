"""Which answer a request gets: the page, or the fragment it may ask for."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_market, make_terms

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client, owner: User) -> Client:
    make_terms(market=make_market())
    client.force_login(owner)
    return client


def ask(client: Client, **headers: str) -> str:
    return client.get("/rates/", headers=headers).content.decode()


def test_a_plain_request_gets_the_page(page: Client) -> None:
    assert "<html" in ask(page)


def test_htmx_gets_the_fragment_that_it_names(page: Client) -> None:
    body = ask(page, hx_request="true", hx_target="rate-rows")

    assert body.lstrip().startswith('<tbody id="rate-rows"')


def test_a_fragment_the_view_does_not_offer_is_answered_with_the_page(page: Client) -> None:
    assert "<html" in ask(page, hx_request="true", hx_target="../../secrets")


def test_boosted_links_and_history_restores_get_the_page(page: Client) -> None:
    named = {"hx_request": "true", "hx_target": "rate-rows"}

    assert "<html" in ask(page, **named, hx_boosted="true")
    assert "<html" in ask(page, **named, hx_history_restore_request="true")


def test_caches_are_told_what_the_answer_depends_on(page: Client) -> None:
    assert "HX-Target" in page.get("/rates/").headers["Vary"]


def test_a_fragment_asked_for_without_a_session_sends_the_page_to_sign_in(client: Client) -> None:
    answer = client.get("/rates/", headers={"hx_request": "true", "hx_target": "rate-rows"})

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/accounts/login/")
