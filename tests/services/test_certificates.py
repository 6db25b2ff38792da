"""What a history rests on: called complete only if it was read back to its start."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from loans.services.certificates import certify
from tests.factories import NOW, make_account, make_coverage


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
