"""What a history rests on: called complete only if it was read back to its start."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

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
        return certify([account], since=ends[0], until=ends[1])

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
