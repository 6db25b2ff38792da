"""Walks over every address there is: who gets in, what a stranger sees, what a GET may change.

The addresses come from the URL configuration itself, so that a new one is walked, too.
"""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from loans.models import Instruction, Job, State
from loans.services import jobs
from loans.services.audit import By
from tests import factories
from tests.views.people import sign_in

pytestmark = pytest.mark.django_db

OPEN = ("/healthz", "/readyz", "/favicon.ico", "/accounts/login/", "/accounts/logout/")
# What a person may see without signing in, beside these: nothing but ways to sign in.
WAYS_IN = ("/accounts/", "/admin/login/", "/static/")
PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>|\(\?P<(\w+)>[^()]*\)")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _routes(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix(r"\Z").rstrip("$")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


def _filled(route: str, ids: dict[str, object]) -> str:
    def value(found: re.Match) -> str:
        kind, name = found.group(1), found.group(2) or found.group(3)
        usual = {"uuid": uuid4(), "int": 1}.get(kind, "x")
        return str(ids.get(name, usual))

    return PARAMETER.sub(value, route).replace("\\", "")


ROUTES = sorted(set(_routes(get_resolver().url_patterns)))


class Room:
    """Somebody's account with everything that has an id, and a stranger's browser."""

    def __init__(self) -> None:
        owner = factories.make_person(name="owner")
        account = factories.make_account(owner=owner, label="Owner's desk")
        market = factories.make_market(price="60000")
        factories.make_terms(market=market)
        loan = factories.make_borrow(account=account)
        open_one = factories.make_instruction(account=account, state=State.NEEDS_HUMAN)
        share = factories.make_share(account=account, person=factories.make_person())
        self.owner = owner
        self.ids = {"keys": account.pk, "instructions": open_one.pk, "loans": loan.uuid}
        self.ids["team"] = share.pk
        by = By(owner, factories.NOW)
        job = jobs.place(kind=Job.Kind.ARCHIVE, accounts=[account], by=by, parameters={})
        self.ids["files"] = job.pk
        self.account = account
        self.stranger = sign_in(factories.make_person(name="stranger"))

    def addresses(self) -> list[tuple[str, str]]:
        """Each address with an id: the owner's, and the same with one that is nobody's."""
        found = []
        for route in ROUTES:
            part = route.split("/")[1]
            if part not in self.ids or not re.search(r"<(uuid|int):", route):
                continue
            for deed in ("stop", "enable", "allow-money"):
                theirs = dict.fromkeys(("pk", "uuid"), self.ids[part]) | {"deed": deed}
                nobodys = {"pk": 999_999 if part == "team" else uuid4(), "deed": deed}
                nobodys["uuid"] = nobodys["pk"]
                found.append((_filled(route, theirs), _filled(route, nobodys)))
        return sorted(set(found))


def _everything() -> dict[str, list]:
    """Every row there is, but for sessions, which remember that they were used, and what allauth
    notes of a person's own address when its page is opened.
    """
    skipped = (Session, *map(apps.get_model, ("usersessions.UserSession", "account.EmailAddress")))
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model not in skipped and issubclass(model, models.Model)
    }


def test_the_walk_finds_every_kind_of_address() -> None:
    parts = {route.split("/")[1] for route in ROUTES}

    assert {
        "keys",
        "instructions",
        "loans",
        "team",
        "borrow",
        "admin",
        "accounts",
        "files",
    } <= parts
    assert len(ROUTES) > 100


def test_nobody_gets_in_without_signing_in() -> None:
    Room()
    browser = Client(raise_request_exception=False)
    let_in = []
    for route in ROUTES:
        path = _filled(route, {})
        for answer in (browser.get(path), browser.post(path)):
            if answer.status_code < 300 and not path.startswith((*OPEN, *WAYS_IN)):
                let_in.append(path)
            assert answer.status_code < 500, path

    assert let_in == []


