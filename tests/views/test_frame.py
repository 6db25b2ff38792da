"""The frame of every page: whose accounts it goes by, what it counts, and that it is drawn anew
when that changes.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls.base import set_script_prefix
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import Settings

from loans.models import Account, Heartbeat, Instruction, KeyLight, SiteState, State
from loans.services import attention
from loans.templatetags import navigation
from loans.views.who import accounts_of, frame_of
from tests import factories

URGENT = {"unknown", "needs_human", "risk", "red_light", "silent"}
COUNTED = "Urgent: unknown outcomes, high risk, keys not in order, silent workers"


def seen_by(person: User) -> list[Account]:
    request = RequestFactory().get("/")
    request.user = person
    return accounts_of(request)


def page_for(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.get("/history/borrows/").text


def count_beside(label: str, page: str) -> int:
    """The number beside a page's name in the rail; 0 without one."""
    beside = re.search(rf'class="word">{label}</span>(?:<span class="count bad"[^>]*>(\d+))?', page)
    return int(beside[1] or 0)


@pytest.fixture(autouse=True)
def _everything_is_alive(db: None) -> None:
    for name in attention.SILENT_AFTER:
        Heartbeat.objects.create(name=name, at=timezone.now())


def test_everybody_sees_the_accounts_that_are_visible_to_them(
    owner: User, colleague: User, stranger: User
) -> None:
    factories.make_account(owner=None, label="market data")
    shared = factories.make_account(owner=owner, label="Shared", venue="bitmart")
    factories.make_account(owner=owner, label="A")
    factories.make_account(owner=owner, label="Gone", status=Account.Status.REMOVED)
    factories.make_account(owner=stranger, label="Other")
    factories.make_share(account=shared, person=colleague)

    for person in (owner, colleague, stranger):
        assert seen_by(person) == list(Account.objects.visible_to(person))
    assert [account.label for account in seen_by(owner)] == ["Shared", "A", "Gone"]
    assert [account.label for account in seen_by(colleague)] == ["Shared"]


def test_an_end_of_sharing_holds_at_once(owner: User, colleague: User) -> None:
    share = factories.make_share(account=factories.make_account(owner=owner), person=colleague)
    assert len(seen_by(colleague)) == 1

    share.delete()

    assert seen_by(colleague) == []


def test_what_needs_the_person_is_counted_anew(owner: User, stranger: User) -> None:
    account = factories.make_account(owner=owner)
    assert count_beside("Instructions", page_for(owner)) == 0

    factories.make_instruction(account=account, state=State.UNKNOWN, symbol="BTC_USDT")
    factories.make_instruction(account=account, state=State.NEEDS_HUMAN, symbol="ETH_USDT")

    page = page_for(owner)
    assert count_beside("Instructions", page) == count_beside("Alerts", page) == 2
    assert 'class="count bad"' not in page_for(stranger)


@pytest.fixture
def troubled(owner: User) -> Account:
    """An account with one need of each kind that is counted, and with others that are not."""
    account, now = factories.make_account(owner=owner), timezone.now()
    factories.make_instruction(account=account, state=State.NEEDS_HUMAN, symbol="ETH_USDT")
    for symbol, rate, level in (
        ("BTC_USDT", "1.2", "3"), ("ETH_USDT", "999", "3"), ("SOL_USDT", "2", "2"),
        ("DOGE_USDT", None, "3"),
    ):  # fmt: skip
        market = factories.make_market(symbol=symbol)
        factories.make_margin_account(
            account=account, market=market, risk_rate=rate, risk_level=level
        )
    off = factories.make_account(owner=owner, label="Off", disabled=True)
    gone = factories.make_account(owner=owner, label="Gone", status=Account.Status.REMOVED)
    for one in (account, off, gone):
        KeyLight.objects.create(account=one, name="ip", state="red", checked_at=now)
    KeyLight.objects.create(account=account, name="clock", state="green", checked_at=now)
    factories.make_feed(account=account, name="records", last_success_at=None)
    Heartbeat.objects.filter(name="money").update(at=now - timedelta(seconds=31))
    return account


