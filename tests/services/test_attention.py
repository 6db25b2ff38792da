"""What needs a person, and what does not."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from loans.models import Account, Heartbeat, KeyLight, State
from loans.services import attention, stops
from loans.services.audit import By
from tests.factories import (
    NOW,
    make_account,
    make_feed,
    make_instruction,
    make_margin_account,
    make_market,
    make_share,
)


@pytest.fixture(autouse=True)
def _everything_is_alive(db: None) -> None:
    for name in attention.PARTS:
        Heartbeat.objects.create(name=name, at=NOW)


def kinds(person: User) -> list[str]:
    """What a person is told of, the most urgent first."""
    return [need.kind for need in attention.needs(person, NOW)]


def test_nothing_needs_a_person_whose_account_is_well(owner: User) -> None:
    account = make_account(owner=owner)
    make_feed()
    make_feed(account=account, name="records")
    make_instruction(account=account, state=State.CONFIRMED)

    assert kinds(owner) == []


@pytest.mark.parametrize(
    ("state", "kind"), [(State.UNKNOWN, "unknown"), (State.NEEDS_HUMAN, "needs_human")]
)
def test_an_open_outcome_needs_its_people_and_nobody_else(
    owner: User, colleague: User, stranger: User, state: State, kind: str
) -> None:
    account = make_account(owner=owner)
    make_share(account=account, person=colleague)
    make_instruction(account=account, state=state)

    assert (kinds(owner), kinds(colleague), kinds(stranger)) == ([kind], [kind], [])


def test_an_instruction_that_waits_too_long_is_said(owner: User) -> None:
    make_instruction(account=make_account(owner=owner), created_at=NOW - timedelta(minutes=5))

    assert kinds(owner) == ["late"]


@pytest.mark.parametrize(("age", "needed"), [(30, False), (31, True)])
def test_a_silent_money_worker_is_named_with_seconds(owner: User, age: int, needed: bool) -> None:
    Heartbeat.objects.filter(name="money").update(at=NOW - timedelta(seconds=age))

    found = attention.needs(owner, NOW)

    assert bool(found) is needed
    assert not needed or "silent for 31 s" in found[0].title


def test_a_part_that_never_lived_is_said(owner: User) -> None:
    Heartbeat.objects.filter(name="sync").delete()

    (need,) = attention.needs(owner, NOW)

    assert "never shown life" in need.title


def test_a_red_light_needs_the_owner_unless_the_key_is_disabled(owner: User) -> None:
    account = make_account(owner=owner)
    KeyLight.objects.create(account=account, name="ip", state="red", checked_at=NOW)
    assert kinds(owner) == ["red_light"]

    Account.objects.update(disabled=True)

    assert kinds(owner) == []


@pytest.mark.parametrize(("age", "needed"), [(119, False), (121, True)])
def test_a_stale_feed_needs_whoever_reads_it(
    owner: User, stranger: User, age: int, needed: bool
) -> None:
    make_account(owner=owner)
    make_feed(last_success_at=NOW - timedelta(seconds=age), error="The exchange is closed.")

    assert kinds(owner) == (["stale"] if needed else [])
    assert kinds(stranger) == []


def test_a_new_key_has_a_few_minutes_before_it_is_called_stale(owner: User) -> None:
    account = make_account(owner=owner, created_at=NOW - timedelta(minutes=1))
    make_feed(account=account, name="records", last_success_at=None)

    assert kinds(owner) == []


def test_a_key_that_did_not_connect_and_one_that_waits_are_told_apart(owner: User) -> None:
    long_ago = NOW - timedelta(minutes=10)
    make_account(owner=owner, status="failed", status_reason="No answer.")
    make_account(owner=owner, check_requested_at=long_ago)

    assert sorted(kinds(owner)) == ["not_connected", "unchecked"]


def test_stops_are_said(owner: User, colleague: User) -> None:
    stops.stop_account(make_account(owner=owner), by=By(owner, NOW))
    stops.stop_site(by=By(owner, NOW), reason="a drill")

    assert kinds(owner) == ["stopped", "stopped"]
    (need,) = attention.needs(colleague, NOW)
    assert need.text == "a drill"


@pytest.mark.parametrize(("level", "rate", "needed"), [("3", "1.2", True), ("2", "2", False)])
def test_high_risk_as_the_exchange_calls_it_comes_first(
    owner: User, level: str, rate: str, needed: bool
) -> None:
    account = make_account(owner=owner)
    make_instruction(account=account, state=State.UNKNOWN)
    market = make_market()
    make_margin_account(account=account, market=market, risk_level=level, risk_rate=rate)

    assert kinds(owner) == (["risk", "unknown"] if needed else ["unknown"])


def test_a_contradicted_outcome_is_said(owner: User) -> None:
    account = make_account(owner=owner)
    make_instruction(account=account, state=State.CONFIRMED, contradicted_at=NOW)

    assert kinds(owner) == ["contradicted"]
