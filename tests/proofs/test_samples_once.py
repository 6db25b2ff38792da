"""Samples of the proofs whose subject is not the database."""

import pytest

from tests.proofs.asking import prove


def test_any_answer_ends_in_a_state_of_the_table() -> None:
    figures = prove("fuzz")

    assert figures["answers"] == 2_000
    assert set(figures["ended"]) == {"CONFIRMED", "REJECTED", "UNKNOWN"}
    assert figures["connections above one for each"] == 0


@pytest.mark.redis
def test_no_window_exceeds_the_documented_limit_when_redis_gives_leave() -> None:
    figures = prove("limiter-redis")

    assert figures["processes"] == 8
    assert figures["windows above the documented limit"] == 0


def test_no_record_of_random_histories_is_lost_and_every_gap_is_named() -> None:
    figures = prove("histories")

    assert figures["histories"] == 10_000
    assert (figures["lost"], figures["kept twice"]) == (0, 0)
    assert min(figures["histories in which the usual ways lost records"].values()) > 0
