"""Pages go on without the cache; what must not be forgotten fails loudly."""

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from marginsite.cache import Cache
from tests.servers import redis_url


@pytest.fixture
def absent(tmp_path: Path) -> Cache:
    """A cache whose server is not there."""
    return Cache(f"unix://{tmp_path}/nobody.sock", {})


def test_a_read_without_the_server_is_a_miss(absent: Cache) -> None:
    assert absent.get("session") is None
    assert absent.get("session", "default") == "default"
    assert absent.get_many(["one", "two"]) == {}


@pytest.mark.parametrize("change", [lambda c: c.set("a", 1), lambda c: c.delete("a")])
def test_a_change_without_the_server_is_an_error(absent: Cache, change: object) -> None:
    with pytest.raises(RedisConnectionError):
        change(absent)


@pytest.mark.redis
def test_with_a_server_it_counts_and_forgets() -> None:
    cache = Cache(redis_url(), {"KEY_PREFIX": "marginsite-test"})

    cache.set("attempts", 1, timeout=30)
    cache.incr("attempts")

    assert cache.get("attempts") == 2
    assert cache.delete("attempts")
    assert cache.get("attempts") is None
