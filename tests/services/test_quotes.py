"""Quotes and debts: exact figures from what was last read, with their source and age."""

from datetime import timedelta
from decimal import Decimal

import pytest

from loans.models import Kind, Market, Side
from loans.services import debts, quotes
from loans.services.debts import DebtSource
from loans.services.quotes import Quote
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    market = factories.make_market()
    factories.make_terms(market=market)
    return market


@pytest.fixture
def account(market: Market) -> object:
    return factories.make_account(owner=factories.make_person())


def read(account: object, market: Market, kind: str = Kind.BORROW, currency: str = "USDT") -> Quote:
    return quotes.read(account=account, market=market, currency=currency, kind=kind, now=NOW)


def owe(account: object, market: Market, **fields: str) -> None:
    margin = factories.make_margin_account(account=account, market=market)
    factories.make_margin_side(margin_account=margin, **fields)


def test_costs_are_the_exchanges_own_charges(account: object, market: Market) -> None:
    owe(account, market, borrow_unpaid="0")

    preview = read(account, market).preview(Decimal(15))

    assert preview.first_hour == Decimal("0.00034374")  # as captured on the live exchange
    assert preview.day == 24 * preview.first_hour
    assert preview.month == 720 * preview.first_hour
    assert preview.owed_after == Decimal("15.00034374")


def test_a_debt_that_was_never_read_is_not_shown_as_nothing(
    account: object, market: Market
) -> None:
    borrow, repay = read(account, market), read(account, market, Kind.REPAY)

    for preview in (borrow.preview(Decimal(15)), repay.preview(Decimal(15))):
        assert (preview.owed_before, preview.owed_after) == (None, None)
    factories.make_borrow(account=account, principal="20", interest="0.00045833")
    assert read(account, market).preview(Decimal(1)).owed_before == Decimal("20.00045833")


def test_account_figures_come_before_records(account: object, market: Market) -> None:
    factories.make_borrow(account=account, principal="99")
    owe(account, market, borrow_unpaid="15", interest_unpaid="0.00034374")

    debt = read(account, market).debt

    assert debt.total == Decimal("15.00034374")
    assert debt.source is DebtSource.FIGURES


def test_without_figures_the_records_say_it_and_are_named(account: object, market: Market) -> None:
    factories.make_borrow(account=account, principal="20", interest="0.00045833")
    factories.make_repay(account=account, principal="5", interest="0.0004")
    factories.make_borrow(account=account, principal="7", currency="BTC")
    factories.make_coverage(account=account, complete_to=NOW - timedelta(minutes=3))
    factories.make_coverage(account=account, kind=Kind.REPAY)

    debt = read(account, market).debt

    assert debt.total == Decimal("15.00005833")
    assert debt.source is DebtSource.RECORDS
    assert debt.as_of == NOW - timedelta(minutes=3)


def test_records_without_repayments_do_not_say_what_is_owed_at_any_time(
    account: object, market: Market
) -> None:
    factories.make_borrow(account=account, principal="20")
    factories.make_coverage(account=account)
    repayments = factories.make_coverage(account=account, kind=Kind.REPAY, complete_to=None)
    assert read(account, market).debt.as_of is None

    repayments.complete_to = NOW - timedelta(minutes=3)
    repayments.save()

    assert read(account, market).debt.as_of == NOW - timedelta(minutes=3)


def test_interest_that_was_never_told_is_not_known(account: object, market: Market) -> None:
    factories.make_borrow(account=account, interest=None)

    assert not read(account, market).debt.interest_is_known


def test_the_cap_of_repaying_all_is_one_more_hour(account: object, market: Market) -> None:
    owe(account, market, borrow_unpaid="15", interest_unpaid="0.00034374")

    assert read(account, market, Kind.REPAY).repay_cap == Decimal("15.00068748")


def test_the_cap_counts_the_hours_that_old_figures_missed(account: object, market: Market) -> None:
    owe(account, market, borrow_unpaid="15", interest_unpaid="0.00034374")
    debt = read(account, market, Kind.REPAY).debt

    cap = debts.repay_all_cap(
        debt, account=account, symbol="BTC_USDT", currency="USDT",
        daily_rate=Decimal("0.00055"), now=NOW + timedelta(hours=2, minutes=5),
    )  # fmt: skip

    assert cap == debt.total + 3 * Decimal("0.00034374")


