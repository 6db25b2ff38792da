"""What the lists of an account prove of a month, and what they do not."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from loans.models import Account, Kind
from loans.services import stating
from loans.services.months import Month
from loans.services.statement import Statement
from tests import factories
from tests.factories import HOUR, NOW

START = datetime(2026, 10, 1, tzinfo=UTC)
END = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


def state(desk: Account) -> Statement:
    return stating.state(desk, Month(2026, 10), zone=UTC, as_of=NOW)


def test_a_month_is_proven_by_lists_read_past_its_end(desk: Account) -> None:
    for kind in Kind:
        factories.make_coverage(account=desk, kind=kind)

    assert state(desk).proof.is_whole
    assert state(desk).proof.read_to == NOW


def test_gaps_and_lists_that_end_early_are_named(desk: Account) -> None:
    gap = {"starts_at": START + HOUR, "ends_at": START + HOUR + timedelta(seconds=1)}
    factories.make_gap(coverage=factories.make_coverage(account=desk), **gap)
    factories.make_coverage(account=desk, kind=Kind.REPAY, complete_to=END - HOUR)
    factories.make_coverage(account=desk, symbol="ETH_USDT", complete_from=START)
    factories.make_coverage(account=desk, symbol="XRP_USDT", complete_to=None)
    factories.make_coverage(account=desk, symbol="SOL_USDT", trusted=False)

    doubts = state(desk).proof.doubts

    found = {(one.symbol, one.kind, one.starts_at, one.ends_at) for one in doubts}
    assert found == {
        ("BTC_USDT", "borrow", gap["starts_at"], gap["ends_at"]),
        ("BTC_USDT", "repay", END - HOUR, None),
        ("ETH_USDT", "borrow", None, START),
        ("XRP_USDT", "borrow", None, None),
        ("SOL_USDT", "borrow", None, None),
    }
    assert not state(desk).proof.is_whole


def test_a_gap_after_the_month_does_not_concern_it(desk: Account) -> None:
    for kind in Kind:
        coverage = factories.make_coverage(account=desk, kind=kind)
        factories.make_gap(coverage=coverage, starts_at=END, ends_at=END + HOUR)

    assert state(desk).proof.is_whole
