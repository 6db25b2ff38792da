"""Ringing costs the one who rings little, whatever has become of the broker."""

import socket
import time
from collections.abc import Iterator

import pytest
from celery import Celery, Task

from loans.tasks.bell import ring
from marginsite import settings as product

PATIENCE_SECONDS = 5.0


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of a broker that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def absent() -> str:
    """The address of a broker that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def task_at(broker: str) -> Task:
    """A task whose messages go to this broker as the site sends them."""
    app = Celery("bell", set_as_current=False)
    app.conf.broker_write_url = broker
    app.conf.broker_transport_options = product.CELERY_BROKER_TRANSPORT_OPTIONS

    @app.task(name="wake")
    def wake(_name: str) -> None: ...

    return wake


@pytest.mark.parametrize("broker", ["frozen", "absent"])
def test_a_bell_that_nobody_hears_takes_no_time(
    broker: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    task = task_at(request.getfixturevalue(broker))

    for _ in range(2):
        began = time.monotonic()
        ring(task, "one")
        assert time.monotonic() - began < PATIENCE_SECONDS

    assert caplog.messages == ["no broker: wake waits for the next tick"] * 2
