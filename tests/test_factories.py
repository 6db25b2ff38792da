"""The factories' defaults satisfy every constraint of the tables."""

import pytest
from django.contrib.auth.models import User

from loans.models import State
from tests import factories


@pytest.mark.parametrize("state", list(State))
def test_an_instruction_of_every_state_can_be_made(owner: User, state: State) -> None:
    account = factories.make_account(owner=owner)

    assert factories.make_instruction(account=account, state=state).state == state


def test_a_full_desk_can_be_made(owner: User, colleague: User) -> None:
    account = factories.make_account(owner=owner)
    market = factories.make_market(price="90000")
    factories.make_share(account=account, person=colleague)
    factories.make_terms(market=market)
    factories.make_rate_change(market=market, at=factories.NOW, daily_rate="0.0006")
    factories.make_account_terms(account=account, market=market)
    margin = factories.make_margin_account(account=account, market=market)
    factories.make_margin_side(margin_account=margin, borrow_unpaid="20")
    loan = factories.make_borrow(account=account)
    factories.make_repay(account=account)
    factories.make_observation(account=account, record_id=loan.record_id, body={})
    coverage = factories.make_coverage(account=account)
    factories.make_gap(
        coverage=coverage, starts_at=factories.NOW - factories.HOUR, ends_at=factories.NOW
    )
    factories.make_feed()

    assert account.borrow_records.count() == account.repay_records.count() == 1
