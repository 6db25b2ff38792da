"""The history pages: lists, filters, pages, totals, proof, and files of exactly the same rows."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from loans.models import Account, BorrowRecord, RepayRecord
from loans.services import history
from loans.views import history_filter
from tests import factories
from tests.factories import NOW
from tests.views.lists import beside, ids_on

PAGES = ["/history/", "/history/borrows/", "/history/repays/"]
FILES = ["/history/borrows.csv", "/history/repays.csv"]


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


def asking(fragment: str) -> dict[str, str]:
    """The headers with which htmx asks for a fragment."""
    return {"HX-Request": "true", "HX-Target": fragment}


def fill(account: Account, count: int, **fields: Any) -> None:
    factories.keep(
        "borrow",
        [
            factories.borrow_row(
                account=account, record_id=f"L{n}", at=NOW - timedelta(minutes=n // 3), **fields
            )
            for n in range(count)
        ],
    )


@pytest.mark.parametrize("url", [*PAGES, *FILES])
def test_only_people_who_are_signed_in_see_it(url: str, db: None) -> None:
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize("url", [*PAGES, *FILES])
def test_nothing_can_be_posted(client: Client, url: str) -> None:
    assert client.post(url).status_code == 405


@pytest.mark.parametrize("url", PAGES)
def test_an_empty_history_teaches(client: Client, url: str) -> None:
    answer = client.get(url)

    assert answer.status_code == 200
    assert 'class="empty"' in answer.text


@pytest.mark.parametrize("url", PAGES[1:])
def test_without_an_account_a_list_says_how_to_get_one_and_nothing_else(
    client: Client, url: str
) -> None:
    page = client.get(f"{url}?symbol=BTC_USDT").text.partition("<main")[2]
    rows = client.get(url, headers=asking("history-rows")).text

    for text in (page, rows):
        assert "No account yet" in text
        assert 'class="button" href="/keys/"' in text
        assert 'href="/borrow/"' not in text.partition("</main>")[0]
        assert 'href="/repay/"' not in text.partition("</main>")[0]
    for absent in ("history-filter", "Totals", "Save as", "Nothing is proven"):
        assert absent not in page


@pytest.mark.parametrize("url", [*PAGES, *FILES])
def test_a_stranger_sees_nothing_of_it(desk: Account, stranger: User, url: str) -> None:
    factories.make_borrow(account=desk, record_id="SECRETLOAN", symbol="HIDDEN_USDT")
    factories.make_repay(account=desk, record_id="SECRETLOAN", symbol="HIDDEN_USDT")
    factories.make_coverage(account=desk, symbol="HIDDEN_USDT")
    client = Client()
    client.force_login(stranger)

    answer = client.get(url, {"account": str(desk.pk)})
    plain = client.get(url)

    for one in (answer, plain):
        body = one.getvalue().decode()
        assert "SECRETLOAN" not in body
        assert "HIDDEN" not in body
        assert desk.label not in body


def test_a_colleague_sees_what_was_shared(desk: Account, colleague: User) -> None:
    factories.make_borrow(account=desk, record_id="SHARED")
    factories.make_share(account=desk, person=colleague)
    client = Client()
    client.force_login(colleague)

    assert ids_on(client.get("/history/borrows/")) == ["SHARED"]


def test_the_fragment_is_the_table_alone(client: Client, desk: Account) -> None:
    factories.make_borrow(account=desk)

    answer = client.get("/history/borrows/?from=never", headers=asking("history-table"))

    assert answer.text.strip().startswith('<div id="history-table"')
    assert "<html" not in answer.text
    assert 'id="from-error" role="alert" hx-swap-oob="true"' in answer.text
    assert "HX-Target" in answer.headers["Vary"]


def test_no_line_ends_within_the_example_of_a_date(client: Client, desk: Account) -> None:
    page = client.get("/history/borrows/?to=<b>x").text

    assert '<span class="together">2026-11-30T14:05</span>' in page
    assert "Write a date as 2026-11-30, or an instant as 2026-11-30T14:05." in strip_tags(page)


def test_tabs_and_files_carry_the_filter_along(client: Client, desk: Account) -> None:
    query = {"account": str(desk.pk), "q": "{account}&<b>", "sort": "amount"}

    for headers in ({}, asking("history-table")):
        page = client.get("/history/borrows/", query, headers=headers).text
        links = {urlsplit(unescape(link)) for link in re.findall(r'href="([^"]*)"', page)}
        found = {link.path: QueryDict(link.query).dict() for link in links if link.query}

        assert found["/history/repays/"] == query
        assert found["/history/borrows.xlsx"] == query
        assert found["/history/statement/"] == {"account": str(desk.pk)}
        assert "<b>" not in page


def test_a_pair_that_is_not_read_is_named_where_nothing_is_proven(
    client: Client, desk: Account
) -> None:
    factories.make_coverage(account=desk)

    page = client.get("/history/borrows/?symbol=NOPE_USDT").text

    assert "The history of NOPE_USDT has not been loaded" in page


def test_what_has_no_letter_or_digit_is_no_name(client: Client, desk: Account) -> None:
    page = client.get("/history/borrows/?currency=..").text

    assert "This is not the name of a pair or a currency." in page


def test_turning_a_page_fetches_its_rows_alone(client: Client, desk: Account) -> None:
    fill(desk, 60)
    factories.make_coverage(account=desk)

    with CaptureQueriesContext(connection) as asked:
        answer = client.get("/history/borrows/?symbol=BTC_USDT", headers=asking("history-rows"))

    assert answer.text.startswith('<div id="history-rows"')
    assert answer.text.count("<div") == answer.text.count("</div>")
    assert "HX-Target" in answer.headers["Vary"]
    assert beside(answer, "next").keys() == {"symbol", "after"}
    tables = ("loans_recordtotal", "loans_coverage", "loans_sitestate")
    assert not any(table in one["sql"] for one in asked for table in tables)


def test_a_place_behind_the_last_row_leads_back_to_the_beginning(
    client: Client, desk: Account
) -> None:
    fill(desk, 60)
    everything = beside(client.get("/history/borrows/"), "next") | {"after": "1_1"}

    for headers in ({}, asking("history-rows")):
        answer = client.get("/history/borrows/", everything | {"q": "L"}, headers=headers)
        assert "Nothing further" in answer.text
        assert 'href="/history/borrows/?q=L"' in answer.text


def test_the_totals_of_many_rows_say_how_many(client: Client, desk: Account) -> None:
    fill(desk, 1200)

    assert "of exactly the 1,200 rows of this list" in client.get("/history/borrows/").text


@pytest.mark.parametrize("fragment", ["", "history-rows"])
def test_pages_lead_through_every_row_once_and_back(
    client: Client, desk: Account, fragment: str
) -> None:
    headers = asking(fragment) if fragment else {}
    fill(desk, 130)
    expected = list(BorrowRecord.objects.order_by("-at", "-id").values_list("record_id", flat=True))

    page = client.get("/history/borrows/")
    seen, back = ids_on(page), []
    while (query := beside(page, "next")) is not None:
        page = client.get("/history/borrows/", query, headers=headers)
        seen += ids_on(page)
    while (query := beside(page, "previous")) is not None:
        page = client.get("/history/borrows/", query, headers=headers)
        back = ids_on(page) + back

    assert seen == expected
    assert back == expected[: len(back)]
    assert len(back) == 100


@pytest.mark.parametrize("sort", ["at", "-at", "amount", "-amount", "interest", "-interest"])
def test_every_order_holds_over_accounts_and_unknown_figures(
    client: Client, desk: Account, owner: User, sort: str
) -> None:
    second = factories.make_account(owner=owner, label="Second")
    for n in range(120):
        factories.make_borrow(
            account=desk if n % 2 else second,
            principal=None if n % 10 == 0 else str(n % 7 + 1),
            interest=None if n % 3 == 0 else str(n % 5),
            at=NOW - timedelta(seconds=n // 4),
        )
    names = {"at": "at", "amount": "principal", "interest": "interest"}

    def key(record: BorrowRecord) -> tuple[bool, object, int]:
        value = getattr(record, names[sort.removeprefix("-")])
        return (value is not None, value or 0, record.pk)

    expected = sorted(BorrowRecord.objects.all(), key=key, reverse=sort.startswith("-"))
    seen, query = [], {"sort": sort}
    while query is not None:
        page = client.get("/history/borrows/", query)
        seen += ids_on(page)
        query = beside(page, "next")

    assert seen == [record.record_id for record in expected]


def test_filters_narrow_the_rows_and_the_totals(client: Client, desk: Account, owner: User) -> None:
    second = factories.make_account(owner=owner, label="Second")
    factories.make_market(symbol="ETH_USDT")
    factories.make_market(symbol="BTC_USDT")
    factories.make_borrow(account=desk, record_id="A")
    factories.make_borrow(account=desk, record_id="B", symbol="ETH_USDT", currency="ETH")
    factories.make_borrow(account=second, record_id="C", at=NOW - timedelta(days=9))

    def shown(**query: str) -> set[str]:
        answer = client.get("/history/borrows/", query)
        found = set(ids_on(answer))
        assert f"of exactly the {len(found)} row{'s' * (len(found) != 1)} of" in answer.text
        return found

    assert shown() == {"A", "B", "C"}
    assert shown(account=str(second.pk)) == {"C"}
    assert shown(symbol="eth_usdt") == {"B"}
    assert shown(currency="USDT") == {"A", "C"}
    assert shown(q="eth") == {"B"}
    assert shown(q="C") == {"A", "C"}
    assert shown(q="nothing") == set()
    assert shown(q="B", symbol="ETH_USDT") == {"B"}
    assert shown(**{"from": "2026-11-15"}) == {"A", "B"}
    assert shown(to="2026-11-15") == {"C"}
    assert shown(to="2026-11-20T11:00") == {"C"}
    assert shown(**{"from": "2026-11-20T11:00Z"}) == {"A", "B"}


@pytest.mark.parametrize("text", ["%", "_USDT%", "e_h", "\\", "'", "ETH\\_USDT", "ß"])
def test_signs_of_a_pattern_are_searched_for_as_they_are(
    client: Client, desk: Account, text: str
) -> None:
    factories.make_market(symbol="ETH_USDT")
    factories.make_borrow(account=desk, symbol="ETH_USDT")

    assert ids_on(client.get("/history/borrows/", {"q": text})) == []
    assert len(ids_on(client.get("/history/borrows/", {"q": "h_usd"}))) == 1


def test_days_are_cut_in_the_persons_zone(db: None) -> None:
    person = factories.make_person(zone="America/New_York")
    account = factories.make_account(owner=person)
    for record_id, at in {
        "before": datetime(2026, 3, 8, 4, 59, 59, tzinfo=UTC),
        "first": datetime(2026, 3, 8, 5, 0, tzinfo=UTC),
        "last": datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC),
        "after": datetime(2026, 3, 9, 4, 0, tzinfo=UTC),
    }.items():
        factories.make_borrow(account=account, record_id=record_id, at=at)
    client = Client()
    client.force_login(person)

    answer = client.get("/history/borrows/", {"from": "2026-03-08", "to": "2026-03-08"})

    assert ids_on(answer) == ["last", "first"]
    assert ">2026-03-08 23:59:59 EDT</time>" in answer.text
    assert 'title="2026-03-09 03:59:59 UTC"' in answer.text


@pytest.mark.parametrize(
    ("zone", "today"), [("Pacific/Auckland", "2026-11-21"), ("Pacific/Honolulu", "2026-11-20")]
)
def test_the_usual_spans_are_of_the_persons_day_and_keep_the_rest(
    desk: Account, zone: str, today: str
) -> None:
    query = {"q": "a&b", "currency": "USDT", "from": "2020-01-01", "sort": "amount"}
    chosen = history.read(query, accounts=[desk], zone=ZoneInfo(zone))

    row = history_filter.filter_row("/history/repays/", chosen, ["BTC_USDT"], now=NOW)

    [link] = re.findall(r'href="([^"]*)"[^>]*>Today<', row)
    path, _, asked = unescape(link).partition("?")
    assert path == "/history/repays/"
    assert QueryDict(asked).dict() == query | {"from": today, "to": today}


def test_a_day_of_twenty_five_hours_is_one_day(db: None) -> None:
    person = factories.make_person(zone="Europe/Berlin")
    account = factories.make_account(owner=person)
    begins, ends = (
        datetime(2026, 10, 24, 22, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 23, 0, tzinfo=UTC),
    )
    second = timedelta(seconds=1)
    for at in (begins - second, begins, begins + timedelta(hours=3), ends - second, ends):
        factories.make_borrow(account=account, record_id=f"{at:%d-%H:%M:%S}", at=at)
    client = Client()
    client.force_login(person)

    answer = client.get("/history/borrows/", {"from": "2026-10-25", "to": "2026-10-25"})

    assert ids_on(answer) == ["25-22:59:59", "25-01:00:00", "24-22:00:00"]
    assert ">2026-10-25 02:00:00 CET</time>" in answer.text
    assert ">2026-10-25 00:00:00 CEST</time>" in answer.text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("from", "yesterday"),
        ("from", "2026-02-30"),
        ("to", "0001-01-01"),
        ("to", "9999-12-31"),
        ("from", "2026-11-01T25:00"),
        ("account", "not-an-id"),
        ("account", "00000000-0000-0000-0000-000000000000"),
        ("symbol", "BTC/USDT<script>"),
        ("currency", "' OR 1=1"),
        ("q", "x" * 81),
        ("sort", "password"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_page_still_works(
    client: Client, desk: Account, field: str, text: str
) -> None:
    factories.make_borrow(account=desk, record_id="A")

    answer = client.get("/history/borrows/", {field: text})
    file = client.get("/history/borrows.csv", {field: text})

    assert answer.status_code == 200
    assert ids_on(answer) == ["A"]
    assert answer.context["chosen"].errors[field]
    assert file.status_code == 400
    assert field in file.text
    if field != "sort":
        assert f'id="{field}-error" role="alert"><p>' in answer.text


def test_an_end_before_its_beginning_is_said(client: Client, desk: Account) -> None:
    answer = client.get("/history/borrows/", {"from": "2026-11-02", "to": "2026-11-01"})

    assert "to" in answer.context["chosen"].errors


@pytest.mark.parametrize(
    "after", ["x", "~", "1_", "99999999999999999999999999_1", "none_1", "1.5_2"]
)
def test_a_broken_place_shows_the_beginning(client: Client, desk: Account, after: str) -> None:
    factories.make_borrow(account=desk, record_id="A")

    answer = client.get("/history/borrows/", {"after": after})

    assert answer.status_code == 200
    assert ids_on(answer) == ["A"]


@pytest.mark.parametrize("key", ["9" * 23, "1." + "9" * 9, "-" + "1" * 30])
def test_a_place_at_an_amount_that_no_row_can_have_shows_the_beginning(
    client: Client, desk: Account, key: str
) -> None:
    factories.make_borrow(account=desk, record_id="A")

    answer = client.get("/history/borrows/", {"sort": "-amount", "after": f"{key}_1"})

    assert ids_on(answer) == ["A"]
    assert "cannot be read any more" in answer.text


def test_texts_of_others_are_escaped_wherever_they_stand(client: Client, owner: User) -> None:
    text = "<script>x</script>\"'&"
    factories.make_account(owner=owner, label="Desk")
    account = factories.make_account(owner=owner, label=text)
    fields = {"account": account, "record_id": text, "symbol": text, "currency": text[:20]}
    factories.make_borrow(**fields)
    factories.make_repay(**fields)
    factories.make_coverage(account=account, symbol=text)

    for url in PAGES:
        for headers in ({}, asking("history-table"), asking("history-rows")):
            page = client.get(url, {"sort": text, text: text}, headers=headers).text
            assert "<script>x" not in page
            assert "\"'&" not in page
            assert "&lt;script&gt;x&lt;/script&gt;&quot;&#x27;&amp;" in page


def test_a_change_of_story_and_a_cause_are_marked(client: Client, desk: Account) -> None:
    loan = factories.make_borrow(account=desk, story_changed=True)
    placed = factories.make_instruction(account=desk, borrow_record=loan)

    page = client.get("/history/borrows/").text

    assert f'href="/instructions/{placed.pk}/"' in page
    assert f'<a href="/loans/{loan.uuid}/"' in page
    assert ">changed</span>" in page


def test_totals_are_exact_for_twenty_digits(client: Client, desk: Account) -> None:
    large = "99999999999999999999.99999999"
    for principal in (large, large, "0.00000001"):
        factories.make_repay(account=desk, principal=principal, interest="0")

    answer = client.get("/history/repays/")

    assert "199,999,999,999,999,999,999.99999999" in strip_tags(answer.text)


def test_totals_name_unknown_principals_and_what_they_rest_on(
    client: Client, desk: Account
) -> None:
    factories.make_borrow(account=desk)
    factories.make_borrow(account=desk, principal=None, interest=None)
    coverage = factories.make_coverage(account=desk)
    factories.make_gap(coverage=coverage, starts_at=NOW - timedelta(hours=1), ends_at=NOW)

    text = strip_tags(client.get("/history/borrows/").text)

    assert "+ 1 unknown" in text
    assert "Not proven complete" in text
    assert "1 gap" in text


def test_a_list_of_some_days_rests_on_what_is_proven_of_them(client: Client, desk: Account) -> None:
    coverage = factories.make_coverage(account=desk, complete_from=NOW - timedelta(days=9))
    begin = NOW - timedelta(days=5)
    factories.make_gap(coverage=coverage, starts_at=begin, ends_at=begin + timedelta(hours=1))

    def proof(**query: str) -> str:
        text = strip_tags(client.get("/history/borrows/", query).text)
        [line] = [one for one in text.splitlines() if "omplete" in one]
        return line

    days = {"from": "2026-11-12", "to": "2026-11-13"}
    whole = "Complete from 2026-11-12 00:00:00 UTC to 2026-11-14 00:00:00 UTC, 0 gaps."
    assert whole in proof(**days)
    assert "Complete from 2026-11-17 00:00:00 UTC to 2026-11-20 12:00:00 UTC, 0 gaps." in proof(
        **{"from": "2026-11-17"}
    )
    assert "Not proven complete: 1 gap." in proof(**{"from": "2026-11-15", "to": "2026-11-15"})
    assert "what is older is not read yet, 0 gaps" in proof(to="2026-11-13")
    assert "not read up to these dates yet, 0 gaps" in proof(**{"from": "2026-11-21"})


def test_a_past_span_that_was_not_read_to_its_end_is_not_called_complete(
    client: Client, desk: Account
) -> None:
    factories.make_coverage(account=desk, complete_to=datetime(2024, 10, 20, tzinfo=UTC))

    text = client.get("/history/borrows/", {"from": "2024-10-01", "to": "2024-10-31"}).text

    assert (
        "Not proven complete: not read to the end of these dates yet, 0 gaps. "
        "Read from 2024-10-01 00:00:00 UTC to 2024-10-20 00:00:00 UTC."
    ) in strip_tags(text)


def test_an_unloaded_history_does_not_pass_for_a_complete_one(
    client: Client, desk: Account
) -> None:
    assert "Nothing is proven yet" in client.get("/history/borrows/").text


def test_the_landing_page_names_each_gap(client: Client, desk: Account) -> None:
    coverage = factories.make_coverage(account=desk, symbol="BTC_USDT")
    factories.make_coverage(account=desk, symbol="BTC_USDT", kind="repay")
    factories.make_coverage(account=desk, symbol="ETH_USDT", has_rows=False)
    factories.make_coverage(account=desk, symbol="ETH_USDT", kind="repay", has_rows=False)
    factories.make_gap(
        coverage=coverage,
        starts_at=NOW - timedelta(hours=1),
        ends_at=NOW,
        reason="more than 100 records in one second",
    )

    text = strip_tags(client.get("/history/").text)

    assert "more than 100 records in one second" in text
    assert "1 more pair" in text


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: Client, desk: Account, django_assert_max_num_queries: Callable
) -> None:
    client.get("/history/borrows/")  # the session is seen for the first time
    fill(desk, 3)
    with django_assert_max_num_queries(15) as few:
        client.get("/history/borrows/")
    BorrowRecord.objects.all().delete()
    fill(desk, 200)
    for n in range(5):
        factories.make_account(owner=desk.owner, label=f"More {n}")
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get("/history/borrows/")


def test_a_fragment_asks_nothing_of_the_frame(
    client: Client, desk: Account, django_assert_max_num_queries: Callable
) -> None:
    fill(desk, 200)
    headers = asking("history-table")
    client.get("/history/borrows/", headers=headers)

    with django_assert_max_num_queries(12) as asked:
        client.get("/history/borrows/", {"symbol": "BTC_USDT"}, headers=headers)

    assert not any("loans_sitestate" in one["sql"] for one in asked)


def test_repayments_show_their_split(client: Client, desk: Account) -> None:
    factories.make_repay(account=desk, principal="1", interest="0.1")

    text = strip_tags(client.get("/history/repays/").text)

    assert "1.10000000" in text
    assert "0.10000000" in text
    assert RepayRecord.objects.count() == 1


@pytest.mark.parametrize("url", ["/", "/loans/", "/history/borrows/", "/history/repays/"])
def test_totals_over_two_keys_of_one_exchange_account_say_so(
    client: Client, owner: User, url: str
) -> None:
    same = {"owner": owner, "exchange_account": uuid4()}
    one, _ = (factories.make_account(label=label, **same) for label in ("Old", "New"))
    factories.make_account(owner=owner, label="Other", exchange_account=uuid4())
    words = "New and Old: keys of one account of the exchange"

    assert words in client.get(url).content.decode()
    if url.startswith("/history/"):
        assert words not in client.get(url, {"account": str(one.pk)}).content.decode()
