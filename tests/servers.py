"""What some tests need beside Python, and how it is found; `python3 run.py test` provides it."""

import os
import shutil

import pytest
from django.db import connection

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_program() -> str | None:
    """The Chromium of this machine."""
    return os.environ.get("TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)


def redis_url() -> str | None:
    """A Redis or Valkey that tests may fill and empty, in the form of redis-py."""
    return os.environ.get("TEST_REDIS_URL") or None


def skip_without_server(item: pytest.Item) -> None:
    """Skip a test whose marker asks for what is not here; the wording is known to `run.py test`."""
    if item.get_closest_marker("browser") and not browser_program():
        pytest.skip("needs Chromium: install it, or name it in TEST_BROWSER")
    if item.get_closest_marker("postgresql") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: name a server in TEST_DATABASE_URL")
    if item.get_closest_marker("redis") and not redis_url():
        pytest.skip("needs Redis: name a server in TEST_REDIS_URL")
