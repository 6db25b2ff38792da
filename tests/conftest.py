"""What every test shares: the guards around transactional tests, and people."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection

from loans.models import guards
from tests.paper_fixture import paper, shared_paper
from tests.servers import skip_without_server

__all__ = ["paper", "shared_paper"]  # fixtures for every test

_guards_are_away = False


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a server or a browser that is not here."""
    skip_without_server(item)


@pytest.fixture(autouse=True)
def _guards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Transactional tests empty the tables afterwards, which the guards would refuse.

    They are taken away for that, and put back by every test that comes later in this process.
    """
    global _guards_are_away
    transactional = _is_transactional(request)
    if not transactional and not (_guards_are_away and _uses_database(request)):
        yield
        return
    request.getfixturevalue("transactional_db" if transactional else "db")
    guards.install(connection)
    yield
    if transactional:
        guards.remove(connection)
        _guards_are_away = True


def _uses_database(request: pytest.FixtureRequest) -> bool:
    return "db" in request.fixturenames or bool(request.node.get_closest_marker("django_db"))


def _is_transactional(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    asked = {"transactional_db", "live_server"} & set(request.fixturenames)
    return bool(asked) or bool(marker and marker.kwargs.get("transaction"))


@pytest.fixture
def owner(db: None) -> User:
    """The person whose accounts a test uses."""
    return User.objects.create_user("owner", "owner@example.org", "correct horse battery")


@pytest.fixture
def colleague(db: None) -> User:
    """A person with whom something may be shared."""
    return User.objects.create_user("colleague", "colleague@example.org", "correct horse battery")


@pytest.fixture
def stranger(db: None) -> User:
    """A person with whom nothing is shared."""
    return User.objects.create_user("stranger", "stranger@example.org", "correct horse battery")
