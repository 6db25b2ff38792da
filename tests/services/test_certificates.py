"""What a history rests on: called complete only if it was read back to its start."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loans.models import Account, Kind
from loans.services.certificates import Certificate, certify
from tests.factories import NOW, make_account, make_coverage, make_gap

DAY = timedelta(days=1)


@pytest.mark.django_db
def test_a_history_that_is_still_being_read_backwards_is_not_complete(owner: User) -> None:
    account = make_account(owner=owner)
    make_coverage(account=account, symbol="BTC_USDT")
    assert certify([account]).is_whole

    make_coverage(account=account, symbol="ETH_USDT", complete_from=NOW - timedelta(days=7))

    certificate = certify([account])
    assert certificate.is_loading
    assert not certificate.is_whole


@pytest.mark.django_db
def test_the_oldest_audit_of_the_lists_with_records_counts(owner: User) -> None:
    account = make_account(owner=owner)
    make_coverage(account=account, symbol="BTC_USDT", audited_at=NOW)
    make_coverage(account=account, symbol="XRP_USDT", has_rows=False)
    assert certify([account]).audited_at == NOW

    make_coverage(account=account, symbol="ETH_USDT")
    assert certify([account]).audited_at is None


@pytest.mark.django_db
def test_a_list_of_a_span_rests_on_what_was_read_of_that_span(owner: User) -> None:
    account = make_account(owner=owner)
    stream = make_coverage(
        account=account, symbol="BTC_USDT", complete_from=NOW - 9 * DAY, complete_to=NOW
    )
    make_gap(coverage=stream, starts_at=NOW - 6 * DAY, ends_at=NOW - 5 * DAY)

    def of(since: float | None, until: float | None) -> Certificate:
        ends = [None if days is None else NOW - days * DAY for days in (since, until)]
        return certify([account], since=ends[0], until=ends[1], now=NOW)

    assert (of(None, None).gaps, of(None, None).is_loading) == (1, True)
    assert (of(8, 7).is_whole, of(8, 7).begin, of(8, 7).end) == (True, NOW - 8 * DAY, NOW - 7 * DAY)
    assert (of(4, None).is_whole, of(4, None).end) == (True, NOW)
    assert (of(4, -3).is_whole, of(4, -3).end) == (True, NOW)  # what is to come is not read
    for touching in ((8, 5.5), (5.5, 4), (8, 4), (5, None), (7, 6)):
        assert (of(*touching).gaps, of(*touching).is_whole) == (1, False), touching
    for older in (of(10, 7), of(12, 11), of(None, 7)):
        assert (older.gaps, older.is_loading, older.is_whole) == (0, True, False)
    for beyond in (of(0, None), of(-1, -2)):
        assert (beyond.gaps, beyond.is_loading, beyond.is_reached) == (0, False, False)
        assert not beyond.is_whole


@pytest.mark.django_db
def test_the_pair_that_is_read_least_far_says_how_far_a_span_is_proven(owner: User) -> None:
    account = make_account(owner=owner)
    make_coverage(account=account, symbol="BTC_USDT", complete_to=NOW)
    make_coverage(account=account, symbol="XRP_USDT", complete_to=NOW - DAY)

    assert certify([account], since=NOW - 2 * DAY, until=NOW).end == NOW - DAY
    assert not certify([account], since=NOW - DAY, until=NOW).is_reached
    assert certify([account], since=NOW - DAY, symbols=["BTC_USDT"]).is_whole


@pytest.mark.django_db
def test_a_span_is_whole_only_once_every_list_was_read_to_its_end(owner: User) -> None:
    account, late = make_account(owner=owner), NOW - timedelta(minutes=2)
    make_coverage(account=account, symbol="BTC_USDT", complete_to=late)
    make_coverage(account=account, symbol="XRP_USDT", complete_to=late - DAY, has_rows=False)

    def is_whole(until: datetime, **more: Any) -> bool:
        return certify([account], since=NOW - 9 * DAY, until=until, now=NOW, **more).is_whole

    assert is_whole(late - DAY)
    assert not is_whole(late - timedelta(hours=23))  # the statement of a month says the same
    assert is_whole(late, symbols=["BTC_USDT"])
    assert not is_whole(NOW, symbols=["BTC_USDT"])
    assert is_whole(NOW + timedelta(seconds=1))  # nobody can have read what is to come


@pytest.mark.django_db
def test_each_account_kind_and_pair_is_told_of_by_itself(owner: User) -> None:
    one, other = make_account(owner=owner, label="One"), make_account(owner=owner, label="Other")
    make_coverage(account=one, symbol="BTC_USDT", checked_at=NOW - DAY)
    make_coverage(account=one, symbol="BTC_USDT", kind=Kind.REPAY, trusted=False)
    make_coverage(account=other, symbol="ETH_USDT", complete_to=None, has_rows=False)

    def told(*asked: Account, **more: Any) -> tuple[int, ...]:
        found = certify(asked, **more)
        return found.streams, found.busy, found.unproven, found.untrusted

    assert told(one, other) == (3, 2, 1, 1)
    assert (told(one), told(other)) == ((2, 2, 0, 1), (1, 0, 1, 0))
    assert told(one, kinds=[Kind.BORROW]) == (1, 1, 0, 0)
    assert told(one, kinds=[Kind.REPAY]) == (1, 1, 0, 1)
    assert told(one, other, symbols=["ETH_USDT"]) == (1, 0, 1, 0)
    assert told(one, other, symbols=["BTC_USDT"]) == (2, 2, 0, 1)
    assert told() == told(one, symbols=[]) == told(one, kinds=[]) == (0, 0, 0, 0)
    assert certify([one], kinds=[Kind.BORROW]).checked_at == NOW - DAY


@pytest.mark.django_db
def test_the_pairs_a_list_may_be_filtered_by_come_in_the_same_query(owner: User) -> None:
    one, other = make_account(owner=owner), make_account(owner=owner)
    for account, symbol, has_rows in (
        (one, "SOL_USDT", True),
        (one, "ETH_USDT", False),
        (other, "BTC_USDT", True),
        (other, "SOL_USDT", True),
    ):
        for kind in Kind:
            make_coverage(account=account, symbol=symbol, kind=kind, has_rows=has_rows)

    with CaptureQueriesContext(connection) as queries:
        found = certify([one], since=NOW - DAY, until=NOW, pairs_of=[one, other])

    assert len(queries) == 1
    assert found.pairs == ("BTC_USDT", "SOL_USDT")
    assert found._replace(pairs=()) == certify([one], since=NOW - DAY, until=NOW)
    assert certify([one], pairs_of=[one]).pairs == ("SOL_USDT",)


@pytest.mark.django_db
def test_only_the_streams_of_the_kinds_that_are_asked_for_are_read(owner: User) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by the size of the table, which is small here")
    with CaptureQueriesContext(connection) as asked:
        certify([make_account(owner=owner)], kinds=[Kind.BORROW])

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked[-1]['sql']}")
        plan = "\n".join(row[3] for row in cursor.fetchall())
    assert "SEARCH stream USING INDEX coverage_of_kind (account_id=? AND kind=?)" in plan
