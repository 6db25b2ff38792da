"""Team, audit, alerts, status, metrics, time zone: page, fragment, stranger, wrong method, form."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import Settings

from loans.models import (
    AccountShare,
    AuditEvent,
    Heartbeat,
    Instruction,
    Preference,
    RefusedRow,
    State,
)
from loans.services import audit
from tests.factories import NOW, make_account, make_feed, make_instruction, make_share
from tests.views.people import let_time_pass, sign_in

HOUSE = ["/team/", "/audit/", "/alerts/", "/status/", "/settings/"]


@pytest.fixture
def browser(owner: User) -> Client:
    """The owner's browser, just signed in."""
    return sign_in(owner)


def fragment(client: Client, path: str, target: str) -> str:
    """What htmx gets for one element."""
    headers = {"HX-Request": "true", "HX-Target": target}
    return client.get(path, headers=headers).content.decode().lstrip()


@pytest.mark.parametrize("path", HOUSE)
def test_a_page_opens_for_a_newcomer_and_for_nobody_else(
    browser: Client, client: Client, path: str
) -> None:
    assert browser.get(path).status_code == 200
    assert client.get(path).url.startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["/audit/", "/alerts/", "/status/"])
def test_a_page_that_only_shows_takes_no_post(browser: Client, path: str) -> None:
    assert browser.post(path).status_code == 405


@pytest.mark.parametrize(
    ("path", "target"),
    [("/alerts/", "needs"), ("/status/", "status-now"), ("/audit/", "audit-rows")],
)
def test_a_fragment_is_one_element_with_its_id(browser: Client, path: str, target: str) -> None:
    assert fragment(browser, path, target).startswith(f'<div id="{target}"')


# Team


def test_an_account_is_shared_and_the_share_ends(
    browser: Client, owner: User, colleague: User
) -> None:
    account = make_account(owner=owner)
    form = {"account": str(account.pk), "person": str(colleague.pk), "role": "trader"}

    assert browser.post("/team/", form).status_code == 303
    share = AccountShare.objects.get()
    assert (share.person, share.role) == (colleague, "trader")
    browser.post(f"/team/{share.pk}/", {"role": "viewer"})
    share.refresh_from_db()
    assert share.role == "viewer"
    browser.post(f"/team/{share.pk}/", {"role": "viewer", "end": "1"})

    assert not AccountShare.objects.exists()


@pytest.mark.parametrize("role", ["owner", "approver", "manager", ""])
def test_only_offered_roles_are_given(
    browser: Client, owner: User, colleague: User, role: str
) -> None:
    account = make_account(owner=owner)
    form = {"account": str(account.pk), "person": str(colleague.pk), "role": role}

    assert browser.post("/team/", form).status_code == 422
    assert not AccountShare.objects.exists()


def test_an_account_of_somebody_else_is_not_shared(
    browser: Client, owner: User, colleague: User, stranger: User
) -> None:
    account = make_account(owner=colleague)
    make_share(account=account, person=owner, role="trader")
    form = {"account": str(account.pk), "person": str(stranger.pk), "role": "viewer"}

    assert browser.post("/team/", form).status_code == 422
    assert AccountShare.objects.count() == 1


def test_a_share_of_somebody_else_is_not_found(
    browser: Client, owner: User, colleague: User
) -> None:
    share = make_share(account=make_account(owner=colleague), person=owner)

    assert browser.post(f"/team/{share.pk}/", {"role": "trader"}).status_code == 404
    assert browser.get(f"/team/{share.pk}/").status_code == 405
    share.refresh_from_db()
    assert share.role == "viewer"


def test_sharing_a_live_account_asks_for_the_password(
    browser: Client, owner: User, colleague: User
) -> None:
    account = make_account(owner=owner, venue="bitmart")
    form = {"account": str(account.pk), "person": str(colleague.pk), "role": "viewer"}
    let_time_pass(browser, seconds=601)

    assert browser.post("/team/", form).url.startswith("/accounts/reauthenticate/")
    assert not AccountShare.objects.exists()


def test_people_are_listed_for_administrators_only(browser: Client, owner: User) -> None:
    assert "Second factor" not in browser.get("/team/").content.decode().split("<main")[1]

    User.objects.filter(pk=owner.pk).update(is_staff=True)

    assert "Second factor" in browser.get("/team/").content.decode().split("<main")[1]


# Audit