def test_for_a_stranger_what_is_anothers_does_not_exist() -> None:
    room = Room()
    before, seen = _everything(), []
    assert len(room.addresses()) > 12
    for theirs, nobodys in room.addresses():
        for method in (room.stranger.get, room.stranger.post):
            for headers in ({}, {"HX-Request": "true", "HX-Target": "instruction-story"}):
                one, other = method(theirs, headers=headers), method(nobodys, headers=headers)
                same = one.status_code == other.status_code and one.content == other.content
                if one.status_code not in (404, 405) or not same:
                    seen.append((method.__name__, theirs, one.status_code))

    assert seen == []
    assert _everything() == before


@pytest.mark.parametrize(
    "path",
    [
        *("/borrow/", "/repay/", "/loans/", "/instructions/", "/history/borrows/", "/keys/"),
        *("/history/repays.csv", "/audit/", "/team/", "/", "/alerts/", "/status/"),
    ],
)
def test_a_query_for_anothers_account_shows_nothing_of_it(path: str) -> None:
    room = Room()

    answer = room.stranger.get(path, {"account": str(room.account.pk), "person": "owner"})

    assert answer.status_code in (200, 302, 400, 404)
    assert b"Owner&#x27;s desk" not in answer.content
    assert str(room.account.fingerprint).encode() not in answer.content


def test_looking_changes_nothing() -> None:
    room = Room()
    User.objects.filter(pk=room.owner.pk).update(is_staff=True, is_superuser=True)
    browser = sign_in(room.owner)
    browser.raise_request_exception = False
    before, failed = _everything(), []
    for route in ROUTES:
        part = route.split("/")[1]
        path = _filled(route, {name: room.ids.get(part, 1) for name in ("pk", "uuid")})
        if path != "/accounts/logout/" and browser.get(path).status_code >= 500:
            failed.append(path)

    assert failed == []
    after = _everything()
    assert {label for label in after if after[label] != before[label]} == set()


def test_no_post_goes_through_without_the_forms_own_token() -> None:
    room = Room()
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.cookies = sign_in(room.owner).cookies
    before, let_in = _everything(), []
    for route in ROUTES:
        part = route.split("/")[1]
        path = _filled(route, {name: room.ids.get(part, 1) for name in ("pk", "uuid")})
        if browser.post(path, {"verdict": "executed"}).status_code not in (403, 404, 405):
            let_in.append(path)

    assert let_in == []
    assert _everything() == before
    assert Instruction.objects.get().state == State.NEEDS_HUMAN


def test_every_answer_carries_the_headers_that_browsers_obey() -> None:
    room = Room()
    browser, missing = sign_in(room.owner), set()
    browser.raise_request_exception = False
    for route in ROUTES:
        path = _filled(route, {})
        for headers in ({}, {"HX-Request": "true"}):
            answer = browser.get(path, headers=headers)
            for name, value in HEADERS.items():
                if value not in answer.headers.get(name, ""):
                    missing.add((name, path, answer.status_code))

    assert missing == set()


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("//e.example", "///e.example", r"/\e.example", r"\\e.example", "https:e.example"),
        *("https://e.example/", "http:///e.example", "javascript:alert(1)", "data:text/html,x"),
        *("/%5ce.example", "%2f%2fe.example", "//e.example%2f..", "\t//e.example", "/\t/e.example"),
        *(
            "https://testserver@e.example/",
            "https://testserver.e.example/",
            "//e.example@testserver",
        ),
        *("/\r\nLocation: https://e.example/", "ftp://testserver/", "\x01//e.example"),
    ],
)
def test_signing_in_leads_to_this_site_only(elsewhere: str) -> None:
    person = factories.make_person()
    browser = sign_in(person)
    proof = browser.post(
        "/accounts/reauthenticate/", {"password": factories.PASSWORD, "next": elsewhere}
    )
    fields = {"login": person.username, "password": factories.PASSWORD, "next": elsewhere}
    entry = Client().post("/accounts/login/", fields)

    for answer in (proof, entry):
        there = answer.headers.get("Location", "/")
        assert not re.search(r"[\x00-\x1f]", there)
        # As browsers read it, for which a backslash is a slash.
        read = urlsplit(urljoin("http://testserver/accounts/login/", there.replace("\\", "/")))
        assert (read.scheme, read.netloc) == ("http", "testserver")
