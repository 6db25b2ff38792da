"""What answers teach the limiter: refusals shut a scope, headers only ever tighten."""

import secrets
from collections.abc import Mapping

import pytest

from loans.bitmart import limits
from loans.bitmart.errors import RateLimited
from loans.services.limiter import SharedLimiter
from loans.services.limiter.database import ProcessStore
from loans.services.limiter.feedback import Direction

HEADERS = {"x-bm-ratelimit-limit": "2", "x-bm-ratelimit-reset": "2"}
PAGE = {"content-type": "text/html; charset=utf-8"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> ProcessStore:
    monkeypatch.setattr("loans.services.limiter.rules.SETTLE_US", 0)
    return ProcessStore()


def limiter(store: ProcessStore, *, key: str = "k", venue: str = "") -> SharedLimiter:
    return SharedLimiter(store, venue=venue or secrets.token_hex(4), key=key)


def call(
    limiter: SharedLimiter,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    group: str = limits.RECORDS,
) -> None:
    """One call that is answered so."""
    with limiter.permit(group, limits.UNKNOWN_OUTCOME) as permit:
        permit.observe(status, headers or {"content-type": "application/json"})


def test_a_429_shuts_the_group_of_that_key_only(store: ProcessStore) -> None:
    one = limiter(store)
    call(one, 429, {"x-bm-ratelimit-reset": "60"})

    with pytest.raises(RateLimited) as refusal:
        call(one)
    assert 50 <= refusal.value.retry_after_seconds <= 60
    call(one, group=limits.ACCOUNT)
    call(limiter(store, key="other"))


def test_retry_after_is_honoured_up_to_an_hour(store: ProcessStore) -> None:
    call(limiter(store), 429, {"retry-after": "99999"})

    with pytest.raises(RateLimited) as refusal:
        call(limiter(store))
    assert 3500 < refusal.value.retry_after_seconds <= 3600


def test_a_ban_shuts_the_address_for_everybody(store: ProcessStore) -> None:
    call(limiter(store), 418)

    for key, group in (("other", limits.MONEY), ("", limits.SYSTEM)):
        with pytest.raises(RateLimited) as refusal:
            call(limiter(store, key=key), group=group)
        assert 100 < refusal.value.retry_after_seconds <= 120


@pytest.mark.parametrize("status", [403, 503])
def test_a_page_in_front_of_the_exchange_shuts_the_address_for_a_minute(
    store: ProcessStore, status: int
) -> None:
    call(limiter(store), status, PAGE)

    with pytest.raises(RateLimited) as refusal:
        call(limiter(store, key="other"))
    assert 50 < refusal.value.retry_after_seconds <= 60


def test_a_refusal_in_json_shuts_nothing(store: ProcessStore) -> None:
    call(limiter(store), 403)

    call(limiter(store))


def test_a_limit_stricter_than_ours_is_obeyed(store: ProcessStore) -> None:
    strict = {"x-bm-ratelimit-limit": "1", "x-bm-ratelimit-reset": "60"}
    call(limiter(store), 200, strict)

    with pytest.raises(RateLimited):
        call(limiter(store))


def test_a_limit_wider_than_ours_is_not_believed(store: ProcessStore) -> None:
    wide = {"x-bm-ratelimit-limit": "500", "x-bm-ratelimit-reset": "1"}

    for _ in range(5):
        call(limiter(store), 200, wide, group=limits.ACCOUNT)

    assert "told" not in str(store._state)


def test_an_instant_in_place_of_a_window_is_not_taken_for_one(store: ProcessStore) -> None:
    call(limiter(store), 200, {"x-bm-ratelimit-limit": "1", "x-bm-ratelimit-reset": "1763600000"})

    call(limiter(store))


def test_a_counter_at_its_limit_that_our_calls_do_not_explain_shuts_the_group(
    store: ProcessStore,
) -> None:
    used_up = HEADERS | {"x-bm-ratelimit-remaining": "2", "x-bm-ratelimit-reset": "90"}
    call(limiter(store), 200, used_up, group=limits.MONEY)

    with pytest.raises(RateLimited):
        call(limiter(store), group=limits.MONEY)


def test_a_zero_is_ignored_until_the_counter_is_known_to_go_down(store: ProcessStore) -> None:
    call(limiter(store), 200, HEADERS | {"x-bm-ratelimit-remaining": "0"}, group=limits.PAIRS)

    call(limiter(store), group=limits.PAIRS)


def test_the_direction_of_the_counter_is_learned_from_calls_in_one_window() -> None:
    down, up = Direction(), Direction()
    for remaining in (9, 8, 7):
        down.learn("s", remaining, own_calls=2)
    for remaining in (1, 2, 3):
        up.learn("s", remaining, own_calls=2)

    assert (down.counts_down, up.counts_down) == (True, False)


def test_a_new_window_teaches_no_direction() -> None:
    direction = Direction()
    for remaining in (9, 1, 9, 1):
        direction.learn("s", remaining, own_calls=1)

    assert not direction.counts_down


def test_a_call_without_an_answer_counts_as_a_failure(store: ProcessStore) -> None:
    one = limiter(store)
    for _ in range(5):
        with one.permit(limits.RECORDS, limits.UNKNOWN_OUTCOME):
            pass

    assert "breaker" in str(store._state)
