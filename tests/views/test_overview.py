"""The first page: what is owed, what it costs, what needs the person, how fresh it is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from loans.models import Account, Feed, Market, Side, State, Venue
from tests import factories


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


@pytest.fixture
def btc(db: None) -> Market:
    market = factories.make_market(price="90000")
    factories.make_terms(market=market, side=Side.QUOTE, daily_rate="0.00055")
    factories.make_terms(market=market, side=Side.BASE, daily_rate="0.0003")
    return market


def text_of(client: Client) -> str:
    answer = client.get("/")
    assert answer.status_code == 200
    return strip_tags(answer.text)


def test_only_people_who_are_signed_in_see_it(db: None) -> None:
    assert Client().get("/").status_code == 302


def test_nothing_can_be_posted(client: Client) -> None:
    assert client.post("/").status_code == 405


def test_without_a_key_it_offers_the_two_ways_to_begin(client: Client) -> None:
    answer = client.get("/")

    assert "Try it on paper" in answer.text
    assert "Connect BitMart" in answer.text


def test_a_rate_that_moved_since_it_is_watched_has_moved(
    client: Client, desk: Account, btc: Market
) -> None:
    now = timezone.now()
    assert "No rate has moved" in text_of(client)
    factories.make_rate_change(market=btc, at=now - timedelta(minutes=9), daily_rate="0.0005")
    factories.make_rate_change(market=btc, at=now - timedelta(minutes=4), daily_rate="0.00055")

    page = text_of(client)

    assert "No rate has moved" not in page
    assert "+10.0 %" in page


def test_a_stranger_sees_nothing_of_it(desk: Account, stranger: User) -> None:
    factories.make_borrow(account=desk)
    client = Client()
    client.force_login(stranger)

    text = client.get("/").text

    assert desk.label not in text
    assert "Try it on paper" in text


def test_the_fragment_is_the_body_alone(client: Client, desk: Account) -> None:
    answer = client.get("/", headers={"HX-Request": "true", "HX-Target": "overview-body"})

    assert answer.text.strip().startswith('<div id="overview-body"')


def test_debts_are_added_up_by_currency_and_in_usdt(
    client: Client, desk: Account, btc: Market
) -> None:
    factories.make_borrow(account=desk, principal="20", interest="0")
    factories.make_borrow(account=desk, symbol="ETH_USDT", principal="5", interest="0")
    factories.make_borrow(account=desk, currency="BTC", principal="0.5", interest="0")

    text = text_of(client)

    assert "25.00000000" in text
    assert "0.50000000" in text
    assert "≈ 45,025.00" in text


def test_the_worth_of_a_debt_says_what_it_is_and_in_what(
    client: Client, desk: Account, btc: Market
) -> None:
    factories.make_borrow(account=desk, currency="BTC", principal="0.5", interest="0")
    factories.make_borrow(account=desk, symbol="1000SATS_USDT", currency="1000SATS")

    text = client.get("/").text

    assert 'data-label="worth">≈ 45,000.00<span class="narrow-only">USDT</span></td>' in text
    assert '<td class="n l2 end">no price known</td>' in text


def test_one_age_tells_for_all_prices_and_an_older_one_keeps_its_own(
    client: Client, desk: Account, btc: Market
) -> None:
    now = timezone.now()
    factories.make_market(symbol="ETH_USDT", price="3000")
    Market.objects.update(price_as_of=now)
    for currency in ("BTC", "ETH"):
        factories.make_borrow(account=desk, symbol=f"{currency}_USDT", currency=currency)

    fresh = client.get("/").text
    Market.objects.filter(base="ETH").update(price_as_of=now - timedelta(hours=3))
    lagging = client.get("/").text

    assert (fresh.count("oldest price used"), fresh.count("last price")) == (1, 0)
    assert (lagging.count("oldest price used"), lagging.count("last price")) == (1, 1)
    eth = lagging.partition(">ETH ")[2].partition("</th>")[0]
    assert "last price" in eth
    assert "3 h" in eth
    assert "3 h" in lagging.partition("oldest price used")[2][:40]


def test_figures_of_one_age_tell_it_once(client: Client, desk: Account, btc: Market) -> None:
    now = timezone.now()
    margin = factories.make_margin_account(account=desk, market=btc, as_of=now)
    for side in Side:
        factories.make_margin_side(margin_account=margin, side=side, borrow_unpaid="1")

    together = client.get("/").text
    margin.sides.filter(side=Side.BASE).update(as_of=now - timedelta(minutes=7))
    apart = client.get("/").text

    assert (together.count("oldest figure in it"), together.count("· figures")) == (1, 0)
    assert "7 min" in apart.partition(">BTC ")[2].partition("</th>")[0]


def test_what_was_never_read_is_not_called_nothing(client: Client, desk: Account) -> None:
    before = text_of(client)
    factories.make_feed(account=desk, name=Feed.Name.FIGURES)

    assert "Not known yet" in before
    assert "Nothing is owed" not in before
    assert "0.00" not in before
    assert "Nothing is owed" in text_of(client)


def test_what_has_no_price_is_left_out_and_named(client: Client, desk: Account) -> None:
    factories.make_borrow(account=desk, symbol="1000SATS_USDT", currency="1000SATS")

    text = text_of(client)

    assert "no price known" in text
    assert "Without a price, not in it" in text


def test_paper_and_real_money_are_never_added_up(
    client: Client, desk: Account, owner: User
) -> None:
    live = factories.make_account(owner=owner, venue="bitmart", label="Live")
    factories.make_borrow(account=desk, principal="20", interest="0")
    factories.make_borrow(account=live, principal="30", interest="0")

    text = text_of(client)

    assert "20.00000000" in text
    assert "30.00000000" in text
    assert "50.00" not in text


def test_the_largest_amounts_are_written_in_full(client: Client, desk: Account) -> None:
    for _ in range(2):
        factories.make_borrow(account=desk, principal="99999999999999999999.12345678", interest="0")

    assert "199,999,999,999,999,999,998.24691356" in text_of(client)


def test_it_says_what_needs_the_person(client: Client, desk: Account, btc: Market) -> None:
    factories.make_margin_account(
        account=desk, market=btc, risk_rate="1.2", risk_level="3", as_of=timezone.now()
    )

    text = text_of(client)

    assert "Needs you" in text
    assert "BTC_USDT" in text


def test_it_shows_rates_that_moved_and_last_instructions(
    client: Client, desk: Account, btc: Market
) -> None:
    now = timezone.now()
    for hours, rate in ((30, "0.0005"), (3, "0.00055")):
        factories.make_rate_change(market=btc, at=now - timedelta(hours=hours), daily_rate=rate)
    factories.make_instruction(account=desk, state=State.CONFIRMED)

    text = text_of(client)

    assert "+10.0 %" in text
    assert "confirmed" in text


def test_it_says_how_fresh_everything_is(client: Client, desk: Account) -> None:
    factories.make_feed(
        account=desk,
        name=Feed.Name.FIGURES,
        failures=3,
        error="The exchange does not answer.",
        last_success_at=timezone.now() - timedelta(hours=2),
    )

    text = text_of(client)

    assert "The exchange does not answer. (3 in a row)" in text
    assert "2 h" in text


def test_the_number_of_queries_is_fixed(
    client: Client, desk: Account, btc: Market, django_assert_max_num_queries: Callable
) -> None:
    factories.make_borrow(account=desk)
    factories.make_instruction(account=desk, state=State.CONFIRMED)
    client.get("/")
    with django_assert_max_num_queries(60) as few:
        client.get("/")
    for number in range(8):
        factories.make_borrow(account=desk, symbol=f"C{number}_USDT", currency=f"C{number}")
        factories.make_instruction(account=desk, state=State.CONFIRMED)
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get("/")


@pytest.mark.parametrize("page", ["/", "/loans/", "/history/"])
def test_real_money_comes_before_paper(client: Client, owner: User, page: str) -> None:
    paper = factories.make_account(owner=owner, label="A desk")
    live = factories.make_account(owner=owner, label="Z desk", venue=Venue.BITMART)
    for account in (paper, live):
        market = factories.make_market(venue=account.venue)
        factories.make_borrow(account=account)
        margin = factories.make_margin_account(account=account, market=market)
        factories.make_margin_side(margin_account=margin, borrow_unpaid="20")
        factories.make_coverage(account=account)

    shown = strip_tags(client.get(page).text.partition("<main")[2])

    assert 0 < shown.index("Z desk") < shown.index("A desk")
    assert 0 < shown.index("LIVE") < shown.index("PAPER")