def test_a_person_sees_own_events_and_those_of_own_accounts(
    browser: Client, owner: User, stranger: User
) -> None:
    mine, theirs = make_account(owner=owner), make_account(owner=stranger, label="Secret desk")
    audit.record(action="key_checked", actor=None, now=NOW, account=mine)
    audit.record(action="key_renamed", actor=stranger, now=NOW, account=theirs)

    rows = fragment(browser, "/audit/", "audit-rows")

    assert "Key checked" in rows
    assert "Secret desk" not in rows
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    assert "Secret desk" in fragment(browser, "/audit/", "audit-rows")


def test_events_are_filtered_by_what_and_by_day(browser: Client, owner: User) -> None:
    account = make_account(owner=owner, label="Night desk")
    audit.record(action="key_added", actor=owner, now=NOW, account=account)
    later = NOW + timedelta(days=1)
    audit.record(action="key_renamed", actor=owner, now=later, account=account)

    by_action = fragment(browser, "/audit/?action=key_added", "audit-rows")
    by_day = fragment(browser, f"/audit/?from={later:%Y-%m-%d}&to={later:%Y-%m-%d}", "audit-rows")

    assert "Added a key" in by_action
    assert "Renamed a key" not in by_action
    assert "Renamed a key" in by_day
    assert "Added a key" not in by_day


def test_a_filter_that_makes_no_sense_is_marked_and_left_out(browser: Client, owner: User) -> None:
    audit.record(action="key_added", actor=owner, now=NOW)

    answer = browser.get("/audit/?from=yesterday&account=none&after=-1&person=x")

    assert answer.status_code == 200
    page = answer.content.decode()
    assert "There is no such day. Write a date as 2026-11-30." in strip_tags(page)
    assert page.count('aria-describedby="id_from_error"') == page.count('id="id_from_error"') == 1
    assert "There is no such account here; this field is left out." in page
    assert "There is no such person here; this field is left out." in page
    far = browser.get("/audit/?to=3000-01-01&action=x").content.decode()
    assert "Choose a year from 2009 to 2199." in far
    assert "There is no such action here; this field is left out." in far
    assert "Added a key" in answer.content.decode()


def test_days_that_are_the_wrong_way_round_are_marked_and_nothing_found_is_said_so(
    browser: Client, owner: User
) -> None:
    audit.record(action="key_added", actor=owner, now=NOW)

    turned = browser.get("/audit/?from=2030-01-02&to=2030-01-01").content.decode()
    empty = browser.get("/audit/?from=2030-01-01&to=2030-01-02").content.decode()

    assert "before the beginning" in turned
    assert "No event fits" in empty


def test_older_events_are_on_the_next_page(browser: Client, owner: User) -> None:
    for number in range(60):
        audit.record(action="key_renamed", actor=owner, now=NOW, after=f"name-{number}")

    first = browser.get("/audit/").content.decode()
    oldest_shown = AuditEvent.objects.order_by("-id")[49].pk
    second = browser.get(f"/audit/?after={oldest_shown}").content.decode()

    assert f"after={oldest_shown}" in first
    assert "name-59" in first
    assert "name-0" not in first
    assert "name-0" in second
    assert "Older" not in second


def repaid_all(person: User, symbol: str) -> Instruction:
    """An instruction as the form places it, with its event."""
    figure = "1234.34596183"
    placed = make_instruction(
        account=make_account(owner=person),
        kind="repay",
        symbol=symbol,
        amount=figure,
        repay_all=True,
    )
    facts = {"kind": "repay", "symbol": symbol, "currency": "USDT", "amount": figure}
    by = audit.By(person, NOW)
    by.record("instruction_placed", placed.account, instruction=str(placed.pk), **facts)
    return placed


def test_an_instruction_reads_as_a_sentence_that_leads_to_it(browser: Client, owner: User) -> None:
    placed = repaid_all(owner, "1000SATS_USDT")
    audit.By(owner, NOW).record(
        "instruction_cancelled", placed.account, instruction=str(placed.pk), note="too late"
    )

    rows = fragment(browser, "/audit/", "audit-rows")

    link = f'<a href="/instructions/{placed.pk}/">'
    assert rows.count(f"{link}Repay all 1,234.34596183 USDT on 1000SATS_USDT</a>") == 2
    assert "too late" in rows
    for code in (">kind<", ">symbol<", ">instruction<"):
        assert code not in rows


def test_staff_reads_of_instructions_of_others_but_is_led_to_none(
    browser: Client, owner: User, stranger: User
) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    placed = repaid_all(stranger, "BTC_USDT")

    rows = fragment(browser, "/audit/", "audit-rows")

    assert '<span class="fact">Repay all 1,234.34596183 USDT on BTC_USDT</span>' in rows
    assert str(placed.pk) not in rows


