"""The shared cache, in Redis or Valkey, that a page can do without.

A read while the server is away is a miss, so that pages go on: whatever they need stands in the
database, sessions too. Writes and deletions fail loudly, and so do reads of counted attempts, which
would begin anew with a miss: who signs in is let in only if attempts can be counted.
"""

import logging
from collections.abc import Iterable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

logger = logging.getLogger(__name__)
AWAY = (RedisConnectionError, RedisTimeoutError)
COUNTED = "allauth:rl:"  # where allauth keeps when somebody tried


class Cache(RedisCache):
    """Django's Redis cache, with reads that survive the server's absence."""

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except AWAY as exc:
            if key.startswith(COUNTED):
                raise
            logger.warning("The cache does not answer: %s", type(exc).__name__)
            return default

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        try:
            return super().get_many(keys, version)
        except AWAY as exc:
            logger.warning("The cache does not answer: %s", type(exc).__name__)
            return {}
