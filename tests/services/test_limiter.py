"""The limiter: the same cases against every store, and real processes against a real server."""

import contextlib
import multiprocessing
import secrets
import time

import pytest
import redis
from django.db import connection

from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.bitmart.errors import RateLimited
from loans.bitmart.secret import Credentials
from loans.services.limiter import DatabaseStore, GiveWay, RedisStore, SharedLimiter, stores
from loans.services.limiter.database import ProcessStore
from loans.services.limiter.stores import Demand, Outcome, Store, StoreDown
from tests.paper_fixture import Paper, PaperKey
from tests.servers import redis_url

HOLD_US = 10 * stores.SECOND_US
TWO_IN_TWO = Demand("key:k:pairs", 2, 2_000_000, 100)


@pytest.fixture(
    params=[
        "process",
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Each store, past the window that a new one waits."""
    for module in ("rules", "redis"):
        monkeypatch.setattr(f"loans.services.limiter.{module}.SETTLE_US", 0)
    return make_store(request.param)


def make_store(kind: str) -> Store:
    name = f"test-{secrets.token_hex(6)}"
    if kind == "redis":
        return RedisStore(redis.Redis.from_url(redis_url()), venue=name)
    return DatabaseStore(name) if kind == "database" else ProcessStore()


def acquire(store: Store, *demands: Demand, ticket: str = "", background: bool = False) -> int:
    """How long to wait, in microseconds; 0 is leave."""
    grant = store.acquire(
        ticket or secrets.token_hex(4),
        demands or [TWO_IN_TWO],
        hold_us=HOLD_US,
        is_background=background,
    )
    return grant.wait_us


def complete(store: Store, ticket: str, *scopes: str, outcome: Outcome = Outcome.ANSWERED) -> None:
    store.complete(ticket, scopes or ["key:k:pairs"], outcome=outcome, jitter_percent=50)


def test_leave_is_given_up_to_the_limit_and_then_not(store: Store) -> None:
    assert [acquire(store), acquire(store)] == [0, 0]

    assert acquire(store) == 2_000_000


def test_a_permit_counts_for_a_window_after_its_completion_not_its_start(store: Store) -> None:
    acquire(store, ticket="a")
    acquire(store, ticket="b")
    time.sleep(0.3)
    complete(store, "a")

    wait = acquire(store)

    assert 1_700_000 < wait <= 2_000_000


def test_what_has_left_the_window_is_not_counted(store: Store) -> None:
    short = Demand("key:k:pairs", 1, 200_000, 100)
    acquire(store, short, ticket="a")
    complete(store, "a")
    time.sleep(0.25)

    assert acquire(store, short) == 0


def test_a_holder_that_died_counts_until_a_window_after_its_hold(store: Store) -> None:
    short = Demand("key:k:pairs", 1, 200_000, 100)
    store.acquire("dead", [short], hold_us=100_000, is_background=False)
    time.sleep(0.15)

    assert 0 < acquire(store, short) <= 150_000
    time.sleep(0.2)
    assert acquire(store, short) == 0


def test_leave_in_one_scope_and_none_in_another_takes_nothing(store: Store) -> None:
    address = Demand("ip", 1, 2_000_000, 100)
    acquire(store, address, ticket="other")

    assert acquire(store, TWO_IN_TWO, address) > 0
    assert [acquire(store), acquire(store)] == [0, 0]


def test_a_lower_class_leaves_room_for_those_before_it(store: Store) -> None:
    ten = Demand("key:k:records", 10, 2_000_000, 100)
    back_fill = Demand("key:k:records", 10, 2_000_000, 40)

    given = [acquire(store, back_fill) == 0 for _ in range(6)]

    assert given == [True] * 4 + [False] * 2
    assert [acquire(store, ten) for _ in range(6)] == [0] * 6
    assert acquire(store, ten) > 0


def test_a_class_is_never_left_without_any_call(store: Store) -> None:
    assert acquire(store, Demand("key:k:pairs", 2, 2_000_000, 40)) == 0


def test_a_shut_scope_gives_no_leave_and_is_never_opened_early(store: Store) -> None:
    store.shut("ip", for_us=5_000_000, needs_canary=False)
    store.shut("ip", for_us=1_000_000, needs_canary=False)

    assert 4_000_000 < acquire(store, TWO_IN_TWO, Demand("ip", 9, 2_000_000, 100)) <= 5_000_000


def test_after_a_ban_one_call_goes_alone_until_it_is_answered(store: Store) -> None:
    address = Demand("ip", 9, 2_000_000, 100)
    store.shut("ip", for_us=50_000, needs_canary=True)
    time.sleep(0.1)

    assert acquire(store, address, ticket="canary") == 0
    assert acquire(store, address) > 0
    complete(store, "canary", "ip")
    assert acquire(store, address) == 0


def test_strikes_that_arrive_together_count_as_one(store: Store) -> None:
    first = store.strike("ip")
    store.shut("ip", for_us=200_000, needs_canary=False)
    together = store.strike("ip")
    time.sleep(0.25)

    assert (first, together, store.strike("ip")) == (1, 1, 2)


def test_a_stricter_limit_that_was_told_holds_besides_our_own(store: Store) -> None:
    ten = Demand("key:k:records", 10, 2_000_000, 100)
    store.tighten("key:k:records", calls=3, window_us=4_000_000)

    assert [acquire(store, ten) == 0 for _ in range(4)] == [True, True, True, False]
    assert acquire(store, ten) == 4_000_000


def test_failures_in_a_row_pause_background_calls_but_nobody_else(store: Store) -> None:
    address = Demand("ip", 99, 2_000_000, 100)
    for number in range(5):
        acquire(store, address, ticket=f"t{number}")
        complete(store, f"t{number}", "ip", outcome=Outcome.FAILED)

    assert 1_000_000 < acquire(store, address, background=True) < 3_000_000
    assert acquire(store, address) == 0


def test_an_answer_forgets_the_failures_before_it(store: Store) -> None:
    address = Demand("ip", 99, 2_000_000, 100)
    for number in range(8):
        acquire(store, address, ticket=f"t{number}")
        outcome = Outcome.ANSWERED if number == 4 else Outcome.FAILED
        complete(store, f"t{number}", "ip", outcome=outcome)

    assert acquire(store, address, background=True) == 0


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("redis", marks=pytest.mark.redis),
    ],
)
def test_a_store_without_memory_waits_a_window_first(kind: str) -> None:
    store = make_store(kind)

    assert 1_900_000 < acquire(store) <= 2_000_000


def dead_store() -> Store:
    connection_to_nowhere = redis.Redis(port=1, socket_connect_timeout=1)
    return RedisStore(connection_to_nowhere, venue=f"dead-{secrets.token_hex(4)}")


def test_money_gets_no_leave_when_the_count_cannot_be_reached() -> None:
    limiter = SharedLimiter(dead_store(), venue="dead", key="k")

    with pytest.raises(RateLimited), limiter.permit(limits.MONEY, limits.SEND):
        pytest.fail("leave was given")


def test_reads_go_on_slowly_when_the_count_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loans.services.limiter.rules.SETTLE_US", 0)
    key = secrets.token_hex(4)
    limiter = SharedLimiter(dead_store(), venue="dead", key=key)

    with limiter.permit(limits.RECORDS, limits.PERSON_WAITING) as permit:
        permit.observe(200, {})
    started = time.monotonic()
    with limiter.permit(limits.RECORDS, limits.PERSON_WAITING):
        waited = time.monotonic() - started

    assert waited > 0.9
    with pytest.raises(StoreDown):
        dead_store().strike("ip")


def test_background_calls_wait_while_an_instruction_is_being_sent() -> None:
    busy = iter([True, False])
    limiter = GiveWay(limits.NoLimiter(), is_busy=lambda: next(busy))
    started = time.monotonic()

    with limiter.permit(limits.RECORDS, limits.KEEPING_UP):
        waited = time.monotonic() - started

    assert waited > 0.9


def test_background_calls_give_up_while_sending_takes_too_long() -> None:
    limiter = GiveWay(limits.NoLimiter(), is_busy=lambda: True, seconds=0)

    with pytest.raises(RateLimited), limiter.permit(limits.RECORDS, limits.BACK_FILL):
        pytest.fail("leave was given")
    with limiter.permit(limits.RECORDS, limits.UNKNOWN_OUTCOME):
        pass


def hammer(base_url: str, key: PaperKey, name: str, seconds: int) -> None:
    """One process that asks for pairs as often as it gets leave; on a busy machine not always."""
    connection.close()
    store = RedisStore(redis.Redis.from_url(redis_url()), venue=name)
    limiter = SharedLimiter(store, venue=name, key="k")
    credentials = Credentials.of(key.access_key, key.secret, key.memo)
    until = time.monotonic() + seconds
    with Client(base_url, credentials, limiter=limiter, priority=limits.UNKNOWN_OUTCOME) as client:
        while time.monotonic() < until:
            with contextlib.suppress(RateLimited):
                client.pairs(["BTC_USDT"])


@pytest.mark.redis
def test_several_processes_never_show_the_exchange_more_than_it_allows(paper: Paper) -> None:
    paper.switch(limit_window="sliding")
    key = paper.new_key()
    name = f"test-{secrets.token_hex(6)}"
    context = multiprocessing.get_context("fork")
    crowd = [context.Process(target=hammer, args=(paper.base_url, key, name, 10)) for _ in range(3)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(60)

    books = paper.books(key)
    assert [process.exitcode for process in crowd] == [0, 0, 0]
    assert books["above_limit"] == {}
    assert sum(books["requests"].values()) >= 7
