"""The page of a person's files: what it shows, who may fetch what, and that it needs no script."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from loans import tasks
from loans.models import Account, Job, Kind
from loans.services import file_forms
from loans.tasks.jobs import folder
from loans.views import job_rows
from tests.factories import NOW, borrow_row, keep, make_account, make_borrow, make_share

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _place(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def desk(owner: User) -> Account:
    account = make_account(owner=owner)
    make_borrow(account=account, record_id="L1")
    return account


def browser_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def browser(owner: User, desk: Account) -> Client:
    return browser_of(owner)


def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_forms, "AT_ONCE", 0)
    monkeypatch.setattr(file_forms, "AT_ONCE_SHEET", 0)


def ask_for(browser: Client, **fields: str) -> Job:
    answer = browser.post("/files/new/", {"form": "csv", "kind": "borrow", **fields})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/files/")
    return Job.objects.latest("created_at")


def ready(browser: Client, **fields: str) -> Job:
    job = ask_for(browser, **fields)
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("slug", list(file_forms.FORMS))
@pytest.mark.parametrize("name", ["borrows", "repays"])
def test_a_small_file_comes_at_once(browser: Client, name: str, slug: str) -> None:
    answer = browser.get(f"/history/{name}.{slug}", {"symbol": "BTC_USDT"})

    form = file_forms.FORMS[slug]
    assert answer.status_code == 200
    assert len(b"".join(answer.streaming_content)) > 40
    assert answer.headers["Content-Type"] == form.media_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'.{form.ending}"' in answer.headers["Content-Disposition"]
    assert "BTC_USDT" in answer.headers["Content-Disposition"]
    assert not Job.objects.exists()


def test_a_form_that_does_not_exist_is_not_found(browser: Client) -> None:
    assert browser.get("/history/borrows.exe").status_code == 404
    assert browser.get("/files/new/", {"form": "exe", "kind": "borrow"}).status_code == 404
    assert browser.get("/files/new/", {"form": "csv", "kind": "x"}).status_code == 404


@pytest.mark.parametrize("slug", list(file_forms.FORMS))
def test_an_unreadable_filter_makes_no_file(browser: Client, slug: str) -> None:
    answer = browser.get(f"/history/borrows.{slug}", {"from": "yesterday"})
    asked = browser.post("/files/new/", {"form": slug, "kind": "borrow", "from": "yesterday"})

    assert answer.status_code == asked.status_code == 400
    assert b"Write a date as 2026-11-30" in answer.content
    assert not Job.objects.exists()


def test_the_menu_offers_every_form_for_the_filter_shown(browser: Client) -> None:
    page = browser.get("/history/borrows/", {"currency": "usdt", "sort": "amount"})

    for slug in file_forms.FORMS:
        address = f"/history/borrows.{slug}?currency=usdt&amp;sort=amount"
        assert f'href="{address}"' in page.content.decode()


def test_a_large_file_is_asked_for_and_made(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_at_once(monkeypatch)

    sent_on = browser.get("/history/borrows.json", {"symbol": "BTC_USDT", "sort": "at"})
    page = browser.get(sent_on.headers["Location"])
    fields = dict(page.context["fields"])
    job = ready(browser, **fields)
    file = browser.get(f"/files/{job.pk}/")

    assert sent_on.status_code == 303
    assert "This file has 1 rows" in page.content.decode()
    body = json.loads(b"".join(file.streaming_content))
    assert [row["record_id"] for row in body["rows"]] == ["L1"]
    assert body["filter"] == {"symbol": "BTC_USDT", "sort": "at"}
    assert file.headers["Content-Disposition"] == (
        'attachment; filename="borrows_BTC_USDT_UTC.json"'
    )
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert file.headers["Cache-Control"] == "no-store"
    assert int(file.headers["Content-Length"]) == job.size


def test_looking_at_the_page_places_nothing(browser: Client) -> None:
    browser.get("/files/new/", {"form": "csv", "kind": "borrow"})

    assert not Job.objects.exists()


@pytest.mark.parametrize("deed", ["", "cancel/", "hand-out/"])
def test_a_strangers_job_is_not_found(
    browser: Client, stranger: User, colleague: User, desk: Account, deed: str
) -> None:
    job = ready(browser)
    make_share(account=desk, person=colleague)

    for person in (stranger, colleague):
        other = browser_of(person)
        answer = other.post(f"/files/{job.pk}/{deed}") if deed else other.get(f"/files/{job.pk}/")
        assert answer.status_code == 404
        assert job.file_name not in other.get("/files/").content.decode()
    job.refresh_from_db()
    assert job.state == "DONE"


def test_whoever_lost_an_account_does_not_get_its_file(colleague: User, desk: Account) -> None:
    share = make_share(account=desk, person=colleague)
    browser = browser_of(colleague)
    job = ready(browser)
    assert browser.get(f"/files/{job.pk}/").status_code == 200

    share.delete()

    assert browser.get(f"/files/{job.pk}/").status_code == 404
    assert browser.get("/files/").context["rows"] == []


def test_a_file_of_one_account_outlives_the_share_of_another(
    colleague: User, desk: Account
) -> None:
    share = make_share(account=desk, person=colleague)
    own = make_account(owner=colleague, label="Own")
    browser = browser_of(colleague)
    job = ready(browser, account=str(own.pk))

    share.delete()

    assert browser.get(f"/files/{job.pk}/").status_code == 200


def test_an_expired_file_says_so(browser: Client) -> None:
    job = ready(browser)
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    early = browser.get(f"/files/{job.pk}/")
    tasks.expire_files()
    late, page = browser.get(f"/files/{job.pk}/"), browser.get("/files/")

    assert early.status_code == late.status_code == 410
    assert b"and is deleted. Ask for it once more" in late.content
    assert b"was deleted on" in page.content
    assert b"Download" not in page.content
    assert not folder().place_of(job).exists()


def test_a_file_that_is_not_there_says_so(browser: Client) -> None:
    job, waiting = ready(browser), ask_for(browser)
    folder().clear(job)

    gone, early = browser.get(f"/files/{job.pk}/"), browser.get(f"/files/{waiting.pk}/")

    assert gone.status_code == early.status_code == 410
    assert b"It is not on the disk any more" in gone.content
    assert b"It is not ready yet" in early.content


def test_cancelling_ends_it(browser: Client) -> None:
    job = ask_for(browser)

    answer = browser.post(f"/files/{job.pk}/cancel/", follow=True)
    again = browser.post(f"/files/{job.pk}/cancel/", follow=True)

    job.refresh_from_db()
    assert job.state == "CANCELLED"
    assert b"Cancelled: nothing of it is kept." in answer.content
    assert b"It was finished already." in again.content
    assert browser.get(f"/files/{job.pk}/cancel/").status_code == 405


def test_too_many_at_once_is_a_sentence(browser: Client) -> None:
    for _ in range(5):
        ask_for(browser)

    answer = browser.post("/files/new/", {"form": "csv", "kind": "borrow"}, follow=True)

    assert b"5 files are being made for you" in answer.content
    assert Job.objects.count() == 5


@pytest.mark.parametrize("page", ["/history/", "/files/", "/keys/{}/"])
def test_the_button_saves_everything_of_an_account(
    browser: Client, desk: Account, page: str
) -> None:
    shown = browser.get(page.format(desk.pk)).content.decode()

    answers = [browser.post("/files/archive/", {"account": str(desk.pk)}) for _ in range(2)]

    assert f"Save all of {desk.label}" in shown
    assert [answer.status_code for answer in answers] == [303, 303]
    assert Job.objects.get().account == desk


@pytest.mark.parametrize("account", ["", "x", "{}"])
def test_nobody_saves_a_strangers_account(stranger: User, desk: Account, account: str) -> None:
    answer = browser_of(stranger).post("/files/archive/", {"account": account.format(desk.pk)})

    assert answer.status_code == 404
    assert not Job.objects.exists()


def test_the_page_polls_only_while_something_is_made(browser: Client) -> None:
    quiet = browser.get("/files/").content.decode()
    job = ask_for(browser)
    busy = browser.get("/files/", headers={"HX-Request": "true", "HX-Target": "file-jobs"})
    tasks.run_job(str(job.pk))
    after = browser.get("/files/", headers={"HX-Request": "true", "HX-Target": "file-jobs"})

    assert "every 2s" not in quiet
    assert "every 2s" in busy.content.decode()
    assert busy.content.decode().startswith('<div id="file-jobs"')
    assert "every 2s" not in after.content.decode()
    assert f'href="/files/{job.pk}/"' in after.content.decode()


def test_progress_is_told_with_rate_and_time_left(owner: User) -> None:
    job = Job(
        person=owner,
        kind="export",
        parameters={"form": "csv", "kind": "repay", "zone": "UTC", "words": "all accounts"},
        state=Job.State.RUNNING,
        started_at=NOW,
        done=50_000,
        total=200_000,
    )

    (row,) = job_rows.present([job], now=NOW + timedelta(seconds=20))

    assert (row.title, row.percent) == ("Repayments as CSV", 25)
    assert (row.counted, row.rate) == ("50,000 of 200,000 rows", "2,500 rows a second")
    assert row.left == "about 1 min left"


def test_of_an_archive_the_time_left_is_that_of_its_present_step(desk: Account) -> None:
    job = Job(
        person=desk.owner,
        account=desk,
        kind=Job.Kind.ARCHIVE,
        state=Job.State.RUNNING,
        started_at=NOW,
        done=60,
        total=120,
        unit="lists",
    )

    (soon,) = job_rows.present([job], now=NOW + timedelta(seconds=4))
    (later,) = job_rows.present([job], now=NOW + timedelta(seconds=90))

    assert soon.left == "this step is almost done"
    assert later.left == "about 1 min left of this step"


def test_the_pages_queries_do_not_grow(
    browser: Client, owner: User, django_assert_max_num_queries: Callable
) -> None:
    for _ in range(4):
        ask_for(browser)

    with django_assert_max_num_queries(14):
        browser.get("/files/")


def test_counting_comes_before_streaming(
    browser: Client, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spreadsheet has a lower bound, because it is built whole before its first byte."""
    rows: list[Any] = [borrow_row(account=desk, record_id=f"M{n}", at=NOW) for n in range(4)]
    keep(Kind.BORROW, rows)
    monkeypatch.setattr(file_forms, "AT_ONCE", 6)
    monkeypatch.setattr(file_forms, "AT_ONCE_SHEET", 3)

    codes = {s: browser.get(f"/history/borrows.{s}").status_code for s in ("csv", "json", "xlsx")}

    assert codes == {"csv": 200, "json": 200, "xlsx": 303}