def test_the_cap_goes_by_the_dearest_loan(account: object, market: Market) -> None:
    owe(account, market, borrow_unpaid="15")
    factories.make_borrow(account=account, daily_rate="0.0011")

    assert read(account, market, Kind.REPAY).repay_cap == Decimal("15.00068749")


def test_parts_of_the_most_are_exact_and_never_above_it(account: object, market: Market) -> None:
    factories.make_account_terms(account=account, market=market, borrowable="0.00000003")

    assert read(account, market).portions() == [
        ("50 %", "0.00000001"),
        ("75 %", "0.00000002"),
        ("Max", "0.00000003"),
    ]


def test_the_most_is_bound_by_limit_and_balance(account: object, market: Market) -> None:
    factories.make_account_terms(
        account=account, market=market, borrowable="70000", max_borrow=Decimal(50000)
    )
    owe(account, market, borrow_unpaid="150")

    assert read(account, market).most == 50000
    assert read(account, market, Kind.REPAY).most == 100
    assert not read(account, market, Kind.REPAY).can_repay_all


def test_where_keys_differ_the_accounts_own_terms_count(account: object, market: Market) -> None:
    market.terms.update(differs_by_key=True, as_of=NOW)
    factories.make_account_terms(
        account=account, market=market, daily_rate=Decimal("0.0007"), as_of=NOW - timedelta(hours=1)
    )

    assert read(account, market).daily_rate == Decimal("0.0007")


def test_otherwise_the_newer_terms_count(account: object, market: Market) -> None:
    factories.make_account_terms(
        account=account, market=market, daily_rate=Decimal("0.0007"), as_of=NOW - timedelta(hours=1)
    )

    assert read(account, market).daily_rate == Decimal("0.00055")


def test_terms_that_were_never_read_are_no_quote(account: object, market: Market) -> None:
    with pytest.raises(LookupError):
        read(account, market, currency="BTC")
    with pytest.raises(LookupError):
        read(account, market, currency="ETH")


def test_a_debt_of_another_side_is_not_mixed_in(account: object, market: Market) -> None:
    factories.make_terms(market=market, side=Side.BASE)
    owe(account, market, borrow_unpaid="15")

    assert read(account, market, Kind.REPAY, currency="BTC").debt.total == 0


def test_repaying_saves_only_what_it_takes_off_the_principal(
    account: object, market: Market
) -> None:
    owe(account, market, borrow_unpaid="15", interest_unpaid="5")

    quote = read(account, market, Kind.REPAY)

    assert quote.preview(Decimal(20)).day == 24 * Decimal("0.00034374")
    assert quote.preview(Decimal(4)).day == 0


def happened(account: object, kind: str, amount: str, **fields: object) -> None:
    factories.make_instruction(
        account=account, kind=kind, amount=amount, state="CONFIRMED", created_at=NOW, **fields
    )


def test_what_was_borrowed_since_the_figures_is_counted_on_top(
    account: object, market: Market
) -> None:
    owe(account, market, borrow_unpaid="0")
    happened(account, Kind.BORROW, "15")

    quote = read(account, market, Kind.REPAY)

    assert quote.debt.total == Decimal("15.00034374")
    assert quote.debt.source is DebtSource.OVERTAKEN
    assert quote.available == 115
    assert quote.repay_cap == Decimal("15.00068748")
    assert quote.can_repay_all
    assert quotes.refusal(quote, Decimal(16)) == ""  # the exchange decides on what is not fresh


def test_what_was_repaid_since_the_figures_takes_interest_first(
    account: object, market: Market
) -> None:
    owe(account, market, borrow_unpaid="15", interest_unpaid="0.5")
    happened(account, Kind.REPAY, "10")

    debt = read(account, market, Kind.REPAY).debt

    assert (debt.principal, debt.interest) == (Decimal("5.5"), 0)


def test_what_the_figures_have_seen_already_is_not_counted_twice(
    account: object, market: Market
) -> None:
    owe(account, market, borrow_unpaid="15")
    happened(account, Kind.BORROW, "15", settled_at=NOW - timedelta(seconds=1))
    happened(account, Kind.BORROW, "3", symbol="ETH_USDT")

    assert read(account, market, Kind.REPAY).debt.source is DebtSource.FIGURES
