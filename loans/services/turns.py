"""Taking turns: one process at a time does a thing, wherever it runs. Kept in the shared cache.

A turn ends by itself when its time is over, so a worker that was killed stops nobody for long. What
is done in a turn must be safe to do twice all the same.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@contextmanager
def turn(name: str, *, seconds: int) -> Iterator[bool]:
    """Whether it is ours now; False if somebody else is at it, or nobody can tell."""
    key, token = f"turn:{name}", secrets.token_hex(8)
    is_ours = _take(key, token, seconds)
    try:
        yield is_ours
    finally:
        if is_ours:
            _give_back(key, token)


@contextmanager
def one_of(name: str, *, places: int, seconds: int) -> Iterator[bool]:
    """The same with several places: whether one of them was free."""
    with ExitStack() as stack:
        turns = (turn(f"{name}:{place}", seconds=seconds) for place in range(places))
        yield any(stack.enter_context(place) for place in turns)


def _take(key: str, token: str, seconds: int) -> bool:
    try:
        return cache.add(key, token, timeout=seconds)
    except RedisError as exc:
        logger.warning("no turns while the cache is away: %s", type(exc).__name__)
        return False


def _give_back(key: str, token: str) -> None:
    """Unless it has ended and is somebody else's by now."""
    try:
        if cache.get(key) == token:
            cache.delete(key)
    except RedisError as exc:
        logger.warning("a turn ends by itself: %s", type(exc).__name__)
