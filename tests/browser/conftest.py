"""Chromium for the browser tests, and pages that fail their test when they complain.

The browser lives for one module: while it does, its event loop runs in this thread, and Django must
be told that this is meant.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.servers import browser_program

UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"
# What Chromium itself writes for every answer of 400 and above; the answer may well be meant.
STATUS_LINE = "Failed to load resource: the server responded with a status of"

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a module."""
    os.environ[UNSAFE] = "true"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        chromium = playwright.chromium.launch(executable_path=browser_program(), args=arguments)
        yield chromium
        chromium.close()
    del os.environ[UNSAFE]


@pytest.fixture
def open_page(browser: Browser, live_server: LiveServer) -> Iterator[OpenPage]:
    """`open_page("/rates/", person=owner)`: a page of its own context, signed in if asked.

    At the end no page may have written an error to its console, broken the content policy included;
    `meant` is how the lines begin that a test provokes.
    """
    complaints: list[str] = []
    contexts = []

    def open_one(
        address: str,
        *,
        person: User | None = None,
        width: int = 1440,
        meant: str = STATUS_LINE,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, base_url=live_server.url, **options
        )
        contexts.append(context)
        if person is not None:
            context.add_cookies([_session_cookie(person, live_server.url)])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda line: _note(line, page, complaints, meant))
        page.goto(address)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


def _note(line: Any, page: Page, complaints: list[str], meant: str) -> None:
    if line.type in ("error", "warning") and not line.text.startswith((STATUS_LINE, meant)):
        complaints.append(f"{page.url}: {line.text}")


def _session_cookie(person: User, url: str) -> dict[str, str]:
    client = Client()
    client.force_login(person)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {"name": settings.SESSION_COOKIE_NAME, "value": value, "url": url}
