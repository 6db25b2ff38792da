"""The loans page and the page of one loan: figures side by side, the story, and the ledger."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from loans.models import (
    Account,
    AccountShare,
    BorrowRecord,
    Feed,
    Kind,
    MarginAccount,
    MarginSide,
    Market,
    State,
    Terms,
)
from loans.services.windows import EARLIEST, NOT_SERVED
from tests import factories
from tests.factories import HOUR, NOW


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


@pytest.fixture
def market(db: None) -> Market:
    market = factories.make_market(price="90000")
    factories.make_terms(market=market)
    factories.make_rate_change(market=market, at=NOW - 900 * HOUR, daily_rate="0.00055")
    return market


def indebt(account: Account, market: Market, principal: str = "20") -> BorrowRecord:
    """A loan that the exchange knows too."""
    margin = factories.make_margin_account(account=account, market=market)
    factories.make_margin_side(
        margin_account=margin, borrow_unpaid=principal, interest_unpaid="0.00045833"
    )
    return factories.make_borrow(account=account, principal=principal)


def page_of(client: Client, loan: BorrowRecord) -> str:
    answer = client.get(f"/loans/{loan.uuid}/")
    assert answer.status_code == 200
    return strip_tags(answer.text)


def test_only_people_who_are_signed_in_see_it(db: None) -> None:
    for url in ("/loans/", f"/loans/{uuid4()}/", f"/loans/{uuid4()}/charges.csv"):
        assert Client().get(url).status_code == 302


def test_nothing_can_be_posted(client: Client, desk: Account) -> None:
    loan = factories.make_borrow(account=desk)
    for url in ("/loans/", f"/loans/{loan.uuid}/", f"/loans/{loan.uuid}/charges.csv"):
        assert client.post(url).status_code == 405


def test_a_stranger_finds_no_debt_and_no_loan(
    desk: Account, market: Market, stranger: User
) -> None:
    loan = indebt(desk, market)
    client = Client()
    client.force_login(stranger)

    assert "BTC_USDT" not in client.get("/loans/").text
    assert client.get(f"/loans/{loan.uuid}/").status_code == 404
    assert client.get(f"/loans/{loan.uuid}/charges.csv").status_code == 404


def test_no_loan_of_that_name_is_not_found(client: Client) -> None:
    assert client.get(f"/loans/{uuid4()}/").status_code == 404
    assert client.get("/loans/not-a-uuid/").status_code == 404


def test_what_was_never_read_is_not_called_nothing(client: Client, desk: Account) -> None:
    text = client.get("/loans/").text

    assert "Not known yet" in text
    assert "Nothing is owed" not in text


def test_nothing_owed_teaches(client: Client, desk: Account) -> None:
    factories.make_feed(account=desk, name=Feed.Name.FIGURES)
    assert "Nothing is owed" in client.get("/loans/").text


def test_the_fragment_is_the_table_alone(client: Client, desk: Account, market: Market) -> None:
    indebt(desk, market)

    answer = client.get("/loans/", headers={"HX-Request": "true", "HX-Target": "loan-table"})

    assert answer.text.strip().startswith('<div id="loan-table"')
    assert 'hx-trigger="every' in answer.text


def test_a_liquidation_price_that_no_price_reaches_is_said_in_words(
    client: Client, desk: Account, market: Market
) -> None:
    indebt(desk, market)
    MarginAccount.objects.update(liquidate_price="-330837.57668112")

    text = strip_tags(client.get("/loans/").text)

    assert "no price liquidates it" in text


def test_a_debt_shows_both_figures_rates_risk_and_the_ways_on(
    client: Client, desk: Account, market: Market
) -> None:
    indebt(desk, market)

    answer = client.get("/loans/")
    text = strip_tags(answer.text)

    assert text.count("20.00000000") >= 2
    assert "agrees" in text
    assert "0.0550" in text
    assert "low risk" in text
    assert "4.2" in text
    assert "liquidation at 13,400.5" in text
    query = f"account={desk.pk}&amp;symbol=BTC_USDT&amp;currency=USDT"
    assert f'href="/repay/?{query}"' in answer.text
    assert f'href="/borrow/?{query}"' in answer.text


@pytest.mark.parametrize(("risk_rate", "is_little"), [("4.2", False), ("999", True), (None, False)])
def test_a_debt_is_called_little_only_where_the_exchange_tells_a_risk_of_nothing(
    client: Client, desk: Account, market: Market, risk_rate: str | None, is_little: bool
) -> None:
    indebt(desk, market)
    MarginAccount.objects.update(risk_rate=risk_rate)

    text = client.get("/loans/").text

    assert ("hardly anything owed" in text) == is_little
    assert ("low risk" in text) == (risk_rate == "4.2")


def test_a_viewer_is_offered_no_way_to_move_money(
    desk: Account, market: Market, colleague: User
) -> None:
    indebt(desk, market)
    factories.make_share(account=desk, person=colleague, role=AccountShare.Role.VIEWER)
    client = Client()
    client.force_login(colleague)

    text = client.get("/loans/").text

    assert "BTC_USDT" in text
    assert "/repay/?" not in text


def test_a_drift_is_shown_and_named(client: Client, desk: Account, market: Market) -> None:
    indebt(desk, market, principal="25")
    factories.make_repay(account=desk, principal="5", interest="0")

    text = strip_tags(client.get("/loans/").text)

    assert "+5.00000000" in text
    assert "history incomplete" in text


def test_a_gap_is_named_in_the_persons_zone(desk: Account, market: Market) -> None:
    person = factories.make_person(zone="Pacific/Kiritimati")
    factories.make_share(account=desk, person=person)
    indebt(desk, market, principal="25")
    factories.make_repay(account=desk, principal="5", interest="0")
    coverage = factories.make_coverage(account=desk)
    factories.make_gap(coverage=coverage, starts_at=NOW - 3 * HOUR, ends_at=NOW - 2 * HOUR)
    client = Client()
    client.force_login(person)

    text = strip_tags(client.get("/loans/").text)

    assert "in the gap of the borrow records from 2026-11-20 23:00:00 +14" in text


def test_a_debt_shows_the_label_of_the_replay_and_the_cost_of_thirty_days(
    client: Client, desk: Account, market: Market
) -> None:
    loan = indebt(desk, market)
    factories.tell(loan, "0.00045833", at=loan.at + timedelta(seconds=8))

    text = strip_tags(client.get("/loans/").text)

    assert "replay agrees" in text
    assert str(Decimal("0.00045833") * 720) in text


def test_a_loans_page_says_what_the_accounts_loans_say_together_of_the_hours(
    client: Client, desk: Account, market: Market
) -> None:
    loan = indebt(desk, market)
    assert 'id="together"' not in client.get(f"/loans/{loan.uuid}/").text

    factories.tell(loan, "0.00045833", at=loan.at + timedelta(seconds=8))
    cache.clear()

    words = "together, counted anew every hour: Of 1 loan with told interest 1 fit both."
    assert words in page_of(client, loan)


def test_repaying_is_not_offered_where_the_exchange_says_nothing_is_owed(
    client: Client, desk: Account, market: Market
) -> None:
    indebt(desk, market)
    MarginSide.objects.update(borrow_unpaid="0", interest_unpaid="0")

    answer = client.get("/loans/")

    assert "USDT</a> on BTC_USDT" in answer.text
    assert "/repay/?account" not in answer.text


def test_repaid_loans_are_one_link_away(client: Client, desk: Account) -> None:
    answer = client.get("/loans/")

    assert "All loans, also repaid ones" in answer.text
    assert 'href="/history/borrows/"' in answer.text


def test_queries_do_not_grow_with_debts(
    client: Client, desk: Account, django_assert_max_num_queries: Callable
) -> None:
    client.get("/loans/")

    def lend(number: int) -> None:
        market = factories.make_market(symbol=f"C{number}_USDT")
        factories.make_terms(market=market)
        margin = factories.make_margin_account(account=desk, market=market)
        factories.make_margin_side(margin_account=margin, borrow_unpaid="20")
        factories.make_borrow(account=desk, symbol=market.symbol)

    lend(0)
    with django_assert_max_num_queries(30) as few:
        client.get("/loans/")
    for number in range(1, 12):
        lend(number)
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get("/loans/")


def test_a_loan_whose_figures_fit_agrees(client: Client, desk: Account, market: Market) -> None:
    loan = factories.make_borrow(
        account=desk, at=NOW - timedelta(hours=5, minutes=20), interest="0.00229165"
    )
    factories.tell(loan, "0.00045833", at=loan.at + timedelta(seconds=8))
    factories.tell(loan, "0.00229165", at=loan.at + timedelta(hours=4, minutes=30))

    text = page_of(client, loan)

    assert "agrees to 1e-8" in text
    assert "each hour after the loan was taken" in text
    assert "Next charge" in text


def test_a_loan_whose_figures_do_not_fit_differs_by_so_much(
    client: Client, desk: Account, market: Market
) -> None:
    loan = factories.make_borrow(account=desk, at=NOW - 6 * HOUR, interest="0.00045834")
    factories.tell(loan, "0.00045840", at=loan.at + timedelta(seconds=8))

    text = page_of(client, loan)

    assert "differs by 0.00000007 USDT (more was told)" in text
    assert "Next charge" not in text


@pytest.mark.parametrize("unread", [{"complete_to": None}, {"complete_from": NOW - 48 * HOUR}])
def test_no_loan_differs_as_long_as_a_list_of_its_pair_is_not_read(
    client: Client, desk: Account, market: Market, unread: dict
) -> None:
    loan = factories.make_borrow(account=desk, at=NOW - 6 * HOUR, interest="0.00045834")
    factories.tell(loan, "0.00045840", at=loan.at + timedelta(seconds=8))
    factories.make_coverage(account=desk)
    factories.make_coverage(account=desk, kind=Kind.REPAY, **unread)

    text = page_of(client, loan)

    assert "cannot tell" in text
    assert "a repayment may be missing" in text


def test_a_loan_differs_where_what_is_older_is_not_served_at_all(
    client: Client, desk: Account, market: Market
) -> None:
    loan = factories.make_borrow(account=desk, at=NOW - 6 * HOUR, interest="0.00045834")
    factories.tell(loan, "0.00045840", at=loan.at + timedelta(seconds=8))
    since = NOW - 48 * HOUR
    for kind in Kind:
        coverage = factories.make_coverage(account=desk, kind=kind, complete_from=since)
        factories.make_gap(coverage=coverage, starts_at=EARLIEST, ends_at=since, reason=NOT_SERVED)

    assert "differs by 0.00000007 USDT (more was told)" in page_of(client, loan)


def test_a_loans_figures_say_how_old_their_records_and_its_rate_are(
    client: Client, desk: Account, market: Market
) -> None:
    now = timezone.now()
    Terms.objects.update(as_of=now - timedelta(minutes=5))
    loan = factories.make_borrow(account=desk, at=now - 3 * HOUR)
    factories.make_coverage(account=desk, checked_at=now - timedelta(minutes=7))
    never_read = page_of(client, loan)
    factories.make_coverage(account=desk, kind=Kind.REPAY, checked_at=now)

    text = " ".join(page_of(client, loan).split())

    assert never_read.count("never read") == 2
    assert "Still out20.00000000USDT 7 min" in text
    assert re.search(r"Interest charged, by our replay\S+USDT 7 min", text)
    assert "% a day 5 min; rates move" in text


def test_what_cannot_be_told_is_not_claimed(client: Client, desk: Account) -> None:
    silent = factories.make_borrow(account=desk, interest=None)
    empty = factories.make_borrow(account=desk, principal=None, interest=None, symbol="ETH_USDT")

    assert "cannot tell" in page_of(client, silent)
    assert "never told the principal" in page_of(client, empty)


def test_the_story_shows_the_change_the_repayment_and_the_instruction(
    client: Client, desk: Account, owner: User, market: Market
) -> None:
    loan = factories.make_borrow(account=desk, at=NOW - 3 * HOUR, story_changed=True)
    factories.make_repay(account=desk, interest="0.00137499", at=NOW - HOUR)
    factories.make_instruction(
        account=desk,
        state=State.CONFIRMED,
        created_at=NOW - 3 * HOUR - timedelta(seconds=3),
        borrow_record=loan,
    )
    factories.tell(loan, "0.00045833", at=loan.at + timedelta(seconds=8))
    factories.tell(loan, "0.00000000", at=NOW, principal="0")

    text = page_of(client, loan)

    assert "the exchange changed its story" in text
    assert "The exchange changed its story" in text
    assert "Repaid in full" in text
    assert "3 hours charged" in text
    assert "Confirmed here" in text


def test_a_repayment_of_interest_alone_is_in_the_story_of_each_loan_that_was_out(
    client: Client, desk: Account, market: Market
) -> None:
    repaid = factories.make_borrow(account=desk, at=NOW - 9 * HOUR)
    factories.make_repay(account=desk, principal="20", interest="0", at=NOW - 8 * HOUR)
    out = factories.make_borrow(account=desk, at=NOW - 5 * HOUR)
    factories.make_repay(account=desk, principal="0", interest="0.0007", at=NOW - 2 * HOUR)
    factories.make_repay(
        account=desk, symbol="ETH_USDT", principal="0", interest="0.0009", at=NOW - 2 * HOUR
    )

    text = page_of(client, out)

    assert "Interest repaid" in text
    assert "0.00070000USDT of this debt, no principal" in text
    assert "0.00090000" not in text
    assert "Interest repaid" not in page_of(client, repaid)


def test_the_ledger_as_a_file_has_every_charge(
    client: Client, desk: Account, market: Market
) -> None:
    loan = factories.make_borrow(account=desk, principal="15", at=NOW - 100 * HOUR)
    factories.make_repay(account=desk, principal="15", interest="0", at=NOW)
    factories.tell(loan, "0.00034374", at=loan.at + timedelta(seconds=8))

    answer = client.get(f"/loans/{loan.uuid}/charges.csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))

    assert {row["hours"] for row in rows} == {"anniversary", "clock"}
    one = [row for row in rows if row["hours"] == "anniversary"]
    assert len(one) == 101
    assert one[-1]["so_far"] == str(Decimal("0.00034374") * 101)


def test_the_hour_clock_runs_only_where_one_reading_fits(
    client: Client, desk: Account, market: Market
) -> None:
    now = timezone.now()
    at = now - timedelta(hours=5, minutes=20)
    at = at.replace(minute=40, second=0, microsecond=0)
    open_question = factories.make_borrow(account=desk, at=at, interest="0.00045833")
    factories.tell(open_question, "0.00045833", at=at + timedelta(seconds=8))
    assert "Next charge" not in page_of(client, open_question)

    factories.tell(open_question, "0.00091666", at=at + timedelta(minutes=30))

    text = page_of(client, open_question)
    assert "on each full hour of the clock" in text
    assert "Next charge in about" in text


def test_a_forecast_is_a_plain_address(client: Client, desk: Account, market: Market) -> None:
    loan = factories.make_borrow(account=desk, at=timezone.now() - HOUR)

    text = page_of(client, loan)
    assert "What it will cost" in text
    assert "0.01099992" in text
    assert "0.32999760" in text

    text = strip_tags(client.get(f"/loans/{loan.uuid}/?until=10").text)
    assert "240 hours start until then" in text
    assert "0.10999920" in text


def test_a_forecast_that_cannot_be_read_says_how(client: Client, desk: Account) -> None:
    loan = factories.make_borrow(account=desk, at=timezone.now() - HOUR)

    answer = client.get(f"/loans/{loan.uuid}/?until=<tomorrow>")

    assert answer.status_code == 422
    assert "Write a number of days" in answer.text
    assert "&lt;tomorrow&gt;" in answer.text


def test_a_repaid_loan_is_not_forecast(client: Client, desk: Account) -> None:
    loan = factories.make_borrow(account=desk)
    factories.make_repay(account=desk, at=NOW)

    assert "What it will cost" not in page_of(client, loan)


def test_an_unknown_principal_is_said_on_the_loan(client: Client, desk: Account) -> None:
    loan = factories.make_borrow(account=desk, principal=None, interest=None)

    text = page_of(client, loan)

    assert "principal unknown" in text
    assert "the history of this debt is incomplete by it" in text
