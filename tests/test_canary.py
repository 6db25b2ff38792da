"""A key goes in once and comes out nowhere: pages, logs, messages, mails, the database, the admin.

Unique texts are stored through the front door, everything is used and crawled, and every byte that
was produced is searched.
"""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from kombu.transport.memory import Channel
from pytest_django import Settings

from loans import tasks
from loans.models import Account, AuditEvent
from tests.factories import PASSWORD, make_share
from tests.paper_fixture import Paper, PaperKey
from tests.views.people import sign_in

MEMO = "canary-memo-5f1c"
WRONG_SECRET = "canary-wrong-secret-77aa"
PAGES_AT_MOST = 250


@pytest.fixture
def key(paper: Paper, settings: Settings) -> PaperKey:
    """A key of the paper exchange, reached under the address of the settings."""
    settings.PAPER_BASE_URL = paper.base_url
    return paper.new_key(memo=MEMO)


def canaries(key: PaperKey) -> list[str]:
    """Every text that must not be seen."""
    return [key.access_key, key.secret, MEMO, WRONG_SECRET]


def found_in(text: str, key: PaperKey) -> list[str]:
    """Which canaries a text holds."""
    return [canary for canary in canaries(key) if canary in text]


def pages_of(browser: Client) -> Iterator[tuple[str, str]]:
    """Every page that can be reached by links, with everything it answered."""
    waiting = ["/", "/keys/", "/audit/", "/status/", "/alerts/", "/team/", "/settings/", "/admin/"]
    seen = set(waiting)
    while waiting and len(seen) < PAGES_AT_MOST:
        path = waiting.pop(0)
        answer = browser.get(path)
        body = b"".join(answer) if answer.streaming else answer.content
        text = body.decode(errors="replace")
        yield path, text + str(dict(answer.headers))
        links = re.findall(r'(?:href|hx-get)="([^"#]+)"', text.replace("&amp;", "&"))
        for link in (urljoin(path, link) for link in links):
            if link.startswith("/") and "logout" not in link and link not in seen:
                seen.add(link)
                waiting.append(link)


def database_text() -> str:
    """Every value of every table."""
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        rows = []
        for name in names:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            rows += [str(row) for row in cursor.fetchall()]
    return "\n".join(rows)


def store_and_use(browser: Client, key: PaperKey) -> Account:
    """Put the key in, check it, read with it, then make it wrong and check again."""
    form = {"venue": "paper", "label": "Desk"}
    texts = {"access_key": key.access_key, "secret": key.secret, "memo": key.memo}
    refused = browser.post("/keys/add/", {**form, **texts, "label": ""})
    assert not found_in(refused.content.decode(), key)
    assert browser.post("/keys/add/", {**form, **texts}).status_code == 303
    account = Account.objects.get()
    tasks.check_key(str(account.pk))
    tasks.refresh_account(str(account.pk))
    twice = browser.post("/keys/add/", {**form, **texts})
    assert not found_in(twice.content.decode(), key)
    browser.post(f"/keys/{account.pk}/replace/", {**texts, "secret": WRONG_SECRET})
    tasks.check_key(str(account.pk))
    assert account.lights.get(name="signs").state == "red"
    return account


@pytest.mark.django_db(transaction=True)
def test_a_stored_key_is_seen_nowhere(
    key: PaperKey, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    owner, colleague, boss = (
        User.objects.create_user(name, f"{name}@example.org", PASSWORD)
        for name in ("owner", "colleague", "boss")
    )
    User.objects.filter(pk=boss.pk).update(is_staff=True, is_superuser=True)
    browser = sign_in(owner)

    account = store_and_use(browser, key)
    make_share(account=account, person=colleague)

    crawled = 0
    for person in (owner, colleague, boss):
        for path, text in pages_of(sign_in(person)):
            crawled += 1
            assert not found_in(text, key), path
    assert crawled > 60
    assert not found_in(database_text(), key)
    assert not found_in(caplog.text, key)
    assert not found_in("".join(capfd.readouterr()), key)
    assert not found_in(str([list(queue.queue) for queue in Channel.queues.values()]), key)
    assert AuditEvent.objects.filter(action="key_replaced").exists()


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_while_storing_a_key_shows_nothing_of_it(
    key: PaperKey,
    owner: User,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    settings.ADMINS = [("Operator", "operator@example.org")]
    browser = sign_in(owner)
    browser.raise_request_exception = False
    settings.CREDENTIAL_KEYS = "broken"  # the keyring fails in the middle of storing

    texts = {"access_key": key.access_key, "secret": key.secret, "memo": key.memo}
    answer = browser.post("/keys/add/", {"venue": "paper", "label": "Desk", **texts})

    assert answer.status_code == 500
    assert debug or mail.outbox, "the operator is told"
    reports = "".join(str(message.message()) for message in mail.outbox)
    assert not found_in(answer.content.decode() + reports + caplog.text, key)
    assert settings.FINGERPRINT_PEPPER not in answer.content.decode()