def test_lights_read_as_on_the_card_of_the_key(browser: Client, owner: User) -> None:
    lights = {"clock": "green", "reads": "red", "ip": "not_known"}
    audit.record(
        action="key_checked", actor=None, now=NOW, account=make_account(owner=owner), lights=lights
    )

    rows = strip_tags(fragment(browser, "/audit/", "audit-rows"))

    assert "Key reads not in order Clock in order IP accepted not known" in " ".join(rows.split())
    assert "green" not in rows


def test_an_instruction_that_is_gone_leaves_its_facts(browser: Client, owner: User) -> None:
    audit.record(
        action="instruction_placed", actor=owner, now=NOW, kind="borrow", instruction=str(uuid4())
    )

    assert "borrow" in fragment(browser, "/audit/", "audit-rows")


def test_who_failed_to_sign_in_is_not_known(browser: Client, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    audit.record(action="sign_in_failed", actor=None, now=NOW)

    rows = fragment(browser, "/audit/?action=sign_in_failed", "audit-rows")

    assert "not known" in rows
    assert "the site" not in rows


def test_signing_in_is_written_down_and_failing_to_without_the_name(
    browser: Client, owner: User
) -> None:
    event = AuditEvent.objects.get(action="signed_in")
    assert (event.actor, event.address) == (owner, "127.0.0.1")

    Client().post("/accounts/login/", {"login": "my-password-by-mistake", "password": "wrong"})

    failed = AuditEvent.objects.get(action="sign_in_failed")
    assert "my-password" not in str(failed.facts)


# Alerts and status


def test_alerts_name_what_is_wrong_with_a_way_out(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)
    row = make_instruction(account=account, state=State.NEEDS_HUMAN)

    rows = fragment(browser, "/alerts/", "needs")

    assert "Decide what happened" in rows
    assert f"/instructions/{row.pk}/" in rows
    assert 'data-kind="silent"' in rows


def test_alerts_of_others_are_theirs(browser: Client, stranger: User) -> None:
    make_instruction(account=make_account(owner=stranger), state=State.NEEDS_HUMAN)

    assert "Decide" not in fragment(browser, "/alerts/", "needs")


def test_a_quiet_site_needs_nothing(browser: Client) -> None:
    for name in ("money", "sync", "beat"):
        Heartbeat.objects.create(name=name, at=timezone.now())

    assert "Nothing needs you" in fragment(browser, "/alerts/", "needs")


def test_status_shows_own_feeds_and_to_administrators_everything(
    browser: Client, owner: User, stranger: User
) -> None:
    account = make_account(owner=stranger, label="Secret desk")
    make_feed(account=account, name="records")
    RefusedRow.objects.create(
        venue="paper",
        source="pairs",
        reason="a rate above one",
        excerpt="{}",
        digest="d",
        first_seen_at=NOW,
        last_seen_at=NOW,
    )

    page = browser.get("/status/").content.decode()
    assert "Secret desk" not in page
    assert "a rate above one" not in page

    User.objects.filter(pk=owner.pk).update(is_staff=True)
    page = browser.get("/status/").content.decode()
    assert "Secret desk" in page
    assert "a rate above one" in page
    assert "SQLite" in page or "PostgreSQL" in page


def test_metrics_want_a_token(client: Client, db: None, settings: Settings) -> None:
    make_feed()
    settings.METRICS_TOKEN = "a-token"

    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer b"}).status_code == 401
    answer = client.get("/metrics", headers={"Authorization": "Bearer a-token"})

    assert answer.status_code == 200
    assert 'marginsite_feed_failures{venue="paper",feed="pairs"} 0' in answer.content.decode()


def test_metrics_do_not_exist_without_a_token_set(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


# Time zone


def test_a_person_chooses_a_zone_and_times_follow(browser: Client, owner: User) -> None:
    audit.record(action="key_added", actor=owner, now=NOW)
    assert "12:00" in fragment(browser, "/audit/?action=key_added", "audit-rows")

    assert browser.post("/settings/", {"time_zone": "Asia/Tokyo"}).status_code == 303

    assert Preference.objects.get(person=owner).time_zone == "Asia/Tokyo"
    assert "21:00" in fragment(browser, "/audit/?action=key_added", "audit-rows")


def test_a_zone_that_is_none_is_refused(browser: Client) -> None:
    assert browser.post("/settings/", {"time_zone": "Mars/Olympus"}).status_code == 422
    assert not Preference.objects.exists()
