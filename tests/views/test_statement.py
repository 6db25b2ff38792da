"""The statement's page and file: what they say, to whom, and in which zone."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from loans.models import Account, AccountShare, BorrowRecord, Coverage, Kind
from loans.services.statement_query import read_wanted
from loans.services.windows import EARLIEST, NOT_SERVED
from tests import factories
from tests.factories import HOUR

PAGE, FILE = "/history/statement/", "/history/statement.csv"
START = datetime(2025, 10, 1, tzinfo=UTC)
END = datetime(2025, 11, 1, tzinfo=UTC)
OCTOBER = {"month": "2025-10"}


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


def lend(desk: Account, at: datetime = START + HOUR, **fields: object) -> BorrowRecord:
    loan = factories.make_borrow(account=desk, at=at, **fields)
    factories.tell(loan, "0.00045833", at=loan.first_seen_at)
    return loan


def text_of(client: Client, **query: str) -> str:
    answer = client.get(PAGE, OCTOBER | query)
    assert answer.status_code == 200
    return " ".join(strip_tags(answer.text).split())


def rows_of(client: Client, **query: str) -> list[dict[str, str]]:
    answer = client.get(FILE, OCTOBER | query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


def test_only_people_who_are_signed_in_see_it(db: None) -> None:
    for url in (PAGE, FILE):
        assert Client().get(url).status_code == 302


def test_nothing_can_be_posted(client: Client, desk: Account) -> None:
    for url in (PAGE, FILE):
        assert client.post(url).status_code == 405


def test_without_an_account_it_teaches(client: Client) -> None:
    assert "No account yet" in client.get(PAGE).text
    assert client.get(FILE).status_code == 400


def test_a_stranger_gets_nothing_of_it(desk: Account, stranger: User) -> None:
    lend(desk)
    factories.make_account(owner=stranger, label="Own")
    client = Client()
    client.force_login(stranger)

    answer = client.get(PAGE, OCTOBER | {"account": str(desk.pk)})

    assert answer.status_code == 422
    assert "You have no such account" in answer.text
    assert "BTC_USDT" not in answer.text
    assert client.get(FILE, OCTOBER | {"account": str(desk.pk)}).status_code == 400
    assert rows_of(client) == []


def test_a_viewer_sees_the_statement_of_a_shared_account(desk: Account, colleague: User) -> None:
    lend(desk)
    factories.make_share(account=desk, person=colleague, role=AccountShare.Role.VIEWER)
    client = Client()
    client.force_login(colleague)

    assert "USDT on BTC_USDT" in text_of(client, account=str(desk.pk))


def test_the_page_states_the_month_line_by_line(client: Client, desk: Account) -> None:
    lend(desk, START - HOUR, principal="10")
    lend(desk)
    factories.make_repay(account=desk, principal="5", interest="0.00000001", at=END - HOUR)

    text = text_of(client)

    assert "Statement of October 2025" in text
    assert "Principal10.00000000USDT20.00000000USDT5.00000000USDT25.00000000USDTyes" in text
    assert "Interest0.00045833USDT0.00045833USDT0.00000001USDT0.00091665USDTyes" in text
    assert "Total USDT" in text
    assert "Every line adds up to the last digit" in text


def test_the_last_complete_month_is_shown_first(client: Client, desk: Account) -> None:
    last = (timezone.now().replace(day=1) - timedelta(days=1)).strftime("%B %Y")

    assert f"Statement of {last}" in client.get(PAGE).text


def test_an_account_with_records_comes_first(client: Client, owner: User, desk: Account) -> None:
    factories.make_account(owner=owner, label="A first one without any")
    lend(desk)

    assert "USDT on BTC_USDT" in text_of(client)


def test_every_month_since_the_first_record_can_be_chosen(client: Client, desk: Account) -> None:
    lend(desk)

    answer = client.get(PAGE, OCTOBER)

    assert '<option value="2025-10" selected>October 2025</option>' in answer.text
    assert '<option value="2025-11">' in answer.text
    assert '<option value="2025-09">' not in answer.text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"month": "2025-13"}, "Write a month as"),
        ({"month": "2199-01"}, "This month has not begun yet"),
        ({"account": "nonsense"}, "You have no such account"),
        ({"as_of": "2199-01-01"}, "Nothing is known of a time to come"),
        ({"zone": "Mars/Olympus"}, "There is no time zone “Mars/Olympus”"),
        ({"zone": "../../etc/passwd"}, "There is no time zone “../../etc/passwd”"),
        ({"zone": "America"}, "There is no time zone “America”"),
    ],
)
def test_what_cannot_be_stated_is_said_beside_its_field(
    client: Client, desk: Account, query: dict, sentence: str
) -> None:
    answer = client.get(PAGE, OCTOBER | query)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert "Statement of" not in answer.text
    refused = client.get(FILE, OCTOBER | query)
    assert refused.status_code == 400
    assert sentence in refused.text


def test_a_zone_that_is_not_known_is_named_above_and_the_readers_own_is_one_press_away(
    desk: Account,
) -> None:
    reader = factories.make_person(zone="Asia/Tokyo")
    factories.make_share(account=desk, person=reader)
    client = Client()
    client.force_login(reader)

    page = client.get(PAGE, OCTOBER | {"zone": "Mars/Phobos"}).text

    assert "the line above says why" in page
    assert '<a class="button" href="?month=2025-10">Show it in Asia/Tokyo</a>' in page
    beside = client.get(PAGE, {"month": "2025-13"}).text
    assert "the field above says why" in beside
    assert "Show it in" not in beside


def test_it_says_what_it_rests_on(client: Client, desk: Account) -> None:
    lend(desk)
    assert "Nothing is proven yet" in text_of(client)

    streams = [factories.make_coverage(account=desk, kind=kind) for kind in Kind]
    assert "Proven complete" in text_of(client)

    factories.make_gap(coverage=streams[0], starts_at=START + HOUR, ends_at=START + 2 * HOUR)
    text = text_of(client)
    assert "Not proven complete" in text
    assert "borrow records from 2025-10-01 01:00:00 UTC to 2025-10-01 02:00:00 UTC" in text


def test_an_empty_month_is_called_empty_only_where_its_lists_say_so(
    client: Client, desk: Account
) -> None:
    streams = [factories.make_coverage(account=desk, kind=kind, complete_from=END) for kind in Kind]
    page = client.get(PAGE, OCTOBER).text
    assert "<h2>Not read yet</h2>" in page
    assert '<a class="button" href="/history/">See what was read</a>' in page

    Coverage.objects.update(complete_from=None)
    assert "<h2>Nothing was owed</h2>" in client.get(PAGE, OCTOBER).text

    factories.make_gap(coverage=streams[0], starts_at=START, ends_at=END)
    assert "<h2>Nothing found so far</h2>" in client.get(PAGE, OCTOBER).text


def test_what_is_not_proven_says_what_it_lacks(client: Client, desk: Account) -> None:
    factories.make_coverage(account=desk, complete_from=END)
    factories.make_coverage(account=desk, kind=Kind.REPAY, complete_to=None)
    factories.make_coverage(account=desk, symbol="SOL_USDT", trusted=False)
    served = factories.make_coverage(account=desk, symbol="ETH_USDT", complete_from=START)
    factories.make_gap(coverage=served, starts_at=EARLIEST, ends_at=START, reason=NOT_SERVED)

    text = text_of(client)

    assert "Not read yet: BTC_USDT, borrow records before 2025-11-01 00:00:00 UTC." in text
    assert "Not read yet: BTC_USDT, repay records." in text
    assert "Contradicted: SOL_USDT, borrow records: one listing contradicted another." in text
    assert text.count("ETH_USDT") == 1
    gap = "from 2022-07-01 00:00:00 UTC to 2025-10-01 00:00:00 UTC"
    assert f"Gap: ETH_USDT, borrow records {gap}: {NOT_SERVED}." in text


def test_unknown_principals_and_late_records_are_said(client: Client, desk: Account) -> None:
    lend(desk, principal=None, interest=None, first_seen_at=END + HOUR)

    text = text_of(client)

    assert "1 loan with an unknown principal" in text
    assert "1 record up to the end of this month was first read after it" in text
    assert "2025-11-01 01:00:00 UTC" in text


def test_more_repaid_than_borrowed_is_called_incomplete(client: Client, desk: Account) -> None:
    factories.make_repay(account=desk, principal="5", at=START + HOUR)

    text = text_of(client)

    assert "history incomplete: more was repaid than the records show as borrowed" in text
    assert "−5.00000000" in text


def test_a_fixed_statement_prints_the_same_for_ever(client: Client, desk: Account) -> None:
    lend(desk)
    query = OCTOBER | {"as_of": "2025-11-05T00:00:00Z"}
    before = client.get(PAGE, query).text

    lend(desk, START + 2 * HOUR, principal="7", first_seen_at=END + 200 * HOUR)

    after = client.get(PAGE, query).text
    assert entries_in(after) == entries_in(before)
    assert "7.00000000" in text_of(client)


def test_a_fixed_statement_is_the_same_for_whoever_opens_its_link(
    client: Client, desk: Account
) -> None:
    lend(desk, datetime(2025, 10, 31, 22, tzinfo=UTC))  # in Kathmandu it is November
    colleague = factories.make_person(zone="Asia/Kathmandu")
    factories.make_share(account=desk, person=colleague)
    there = Client()
    there.force_login(colleague)
    page = client.get(PAGE, OCTOBER).text
    links = [unescape(link) for link in re.findall(r'href="([^"]*as_of[^"]*)"', page)]
    assert len({urlsplit(link).path for link in links}) == 2

    for link in links:
        mine, theirs = (one.get(link) for one in (client, there))
        if mine.streaming:
            assert mine.getvalue() == (file := theirs.getvalue())
            assert b"20.00000000" in file
        else:
            assert entries_in(mine.text) == entries_in(theirs.text)
            assert "UTC" in entries_in(theirs.text)


def test_the_lists_of_a_statement_in_another_zone_are_of_its_instants(
    client: Client, desk: Account
) -> None:
    at = datetime(2025, 9, 30, 16, tzinfo=UTC)  # in Tokyo it is October
    factories.keep(
        Kind.BORROW,
        [factories.borrow_row(account=desk, record_id=f"T{n}", at=at) for n in range(61)],
    )

    page = client.get(PAGE, OCTOBER | {"zone": "Asia/Tokyo"}).text

    [link] = [
        unescape(link) for link in re.findall(r'href="(/history/borrows/[^"]*sort=at)"', page)
    ]
    assert "of exactly the 61 rows of this list" in client.get(link).text


def test_without_a_month_the_last_one_of_the_zone_named_is_stated() -> None:
    now = datetime(2025, 10, 31, 20, tzinfo=UTC)  # in Tokyo it is November

    for zone, month in (("", "2025-09"), ("Asia/Tokyo", "2025-10")):
        wanted = read_wanted({"zone": zone}, accounts=[], now=now, zone=UTC)
        assert str(wanted.month) == month


def test_a_statement_waits_until_what_was_heard_is_written() -> None:
    now = datetime(2025, 11, 5, 20, 0, 40, 500_000, tzinfo=UTC)

    assert read_wanted({}, accounts=[], now=now, zone=UTC).as_of == now.replace(
        second=10, microsecond=0
    )
    asked = {"month": "2025-11", "as_of": "2025-11-05T20:00:11Z"}
    assert (
        "may still be on its way"
        in read_wanted(asked, accounts=[], now=now, zone=UTC).errors["as_of"]
    )
    begun = now.replace(day=1, hour=0, minute=0, second=7)
    wanted = read_wanted({"month": "2025-11"}, accounts=[], now=begun, zone=UTC)
    assert wanted.as_of == wanted.month.starts_at(UTC)


def entries_in(page: str) -> str:
    return page[page.index("statement-title") : page.index('id="keyboard-help"')]


def test_the_running_month_shows_the_exchanges_own_figure_apart(
    client: Client, desk: Account
) -> None:
    now = timezone.now()
    lend(desk, now - timedelta(seconds=60), first_seen_at=now - timedelta(seconds=40))
    margin = factories.make_margin_account(account=desk, market=factories.make_market())
    factories.make_margin_side(margin_account=margin, borrow_unpaid="25", interest_unpaid="0.1")

    text = text_of(client, month=now.strftime("%Y-%m"))

    assert "The month is still running" in text
    assert "The exchange says now: principal 25.00000000USDT (difference +5.00000000)" in text


def test_movements_are_listed_with_what_was_owed(client: Client, desk: Account) -> None:
    loan = lend(desk)
    factories.make_repay(account=desk, principal="5", at=START + 2 * HOUR)

    answer = client.get(PAGE, OCTOBER)

    assert f'href="/loans/{loan.uuid}/"' in answer.text
    assert "15.00000000" in strip_tags(answer.text)


def test_a_large_month_leads_to_its_lists(
    client: Client, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loans.services.stating.MOST_MOVEMENTS", 0)
    lend(desk)

    answer = client.get(PAGE, OCTOBER)

    query = f"account={desk.pk}&amp;from=2025-10-01&amp;to=2025-10-31&amp;sort=at"
    assert f'href="/history/borrows/?{query}"' in answer.text
    assert f'href="/history/repays/?{query}"' in answer.text


def test_the_file_holds_what_the_page_shows(client: Client, desk: Account) -> None:
    lend(desk)
    factories.make_repay(account=desk, principal="5", interest="0.00000001", at=END - HOUR)

    (row,) = rows_of(client)

    assert [row[name] for name in ("symbol", "currency", "reconciles")] == [
        "BTC_USDT",
        "USDT",
        "yes",
    ]
    figures = ("opening", "repaid", "closing")
    assert [row[f"principal_{one}"] for one in figures] == [
        "0.00000000",
        "5.00000000",
        "15.00000000",
    ]
    assert row["borrowed"] == "20.00000000"
    assert row["interest_charged"] == "0.00045833"
    assert row["from"] == "2025-10-01T00:00:00.000+00:00"


def test_the_files_name_and_head_say_what_it_is(owner: User, desk: Account) -> None:
    person = factories.make_person(zone="America/New_York")
    factories.make_share(account=desk, person=person)
    client = Client()
    client.force_login(person)

    answer = client.get(FILE, OCTOBER)

    disposition = answer.headers["Content-Disposition"]
    assert 'filename="statement_Desk_2025-10_America-New_York.csv"' in disposition
    head = answer.getvalue().decode().splitlines()[0]
    assert "statement of 2025-10; times in America/New_York; not proven complete" in head


@pytest.mark.parametrize(
    ("zone", "at", "name"),
    [
        ("Pacific/Kiritimati", datetime(2025, 9, 30, 10, tzinfo=UTC), "2025-10-01 00:00:00 +14"),
        ("Europe/Berlin", datetime(2025, 10, 31, 22, 59, tzinfo=UTC), "2025-10-31 23:59:00 CET"),
    ],
)
def test_a_month_and_its_times_are_those_of_the_person(
    desk: Account, zone: str, at: datetime, name: str
) -> None:
    person = factories.make_person(zone=zone)
    factories.make_share(account=desk, person=person)
    lend(desk, at)
    lend(desk, datetime(2025, 10, 31, 23, 30, tzinfo=UTC), principal="77")
    client = Client()
    client.force_login(person)

    answer = client.get(PAGE, OCTOBER)

    assert name in answer.text
    assert f'title="{at:%Y-%m-%d %H:%M:%S} UTC"' in answer.text
    assert "77.00000000" not in strip_tags(answer.text)


def test_the_other_tabs_lead_here_and_back(client: Client, desk: Account) -> None:
    assert 'href="/history/statement/"' in client.get("/history/borrows/").text
    answer = client.get("/history/repays/", {"account": str(desk.pk)})
    assert f'href="/history/statement/?account={desk.pk}"' in answer.text
    assert 'aria-current="page">Statement' in client.get(PAGE).text


def test_it_tells_apart_loans_that_differ_and_those_of_which_nothing_can_be_told(
    client: Client, desk: Account
) -> None:
    market = factories.make_market()
    factories.make_terms(market=market)
    factories.make_rate_change(market=market, at=START, daily_rate="0.00055")
    lend(desk)
    differing, untold = (factories.make_borrow(account=desk, at=START + HOUR) for _ in range(2))
    factories.tell(differing, "0.5", at=differing.first_seen_at)
    factories.tell(untold, None, at=untold.first_seen_at)

    agrees = "The replay agrees with the exchange on 1 of 3 loans out in this month"
    assert f"{agrees}; cannot tell on 2, as not every list is read yet." in text_of(client)
    for kind in Kind:
        factories.make_coverage(account=desk, kind=kind, complete_to=END + HOUR)
    assert f"{agrees}; differs on 1; cannot tell on 1. So it gives no sum." in text_of(client)


def test_it_says_why_a_loan_that_agrees_has_no_sum(client: Client, desk: Account) -> None:
    factories.make_terms(market=factories.make_market())
    lend(desk, START - HOUR / 2)
    as_of = START + 65 * timedelta(minutes=1)

    told = text_of(client, as_of=f"{as_of:%Y-%m-%dT%H:%M:%SZ}")

    assert "agrees with the exchange on the one loan out in this month; its two readings" in told
