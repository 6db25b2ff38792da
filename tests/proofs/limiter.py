"""The limiter against the exchange's own count: many processes that ask as fast as they may."""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

import redis

from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.bitmart.errors import RateLimited
from loans.bitmart.secret import Credentials
from loans.services.limiter import DatabaseStore, RedisStore, SharedLimiter
from loans.services.limiter.stores import Store
from tests.paper_fixture import PaperKey
from tests.proofs.exchange import ExchangeProcess
from tests.proofs.processes import Child
from tests.proofs.registry import Scale

PROCESSES = 8
FULL_SECONDS, SAMPLE_SECONDS = 200, 20
# Half of them hold up the rest: a background class may never take the whole of a limit.
PRIORITIES = (limits.UNKNOWN_OUTCOME, limits.BACK_FILL)


def in_the_database(scale: Scale) -> dict:
    """Leave given by a row lock."""
    return _prove(scale, lambda name: DatabaseStore(name))


def in_redis(scale: Scale) -> dict:
    """Leave given by Lua on a Redis or Valkey server."""
    url = os.environ["TEST_REDIS_URL"]
    return _prove(scale, lambda name: RedisStore(redis.Redis.from_url(url), venue=name))


def _prove(scale: Scale, make_store: Callable[[str], Store]) -> dict:
    seconds = FULL_SECONDS if scale.is_full else SAMPLE_SECONDS
    exchange = ExchangeProcess(scale.folder / "paper.sqlite3")
    try:
        exchange.paper.switch(limit_window="sliding")
        key = exchange.paper.new_key()
        name = f"proof-{secrets.token_hex(6)}"
        crowd = [
            Child(_hammer(exchange.base_url, key, make_store, name, seconds, number))
            for number in range(PROCESSES)
        ]
        errors = [child.error for child in crowd if child.wait(seconds + 60).error]
        told = exchange.paper.books(key)
    finally:
        exchange.stop()
    calls = sum(told["requests"].values())
    problems = dict.fromkeys(errors, "a process failed")
    if told["above_limit"]:
        problems["above the limit"] = str(told["above_limit"])
    if calls < seconds / 2:
        problems["calls"] = f"only {calls}: nothing was proven"
    return {
        "processes": PROCESSES,
        "seconds": seconds,
        "calls the exchange counted": calls,
        "windows above the documented limit": sum(told["above_limit"].values()),
        "problems": problems,
    }


def _hammer(
    base_url: str,
    key: PaperKey,
    make_store: Callable[[str], Store],
    name: str,
    seconds: int,
    number: int,
) -> Callable[[], None]:
    def work() -> None:
        limiter = SharedLimiter(make_store(name), venue=name, key="k")
        credentials = Credentials.of(key.access_key, key.secret, key.memo)
        until = time.monotonic() + seconds
        with Client(
            base_url, credentials, limiter=limiter, priority=PRIORITIES[number % len(PRIORITIES)]
        ) as client:
            while time.monotonic() < until:
                with suppress(RateLimited):  # no leave in time; it asks again
                    client.pairs(["BTC_USDT"])

    return work
