"""Feeds, signs of life, refused rows, and turns."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from loans.bitmart.errors import (
    Banned,
    Garbled,
    Maintenance,
    RateLimited,
    Refused,
    Unreachable,
)
from loans.bitmart.responses import RefusedRow as Refusal
from loans.models import Feed, Heartbeat, RefusedRow
from loans.services import feeds, heartbeats, refused
from loans.services.turns import one_of, turn
from loans.vault import VaultError
from tests.factories import NOW, make_account

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


def attempt(error: Exception | None = None, *, now=NOW, venue: str = "bitmart") -> feeds.Attempt:
    with feeds.watch(venue=venue, name=Feed.Name.PAIRS, now=now) as made:
        if error is not None:
            raise error
    return made


def test_a_success_is_noted_with_its_time() -> None:
    assert attempt().succeeded

    feed = Feed.objects.get()
    assert (feed.last_attempt_at, feed.last_success_at, feed.failures) == (NOW, NOW, 0)


def test_failures_are_counted_and_keep_the_last_success() -> None:
    attempt()
    for minute in (1, 2):
        assert not attempt(Unreachable("no answer in time"), now=NOW + minute * MINUTE).succeeded

    feed = Feed.objects.get()
    assert (feed.last_success_at, feed.failures) == (NOW, 2)
    assert feed.last_attempt_at == NOW + 2 * MINUTE
    assert feed.error == "BitMart could not be asked: no answer in time."


def test_a_success_forgets_the_failures() -> None:
    attempt(Unreachable("x"))
    attempt(now=NOW + MINUTE)

    feed = Feed.objects.get()
    assert (feed.failures, feed.error) == (0, "")


def test_a_first_failure_is_one_failure() -> None:
    attempt(Unreachable("x"))

    assert Feed.objects.get().failures == 1


def test_a_defect_of_ours_is_told_and_goes_on() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(ZeroDivisionError())

    assert "error of its own" in Feed.objects.get().error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Banned("x", retry_after_seconds=600), "has blocked this address"),
        (Banned("x", retry_after_seconds=600), "before 12:10 UTC"),
        (RateLimited("too many", retry_after_seconds=9), "held back: too many. It goes on in 9 s"),
        (Maintenance("back soon"), "not working now: back soon"),
        (Refused("x", code=30002), "does not know this key"),
        (Refused("x", code=30010), "does not accept this machine's address"),
        (Refused("odd words", code=59001), "refused: odd words (59001)"),
        (Garbled("not the exchange's answer: not JSON (text/html)"), "web page instead of data"),
        (Garbled("no code in the answer"), "something else than data: no code"),
        (VaultError("altered"), "The key cannot be opened: altered"),
        (feeds.Doubtful("Strange."), "Strange."),
    ],
)
def test_what_went_wrong_is_a_sentence(error: Exception, words: str) -> None:
    attempt(error)

    assert words in Feed.objects.get().error


def test_the_paper_exchange_is_called_by_its_name() -> None:
    attempt(Maintenance("x"), venue="paper")

    assert Feed.objects.get().error.startswith("The paper exchange says")


def test_the_paper_exchange_is_small_within_a_sentence() -> None:
    attempt(RateLimited("too many"), venue="paper")
    assert Feed.objects.get().error == "Calls to the paper exchange are held back: too many."

    attempt(Refused("x", code=30012), venue="paper")
    assert "for this at the paper exchange." in Feed.objects.get().error


def test_a_feed_that_fails_for_long_is_asked_less_often(owner: User) -> None:
    account = make_account(owner=owner)
    of_account = {"venue": "paper", "name": Feed.Name.FIGURES, "account": account}
    Feed.objects.create(**of_account, failures=30, last_attempt_at=NOW)

    due = [feeds.is_due(**of_account, now=NOW + n * MINUTE) for n in range(5)]

    assert due == sorted(due)
    assert (due[1], due[3]) == (False, True)


def test_a_feed_is_asked_each_time_while_failures_are_few() -> None:
    attempt(Unreachable("x"))

    assert feeds.is_due(venue="bitmart", name=Feed.Name.PAIRS, now=NOW)
    assert feeds.is_due(venue="paper", name=Feed.Name.PAIRS, now=NOW)


def test_a_heartbeat_is_one_row_a_part() -> None:
    heartbeats.beat(name="sync", now=NOW)
    heartbeats.beat(name="sync", now=NOW + MINUTE)

    assert Heartbeat.objects.get().at == NOW + MINUTE


def keep(*rows: Refusal, now=NOW) -> None:
    refused.keep(rows, venue="paper", source="isolated/pairs", now=now)


def test_a_refused_row_is_kept_once_and_counted() -> None:
    keep(Refusal("bad", '{"a": 1}'))
    keep(Refusal("bad", '{"a": 1}'), Refusal("bad", '{"a": 2}'), now=NOW + MINUTE)

    first, second = RefusedRow.objects.order_by("pk")
    assert (first.times_seen, first.first_seen_at, first.last_seen_at) == (2, NOW, NOW + MINUTE)
    assert second.times_seen == 1


def test_a_flood_of_garbage_does_not_fill_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused, "MOST_A_VENUE", 60)
    for batch in range(3):
        keep(*[Refusal("bad", f"{batch} {number}") for number in range(100)])

    assert RefusedRow.objects.count() == 100


def test_old_refused_rows_are_forgotten() -> None:
    keep(Refusal("bad", "old"))
    keep(Refusal("bad", "new"), now=NOW + timedelta(days=80))

    refused.forget_old(NOW + timedelta(days=100))

    assert RefusedRow.objects.get().excerpt == "new"


@pytest.fixture
def _empty_cache() -> None:
    cache.clear()


@pytest.mark.usefixtures("_empty_cache")
def test_a_turn_is_taken_by_one_at_a_time() -> None:
    with turn("a", seconds=60) as first, turn("a", seconds=60) as second:
        assert (first, second) == (True, False)
    with turn("a", seconds=60) as again:
        assert again


@pytest.mark.usefixtures("_empty_cache")
def test_who_had_no_turn_does_not_end_that_of_another() -> None:
    with turn("a", seconds=60):
        with turn("a", seconds=60):
            pass
        with turn("a", seconds=60) as third:
            assert not third


@pytest.mark.usefixtures("_empty_cache")
def test_a_turn_that_ended_by_itself_is_not_taken_from_the_next() -> None:
    with turn("a", seconds=60):
        cache.delete("turn:a")
        cache.add("turn:a", "somebody else", 60)

    assert cache.get("turn:a") == "somebody else"


@pytest.mark.usefixtures("_empty_cache")
def test_several_places_are_given_out() -> None:
    def place() -> Callable:
        return one_of("walk", places=2, seconds=60)

    with place() as first, place() as second, place() as third:
        assert [first, second, third] == [True, True, False]
