"""The history's landing page: how far a first load is, and what audits found."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from loans.models import Account, Coverage, Kind, Venue
from loans.services.loading import note_pace
from loans.services.windows import EARLIEST
from tests import factories
from tests.factories import NOW


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


def loading_account(owner: User) -> Account:
    """A connected account: one list read, one half loaded, one not asked for."""
    account = factories.make_account(owner=owner, label="Busy")
    for symbol in ("BTC_USDT", "ETH_USDT", "XRP_USDT"):
        factories.make_market(symbol=symbol)
    factories.make_coverage(account=account, symbol="BTC_USDT")
    middle = EARLIEST + (NOW - EARLIEST) / 2
    factories.make_coverage(account=account, symbol="ETH_USDT", complete_from=middle)
    factories.make_coverage(
        account=account, symbol="XRP_USDT", complete_to=None, checked_at=None, has_rows=False
    )
    for n in range(12):
        factories.make_borrow(account=account, record_id=f"L{n}")
    return account


def test_a_pair_is_read_to_the_end_only_when_it_is_read_to_the_start(
    client: Client, desk: Account
) -> None:
    for kind in ("borrow", "repay"):
        factories.make_coverage(account=desk, symbol="BTC_USDT", kind=kind, has_rows=False)
        factories.make_coverage(account=desk, symbol="ETH_USDT", kind=kind, has_rows=False)
    Coverage.objects.filter(symbol="ETH_USDT", kind="repay").update(
        complete_from=NOW - timedelta(days=9)
    )

    assert "1 more pair read to the end without" in client.get("/history/").text


def test_a_first_load_is_shown_with_what_is_done_and_left(client: Client, owner: User) -> None:
    loading_account(owner)

    answer = client.get("/history/")
    text = " ".join(strip_tags(answer.text.replace("<dd>", " ")).split())

    assert "Lists read back to their start 1 of 3" in text
    assert "Records so far 12" in text
    assert '<progress max="100" value="50"' in answer.text
    assert "cannot be told yet" in text
    assert "1 pair not asked for yet" in text
    assert 'hx-trigger="every 3s"' in answer.text


def test_a_pair_that_could_not_be_read_keeps_its_age_and_says_so(
    client: Client, desk: Account
) -> None:
    old = timezone.now() - timedelta(days=21)
    for kind in Kind:
        factories.make_coverage(account=desk, kind=kind, checked_at=old, has_rows=False)
    assert "BTC_USDT" not in client.get("/history/").text
    Coverage.objects.filter(kind=Kind.BORROW).update(asked_at=timezone.now(), failures=1)

    text = " ".join(strip_tags(client.get("/history/").text).split())

    assert re.search(r"BTC_USDT.*21 d the last try failed", text)


def test_a_pair_of_which_one_list_was_never_read_has_no_age(client: Client, desk: Account) -> None:
    factories.make_coverage(account=desk)
    factories.make_coverage(
        account=desk, kind="repay", complete_to=None, checked_at=None, asked_at=NOW, failures=1
    )

    assert "never read" in client.get("/history/").text


def test_the_speed_of_a_load_is_told_once_it_was_measured(client: Client, owner: User) -> None:
    account = loading_account(owner)
    now = timezone.now()
    note_pace(account=account, now=now - timedelta(seconds=60))
    Coverage.objects.filter(symbol="ETH_USDT").update(
        complete_from=EARLIEST + timedelta(days=70) - 10 * timedelta(seconds=2)
    )
    note_pace(account=account, now=now)

    text = " ".join(strip_tags(client.get("/history/").text).split())

    assert "weeks of history a minute" in text
    assert re.search(r"Time left ?about \d+ s", text)


def test_the_page_stops_asking_when_everything_is_loaded(client: Client, owner: User) -> None:
    account = loading_account(owner)
    Coverage.objects.filter(account=account).update(
        complete_from=None, complete_to=NOW, checked_at=NOW
    )

    answer = client.get("/history/", headers={"HX-Request": "true", "HX-Target": "history-now"})

    assert answer.text.strip().startswith('<div id="history-now"')
    assert "hx-trigger" not in answer.text
    assert "Loading the history" not in answer.text


def test_nothing_is_said_to_load_with_a_key_that_is_disabled(client: Client, owner: User) -> None:
    account = loading_account(owner)
    Account.objects.filter(pk=account.pk).update(disabled=True)

    assert "hx-trigger" not in client.get("/history/").text


@pytest.mark.parametrize(
    ("fields", "polls"),
    [({}, True), ({"status": "pending"}, True), ({"status": "failed"}, False)],
)
def test_the_page_waits_for_a_load_that_is_about_to_begin(
    client: Client, desk: Account, fields: dict[str, Any], polls: bool
) -> None:
    Account.objects.filter(pk=desk.pk).update(**fields)

    page = client.get("/history/").text

    assert ('hx-trigger="every 3s"' in page) is polls
    assert ("Loading begins as soon as a worker is free" in page) is polls


def test_no_span_is_told_while_the_lists_have_none_in_common(client: Client, owner: User) -> None:
    account = factories.make_account(owner=owner)
    factories.make_coverage(account=account, complete_from=NOW, complete_to=NOW)

    text = " ".join(strip_tags(client.get("/history/").text).split())
    assert "what is older is not read yet, 0 gaps." in text
    assert "Read from" not in text

    Coverage.objects.update(complete_from=NOW - timedelta(days=7))
    text = " ".join(strip_tags(client.get("/history/").text).split())
    assert "0 gaps. Read from 2026-11-1" in text


def test_saving_everything_is_one_click_away_and_quieter_on_paper(
    client: Client, desk: Account, owner: User
) -> None:
    assert '<a class="button quiet" href="#save-everything">' in client.get("/history/").text
    assert "#save-everything" not in client.get("/keys/").text

    live = factories.make_account(owner=owner, venue=Venue.BITMART, label="Main")

    assert '<a class="button" href="#save-everything">' in client.get("/history/").text
    assert f'href="/keys/{live.pk}/#save-everything"' in client.get("/keys/").text
    assert 'id="save-everything"' in client.get(f"/keys/{live.pk}/").text


def test_an_order_that_does_not_exist_is_told_without_blaming_a_field(
    client: Client, desk: Account
) -> None:
    text = strip_tags(client.get("/history/borrows/?sort=banana").text)

    assert "cannot be sorted by this; it shows the newest first." in text
    assert "marked above" not in text


def test_a_stranger_sees_no_load(owner: User, stranger: User) -> None:
    loading_account(owner)
    client = Client()
    client.force_login(stranger)

    assert "Busy" not in client.get("/history/").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "none yet"),
        ({"audited_at": NOW, "audit_rows": 412}, "412 read again: all as kept"),
        (
            {"audited_at": NOW, "audit_rows": 9, "audit_missing": 2, "audit_late": 1},
            "9 read again: 2 not listed any more, 1 late",
        ),
        ({"audit_reached": NOW}, "under way, read again back to 2026-11-20"),
        (
            {"trusted": False, "doubt": "rows from outside the time that was asked for"},
            "Borrows: rows from outside the time that was asked for.",
        ),
        ({"late_records": 3}, "3 came late"),
    ],
)
def test_the_landing_page_says_what_audits_found(
    client: Client, desk: Account, fields: dict[str, Any], words: str
) -> None:
    factories.make_coverage(account=desk, **fields)

    assert words in " ".join(strip_tags(client.get("/history/").text).split())


def test_the_page_of_a_key_tells_of_its_load(client: Client, owner: User) -> None:
    account = loading_account(owner)

    answer = client.get(f"/keys/{account.pk}/")

    assert "1 of 3 lists, 12 records" in answer.text
    Coverage.objects.update(complete_from=None, complete_to=NOW, checked_at=NOW)
    assert "Its history is loading" not in client.get(f"/keys/{account.pk}/").text
