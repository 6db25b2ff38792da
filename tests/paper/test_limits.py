"""Rate limits: counted per key or address, shown in the headers, refused, and then banned."""

import time

import pytest

from tests.paper.calls import Answer, borrow, get, send
from tests.paper_fixture import Paper


def meters(answer: Answer) -> tuple[str, ...]:
    names = ("Remaining", "Limit", "Reset", "Mode")
    return tuple(answer.headers[f"X-BM-RateLimit-{name}"] for name in names)


def test_remaining_counts_up_and_reset_is_the_length_of_the_window(paper: Paper) -> None:
    key = paper.new_key()

    assert meters(borrow(paper, key, "1")) == ("1", "2", "2", "KEY")
    assert meters(borrow(paper, key, "1")) == ("2", "2", "2", "KEY")
    third = borrow(paper, key, "1")
    assert (third.status, third.code) == (429, 30013)
    assert meters(third) == ("3", "2", "2", "KEY")
    assert meters(send(paper, "GET", "/system/time")) == ("1", "10", "1", "IP")


def test_a_new_window_is_free_again(paper: Paper) -> None:
    key = paper.new_key()
    for expected in (1000, 1000, 30013):
        assert get(paper, key, "pairs").code == expected

    time.sleep(2.05)

    assert get(paper, key, "pairs").code == 1000
    assert paper.books()["above_limit"] == {"/spot/v1/margin/isolated/pairs": 1}


def test_keys_do_not_share_a_window(paper: Paper) -> None:
    first, second = paper.new_key(), paper.new_key()
    for _ in range(3):
        get(paper, first, "pairs")

    assert get(paper, second, "pairs").code == 1000


def test_remaining_may_mean_what_is_left(paper: Paper) -> None:
    paper.switch(remaining="left")
    key = paper.new_key()

    assert meters(get(paper, key, "account"))[0] == "11"


@pytest.mark.parametrize(("limit", "accepted"), [(150, 150), (60, 60)])
def test_records_may_be_read_often(paper: Paper, limit: int, accepted: int) -> None:
    paper.switch(record_limit=limit, limit_window="sliding")
    key = paper.new_key()
    codes = []
    started = time.monotonic()
    while time.monotonic() - started < 1.9 and len(codes) < 160:
        codes.append(get(paper, key, "borrow_record", symbol="BTC_USDT").code)

    assert codes[:accepted] == [1000] * len(codes[:accepted])
    assert set(codes[accepted:]) <= {30013, 30017}
    assert len(codes) > 60


@pytest.mark.parametrize(("scope", "other_code"), [("key", 1000), ("ip", 30017)])
def test_who_ignores_refusals_is_banned(paper: Paper, scope: str, other_code: int) -> None:
    paper.switch(ban_after=3, ban_seconds=60, ban_scope=scope)
    key, other = paper.new_key(), paper.new_key()

    answers = [get(paper, key, "pairs") for _ in range(7)]

    assert [(answer.status, answer.code) for answer in answers] == [
        *[(200, 1000)] * 2,
        *[(429, 30013)] * 3,
        *[(418, 30017)] * 2,
    ]
    assert get(paper, key, "account").code == 30017
    assert get(paper, other, "account").code == other_code


def test_limits_can_be_switched_off_but_are_still_counted(paper: Paper) -> None:
    paper.switch(limits="off")
    key = paper.new_key()

    assert {get(paper, key, "pairs").code for _ in range(6)} == {1000}
    assert paper.books()["above_limit"] == {"/spot/v1/margin/isolated/pairs": 4}
