"""The rates pages: what they list, in which order, for whom, and what they flag."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from loans.models import Side, Venue
from tests.factories import (
    make_account,
    make_account_terms,
    make_borrow,
    make_feed,
    make_margin_account,
    make_margin_side,
    make_market,
    make_person,
    make_rate_change,
    make_share,
    make_terms,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def trader(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def offer(
    symbol: str = "BTC_USDT", daily_rate: str = "0.00055", *, side: str = Side.QUOTE, **market: str
):
    """A pair with one side on offer."""
    pair = make_market(symbol=symbol, **market)
    make_terms(market=pair, side=side, daily_rate=daily_rate, as_of=timezone.now())
    return pair


def html(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def listed(page: str) -> list[str]:
    """The rows of the table, as pair:side."""
    return re.findall(r'<tr id="rate-([\w-]+)"', page)


def text(page: str) -> str:
    return re.sub(r"\s+", " ", strip_tags(page))


def test_each_side_shows_its_rates_cost_and_limits(trader: Client) -> None:
    offer()

    page = text(html(trader, "/rates/"))

    for figure in ("0.055000%", "0.00229166%", "20.08%", "22.23%", "0.54999840"):
        assert figure in page


def test_the_cost_follows_the_amount_and_hours_of_the_address(trader: Client) -> None:
    offer()

    page = text(html(trader, "/rates/?amount=20&hours=1"))

    assert "20 for 1 h" in page
    assert "0.00045833" in page


def test_a_mistyped_amount_is_kept_and_explained(trader: Client) -> None:
    offer()

    page = html(trader, "/rates/?amount=1,000")

    assert 'value="1,000" aria-describedby="id_amount-error" aria-invalid="true"' in page
    assert "Cost of: Write a plain number without commas, like 1000 or 0.5" in page
    assert "1,000 for 24 h" in page


def test_what_is_wrong_comes_with_the_table_to_its_field(trader: Client) -> None:
    offer()
    headers = {"HX-Request": "true", "HX-Target": "rate-table"}

    wrong = trader.get("/rates/?amount=x", headers=headers).content.decode()
    right = trader.get("/rates/?amount=10", headers=headers).content.decode()

    assert re.search(r'id="id_amount-error" role="alert"><p>.*Cost of: ', wrong, re.DOTALL)
    for name in ("amount", "hours"):
        assert f'id="id_{name}-error" role="alert"></div>' in right


@pytest.mark.parametrize("hours", ["0", "9000", "1.5", "many"])
def test_mistyped_hours_are_kept_and_explained(trader: Client, hours: str) -> None:
    offer()

    page = html(trader, f"/rates/?hours={hours}")

    assert f'value="{hours}"' in page
    assert "Write whole hours, from 1 to 8,784." in page
    assert "1,000 for 24 h" in page


@pytest.mark.parametrize(
    ("sort", "first"),
    [("daily", "AAA_USDT-quote"), ("-daily", "CCC_USDT-quote"), ("-symbol", "CCC_USDT-quote")],
)
def test_every_order_is_in_the_address(trader: Client, sort: str, first: str) -> None:
    for symbol, rate in (("AAA_USDT", "0.0001"), ("BBB_USDT", "0.0002"), ("CCC_USDT", "0.0009")):
        offer(symbol, rate)

    assert listed(html(trader, f"/rates/?sort={sort}"))[0] == first


def test_what_is_not_known_comes_last_in_both_directions(trader: Client, owner: User) -> None:
    account = make_account(owner=owner)
    known = offer("AAA_USDT")
    offer("BBB_USDT")
    make_account_terms(account=account, market=known, borrowable="5")

    for sort in ("borrowable", "-borrowable"):
        assert listed(html(trader, f"/rates/?sort={sort}")) == ["AAA_USDT-quote", "BBB_USDT-quote"]


def test_every_sort_of_the_table_works(trader: Client) -> None:
    offer()
    links = set(re.findall(r'href="\?sort=([\w-]+)"', html(trader, "/rates/")))

    assert {"daily", "hourly", "apr", "apy", "cost", "change", "min", "max", "age"} <= links
    for sort in links:
        assert listed(html(trader, f"/rates/?sort={sort}&currency=")) == ["BTC_USDT-quote"]


def test_an_order_chosen_in_the_table_goes_along_when_the_filter_changes(trader: Client) -> None:
    headers = {"HX-Request": "true", "HX-Target": "rate-table"}
    kept = '<input type="hidden" name="sort" value="-daily" form="rates-filter">'

    for sent in ({}, headers):
        assert kept in trader.get("/rates/", {"sort": "-daily"}, headers=sent).text
        assert 'name="sort"' not in trader.get("/rates/", headers=sent).text
    assert 'id="rates-filter"' in trader.get("/rates/").text


def test_search_finds_pairs_by_any_spelling(trader: Client) -> None:
    offer("BTC_USDT")
    offer("ETH_USDT")

    for words in ("btc", "BTC/usdt", "usdt btc"):
        assert listed(html(trader, f"/rates/?q={words}")) == ["BTC_USDT-quote"]


def test_filters_narrow_by_currency_side_and_state(trader: Client) -> None:
    make_terms(market=offer("BTC_USDT"), side=Side.BASE)
    offer("ETH_USDT", enabled=False)

    assert listed(html(trader, "/rates/?currency=BTC")) == ["BTC_USDT-base"]
    assert listed(html(trader, "/rates/?side=quote")) == ["BTC_USDT-quote", "ETH_USDT-quote"]
    assert "ETH_USDT-quote" not in listed(html(trader, "/rates/?enabled=on"))


def test_borrowable_now_needs_at_least_the_minimum(trader: Client, owner: User) -> None:
    account = make_account(owner=owner)
    for symbol, borrowable in (("AAA_USDT", "0"), ("BBB_USDT", "5")):
        make_account_terms(account=account, market=offer(symbol), borrowable=borrowable)

    assert listed(html(trader, "/rates/?borrowable=on")) == ["BBB_USDT-quote"]


def test_a_stranger_does_not_see_what_an_account_may_borrow(
    client: Client, owner: User, stranger: User
) -> None:
    account = make_account(owner=owner)
    make_account_terms(account=account, market=offer(), borrowable="135.12")
    client.force_login(stranger)

    page = html(client, f"/rates/?account={account.pk}")

    assert listed(page) == ["BTC_USDT-quote"]
    assert "135.12" not in page
    assert "135.12" not in html(client, "/rates/BTC_USDT/")


def test_a_colleague_with_a_share_sees_it(client: Client, owner: User, colleague: User) -> None:
    account = make_account(owner=owner)
    make_account_terms(account=account, market=offer(), borrowable="135.12")
    make_share(account=account, person=colleague)
    client.force_login(colleague)

    assert "135.12" in html(client, "/rates/")


def test_one_currency_is_ranked_and_its_cheapest_pair_named(trader: Client) -> None:
    offer("AAA_USDT", "0.0009")
    offer("BBB_USDT", "0.0001")

    page = html(trader, "/rates/?currency=USDT")

    assert listed(page) == ["BBB_USDT-quote", "AAA_USDT-quote"]
    assert "Cheapest USDT now: BBB_USDT" in text(page)


def test_an_implausible_or_disabled_rate_is_never_called_the_cheapest(trader: Client) -> None:
    offer("AAA_USDT", "0.0000000001")
    offer("BBB_USDT", "0.0001", enabled=False)
    offer("CCC_USDT", "0.0003")

    assert "Cheapest USDT now: CCC_USDT" in text(html(trader, "/rates/?currency=USDT"))


def test_the_cheapest_that_can_be_borrowed_is_named_beside_it(trader: Client, owner: User) -> None:
    account = make_account(owner=owner)
    make_account_terms(account=account, market=offer("AAA_USDT", "0.0001"), borrowable="0")
    make_account_terms(account=account, market=offer("BBB_USDT", "0.0002"), borrowable="7")

    assert "where Desk can borrow now: BBB_USDT" in text(html(trader, "/rates/?currency=USDT"))


def test_the_view_by_currency_names_each_ones_cheapest_pair(trader: Client) -> None:
    make_terms(market=offer("AAA_USDT", "0.0009"), side=Side.BASE)
    offer("BBB_USDT", "0.0001")

    page = text(html(trader, "/rates/?by=currency"))

    assert re.search(r"USDT BBB_USDT quote 0\.010000%", page)
    assert "2 currencies" in page


def test_a_rate_outside_the_plausible_band_is_flagged_and_not_rescaled(trader: Client) -> None:
    offer("BTC_USDT", "0.05")

    page = text(html(trader, "/rates/"))

    assert "unusual rate" in page
    assert "5.000000%" in page


def test_terms_on_which_two_keys_disagree_are_flagged(trader: Client) -> None:
    make_terms(market=make_market(), differs_by_key=True)

    assert "differs by key" in html(trader, "/rates/")
    assert "differs by key" in html(trader, "/rates/BTC_USDT/")


def test_the_change_is_measured_against_the_rate_a_day_ago(trader: Client) -> None:
    now = timezone.now()
    pair = offer("BTC_USDT", "0.00055")
    make_rate_change(market=pair, at=now - timedelta(days=3), daily_rate="0.0001")
    make_rate_change(market=pair, at=now - timedelta(hours=30), daily_rate="0.0005")
    make_rate_change(market=pair, at=now - timedelta(hours=2), daily_rate="0.00055")

    page = html(trader, "/rates/")

    assert "▲ +10.0 %" in text(page)
    assert "from 0.010000 % to 0.055000 %" in page


def test_a_side_watched_for_less_than_a_day_has_no_change_yet(trader: Client) -> None:
    pair = offer()
    make_rate_change(market=pair, at=timezone.now() - timedelta(hours=2), daily_rate="0.00055")

    assert "▲" not in html(trader, "/rates/")


def test_long_tables_come_by_the_page_and_without_script(trader: Client) -> None:
    for number in range(60):
        offer(f"C{number:02d}_USDT")

    first = html(trader, "/rates/")
    both = html(trader, "/rates/?rows=100")
    rest = html(trader, "/rates/?after=C49_USDT:quote")

    assert len(listed(first)) == 50
    assert 'href="?rows=100"' in first
    assert len(listed(both)) == 60
    assert listed(rest)[0] == "C50_USDT-quote"
    assert len(listed(rest)) == 10


def test_currencies_come_by_the_page_too(trader: Client) -> None:
    for number in range(60):
        make_terms(market=make_market(symbol=f"C{number:02d}_USDT"), side=Side.BASE)

    first, both = html(trader, "/rates/?by=currency"), html(trader, "/rates/?by=currency&rows=100")

    assert first.count("<tr data-opens") == 50
    assert 'href="?by=currency&amp;rows=100"' in first
    assert both.count("<tr data-opens") == 60


def test_more_rows_cost_no_more_queries(trader: Client) -> None:
    def offer_moved(numbers: range) -> None:
        for number in numbers:
            pair = offer(f"C{number:02d}_USDT")
            at = timezone.now() - timedelta(days=2)
            make_rate_change(market=pair, at=at, daily_rate="0.0005")

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            html(trader, "/rates/?sort=-change")
        return len(counted)

    offer_moved(range(2))
    queries()  # the first look also opens the session
    few = queries()
    offer_moved(range(2, 40))

    assert queries() <= few


def test_the_file_holds_every_row_of_the_view_in_its_order(trader: Client, owner: User) -> None:
    account = make_account(owner=owner)
    for number in range(60):
        make_account_terms(
            account=account, market=offer(f"C{number:02d}_USDT", f"0.000{number + 100}")
        )
    offer("ETH_BTC")

    answer = trader.get("/rates.csv?sort=-daily&currency=USDT")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))

    assert answer.headers["Content-Disposition"].startswith('attachment; filename="rates-paper-')
    assert [line["symbol"] for line in lines[:2]] == ["C59_USDT", "C58_USDT"]
    assert len(lines) == 60
    assert lines[0]["daily_rate"] == "0.0001590000000000"
    assert lines[0]["borrowable"] == "135.12000000"


def test_nonsense_in_the_address_is_no_error(trader: Client) -> None:
    offer()

    for query in ("sort=owner__password", "rows=-1", "after=~~", "by=x", "side=up", "hours=0"):
        assert listed(html(trader, f"/rates/?{query}")) == ["BTC_USDT-quote"]


def test_each_venue_has_its_own_rates_and_band(trader: Client, owner: User) -> None:
    offer("AAA_USDT")
    offer("BBB_USDT", venue=Venue.BITMART)
    make_account(owner=owner, venue=Venue.BITMART)

    live, paper = html(trader, "/rates/"), html(trader, "/rates/?venue=paper")

    assert listed(live) == ["BBB_USDT-quote"]
    assert "LIVE</strong>: real money" in live
    assert "closing" in text(live)
    assert listed(paper) == ["AAA_USDT-quote"]
    assert "PAPER</strong>: no real money" in paper


def test_before_the_first_reading_the_page_says_what_will_come(trader: Client) -> None:
    assert "No rates yet" in html(trader, "/rates/")


def test_an_unreachable_exchange_is_named_with_what_is_shown(trader: Client) -> None:
    pair = make_market()
    make_terms(market=pair, as_of=timezone.now() - timedelta(hours=2))
    make_feed(failures=3, error="The exchange did not answer for 2 hours.")

    page = html(trader, "/rates/")

    assert "The exchange did not answer for 2 hours." in page
    chip = re.search(r'<time class="chip age age-stale"[^>]*>2 h</time>', page).group()
    assert "exchange unreachable" in chip


def test_the_pair_page_shows_both_sides_and_what_is_owed(trader: Client, owner: User) -> None:
    pair = offer()
    make_terms(market=pair, side=Side.BASE, daily_rate="0.0002")
    margin = make_margin_account(account=make_account(owner=owner), market=pair)
    make_margin_side(margin_account=margin, borrow_unpaid="20", interest_unpaid="0.00045833")

    page = text(html(trader, "/rates/BTC_USDT/"))

    for words in ("Borrow BTC", "Borrow USDT", "20.00000000USDT", "0.00045833USDT", "4.2"):
        assert words in page


def test_the_pair_page_tells_its_changes_newest_first(trader: Client) -> None:
    pair, now = offer(), timezone.now()
    make_rate_change(market=pair, at=now - timedelta(days=2), daily_rate="0.0005")
    make_rate_change(market=pair, at=now - timedelta(days=1), daily_rate="0.00055")

    page = text(html(trader, "/rates/BTC_USDT/"))

    assert re.search(r"0\.055000%.*▲ \+10\.0 %.*0\.050000%.*first seen", page)


def test_older_changes_are_a_page_away(trader: Client) -> None:
    pair, now = offer(), timezone.now()
    for hour in range(55):
        make_rate_change(
            market=pair, at=now - timedelta(hours=60 - hour), daily_rate=f"0.000{100 + hour}"
        )

    page = html(trader, "/rates/BTC_USDT/")
    older = re.search(r'id="older-changes" href="(\?after=\d+)"', page)

    assert older is not None
    assert "first seen" not in page
    assert "first seen" in html(trader, f"/rates/BTC_USDT/{older[1]}")


def test_the_chart_gets_exact_text_and_the_persons_loans(trader: Client, owner: User) -> None:
    pair, now = offer(), timezone.now()
    make_rate_change(market=pair, at=now - timedelta(days=2), daily_rate="0.00055")
    make_borrow(account=make_account(owner=owner), symbol="BTC_USDT", at=now - timedelta(hours=5))

    page = html(trader, "/rates/BTC_USDT/")

    assert '"0.0005500000000000"' in page
    assert '"marks": [[' in page


def test_an_unknown_pair_is_not_found(trader: Client) -> None:
    assert trader.get("/rates/NOPE_USDT/").status_code == 404


@pytest.mark.parametrize("address", ["/rates/", "/rates/BTC_USDT/"])
def test_the_pages_need_a_person_and_only_answer_reads(
    client: Client, owner: User, address: str
) -> None:
    offer()

    assert client.get(address).headers["Location"].startswith("/accounts/login/")
    client.force_login(owner)
    assert client.post(address).status_code == 405


def test_a_new_site_says_since_when_rates_are_watched(trader: Client) -> None:
    pair = offer("BTC_USDT")
    make_rate_change(market=pair, at=timezone.now() - timedelta(minutes=5), daily_rate="0.0005")

    young = html(trader, "/rates/")
    make_rate_change(market=pair, at=timezone.now() - timedelta(days=2), daily_rate="0.0004")
    old = html(trader, "/rates/")

    assert "What is shown is watched since" in young
    assert 'class="spark"' in young
    assert "watched since" not in old


def test_a_chart_is_read_in_the_persons_zone(db: None) -> None:
    market = make_market()
    make_rate_change(market=market, at=timezone.now() - timedelta(hours=1), daily_rate="0.00055")
    client = Client()
    client.force_login(make_person(zone="Asia/Kathmandu"))

    answer = client.get(f"/rates/{market.symbol}/")

    assert answer.context["chart"]["data"]["zone"] == "Asia/Kathmandu"
    assert "Times in Asia/Kathmandu." in answer.text


def test_a_chart_begins_where_the_first_rate_is_known(trader: Client) -> None:
    at = timezone.now() - timedelta(hours=2)
    make_rate_change(market=offer("BTC_USDT"), at=at, daily_rate="0.0005")

    answer = trader.get("/rates/BTC_USDT/?span=30d")

    assert answer.context["chart"]["data"]["from"] == int(at.timestamp())
    assert "Known since" in answer.text
    assert "is the unbroken line" in answer.text


@pytest.mark.parametrize("field", ["daily", "hourly", "apr", "apy", "min", "max", "leverage"])
def test_every_figure_of_the_table_has_its_head_to_sort_by(trader: Client, field: str) -> None:
    offer("BTC_USDT")

    page = html(trader, f"/rates/?sort=-{field}")

    sorted_head = re.search(r'<th [^>]*aria-sort="descending">(.*?)</th>', page).group(1)
    assert re.search(rf'class="by" id="sort-{field}"', sorted_head)
    assert sorted_head.count('class="by"') == 1


def test_a_key_at_fault_is_not_the_one_whose_amounts_are_shown(trader: Client, owner: User) -> None:
    pair, now = offer(), timezone.now()
    first, second = (make_account(owner=owner, label=label) for label in ("First", "Second"))
    for account, borrowable in ((first, "111"), (second, "222")):
        make_account_terms(account=account, market=pair, borrowable=borrowable, as_of=now)
    assert "; borrowable by First" in trader.get("/rates/").text

    first.lights.create(name="reads", state="red", checked_at=now)
    page = trader.get("/rates/").text

    assert "; borrowable by Second" in page
    options = re.findall(r">(First|Second)</option>", page)
    assert options == ["Second", "First"]  # a list shows its first while nothing is chosen
    assert "222" in page


@pytest.mark.parametrize("daily_rate", ["0.5", "99999999.9999999999999999"])
@pytest.mark.parametrize("address", ["/rates/", "/rates/BTC_USDT/", "/rates.csv"])
def test_a_rate_out_of_all_measure_leaves_the_pages_of_the_others_standing(
    trader: Client, address: str, daily_rate: str
) -> None:
    offer("BTC_USDT", daily_rate)
    offer("ETH_USDT")

    answer = trader.get(address)

    assert answer.status_code == 200
    assert "BTC_USDT" in answer.text
