"""A key that is put in comes out nowhere: not on pages, in logs, in the database or in reports."""

import logging

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from loans.models import Account
from tests.views.people import sign_in

pytestmark = pytest.mark.django_db
KEY = {"access_key": "CANARY-access", "secret": "CANARY-secret", "memo": "CANARY-memo"}
FORM = {"venue": "bitmart", "label": "Desk", "allow_money": "on", **KEY}


@pytest.fixture
def browser(owner: User) -> Client:
    """The owner's browser, just signed in."""
    return sign_in(owner)


def whole_database() -> str:
    """Every cell of every table."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found += [repr(row) for row in cursor.fetchall()]
    return "\n".join(found)


def test_a_key_is_on_no_page_in_no_table_and_in_no_log_at_debug(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        browser.post("/keys/add/", FORM | {"label": ""}),
        browser.post("/keys/add/", FORM | {"venue": "elsewhere"}),
        browser.post("/keys/add/", FORM | {"memo": "CANARY-" * 40}),
        browser.post("/keys/add/", FORM),
        browser.post("/keys/add/", FORM),
    ]
    account = Account.objects.get()
    answers += [browser.post(f"/keys/{account.pk}/replace/", KEY | {"secret": ""})]
    paths = ("/keys/", f"/keys/{account.pk}/", f"/keys/{account.pk}/replace/", "/audit/", "/team/")
    answers += [browser.get(path) for path in paths]

    assert [answer.status_code for answer in answers[:6]] == [422, 422, 422, 303, 422, 422]
    assert not any(b"CANARY" in answer.content for answer in answers)
    assert "CANARY" not in caplog.text
    assert "Desk" in whole_database()
    assert "CANARY" not in whole_database()


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_while_a_key_is_kept_is_reported_without_it(
    browser: Client, settings: Settings, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.DEBUG, settings.FINGERPRINT_PEPPER = debug, None  # the one fails, the other shows it
    browser.raise_request_exception = False

    answer = browser.post("/keys/add/", FORM)

    assert answer.status_code == 500
    assert ("fingerprint" in answer.content.decode()) is debug
    assert b"CANARY" not in answer.content
    assert "CANARY" not in caplog.text
