"""What every test shares: the guards around transactional tests, and people."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection

from loans.models import guards
from tests.paper_fixture import paper, shared_paper
from tests.servers import skip_without_server

__all__ = ["paper", "shared_paper"]  # fixtures for every test


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a server or a browser that is not here."""
    skip_without_server(item)


@pytest.fixture(autouse=True)
def _guards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Transactional tests empty the tables afterwards, which the guards would refuse."""
    if not _is_transactional(request):
        yield
        return
    request.getfixturevalue("transactional_db")
    guards.install(connection)
    yield
    guards.remove(connection)


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