def test_every_page_counts_what_the_alerts_say_of_what_is_urgent(
    owner: User, colleague: User, stranger: User, troubled: Account
) -> None:
    factories.make_share(account=troubled, person=colleague)

    for person, count in ((owner, 4), (colleague, 4), (stranger, 1)):
        page = page_for(person)
        listed = [need.kind for need in attention.needs(person, timezone.now())]
        assert sum(kind in URGENT for kind in listed) == count
        assert count_beside("Alerts", page) == count
        assert f'<a class="needs" href="/alerts/" title="{COUNTED}">' in page
        more = page.rpartition('<summary aria-current="true">')[2].partition("</summary>")[0]
        assert strip_tags(more).strip() == f"More, {count} urgent"
    assert count_beside("Instructions", page_for(owner)) == 1


def test_a_part_that_never_lived_counts_as_silent(owner: User) -> None:
    Heartbeat.objects.filter(name="sync").delete()

    assert count_beside("Alerts", page_for(owner)) == 1


def test_the_whole_frame_is_one_query(owner: User, troubled: Account) -> None:
    SiteState.load()  # which is there from the first start on
    request = RequestFactory().get("/")
    request.user = owner
    with CaptureQueriesContext(connection) as asked:
        told = frame_of(request)
        seen = accounts_of(request)

    assert len(asked) == 1
    assert (told.urgent_count, told.unsettled_count) == (4, 1)
    assert troubled in seen


def test_the_frame_never_reads_through_the_instructions(owner: User) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by the size of the table, which is small here")
    request = RequestFactory().get("/")
    request.user = owner
    with CaptureQueriesContext(connection) as asked:
        frame_of(request)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
        plan = "\n".join(row[3] for row in cursor.fetchall())

    assert "SEARCH loans_instruction USING INDEX instruction_to_look_at (state=?)" in plan


def test_a_page_that_answers_what_was_posted_tells_what_it_changed(
    owner: User, troubled: Account
) -> None:
    request = RequestFactory().post("/")
    request.user = owner
    assert troubled in accounts_of(request)  # before the change

    Instruction.objects.update(state=State.EXECUTED_BY_HAND)
    SiteState.load()
    SiteState.objects.update(stopped=True, stopped_reason="a rehearsal")

    told = frame_of(request)
    assert (told.urgent_count, told.unsettled_count) == (3, 0)
    assert (told.stopped, told.stopped_reason) == (True, "a rehearsal")


@pytest.mark.parametrize("is_staff", [True, False])
def test_the_rail_marks_where_one_is_and_shows_staff_alone_the_admin(
    owner: User, is_staff: bool
) -> None:
    owner.is_staff = is_staff
    owner.save()

    page = page_for(owner)

    assert '<a href="/history/" aria-current="page"' in page
    assert '<a href="/loans/" aria-current="page"' not in page
    assert ('href="/admin/"' in page) == is_staff


def test_what_was_drawn_below_one_prefix_is_shown_below_no_other(settings: Settings) -> None:
    settings.DEBUG = False  # so that it is drawn once
    navigation._drawn.cache_clear()
    links = "loans/partials/_account_links.html"

    set_script_prefix("/below/")
    try:
        below = navigation.draw_once(links)
    finally:
        set_script_prefix("/")

    assert 'href="/below/accounts/password/change/"' in below
    assert 'href="/accounts/password/change/"' in navigation.draw_once(links)


def test_a_stop_of_the_site_shows_on_the_next_page(owner: User) -> None:
    assert 'class="stopped"' not in page_for(owner)

    SiteState.load()
    SiteState.objects.update(stopped=True)

    assert 'class="stopped"' in page_for(owner)


def test_a_site_without_its_row_gets_it(owner: User) -> None:
    SiteState.objects.all().delete()

    assert "marginsite" in page_for(owner)
    assert SiteState.objects.count() == 1
