"""The Keys pages: page, fragment, stranger, wrong method, invalid form."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from loans.models import Account, AuditEvent, KeyLight, State, Venue
from loans.services.keys import MOST_OPEN
from tests.factories import NOW, PASSWORD, make_account, make_instruction, make_share
from tests.views.people import let_time_pass, sign_in

KEY = {"access_key": "canary-access", "secret": "canary-secret", "memo": "canary-memo"}
FORM = {"venue": "bitmart", "label": "Desk", **KEY}
FRAGMENT = {"HX-Request": "true", "HX-Target": "key-cards"}


@pytest.fixture
def browser(owner: User) -> Client:
    """The owner's browser, just signed in."""
    return sign_in(owner)


def test_a_newcomer_is_shown_the_two_ways_in(browser: Client) -> None:
    page = browser.get("/keys/").content.decode()

    assert "Try it on paper" in page
    assert "Connect BitMart" in page
    assert "Margin-Trade" in page


def test_every_light_stands_on_the_card_with_its_remedy(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)
    KeyLight.objects.create(
        account=account, name="signs", state="red", detail="The memo is wrong.", checked_at=NOW
    )

    page = browser.get("/keys/").content.decode()

    for words in ("Key reads", "Secret and memo sign", "Margin permission", "Clock", "IP accepted"):
        assert words in page
    assert "The memo is wrong." in page
    assert account.fingerprint in page


def test_the_cards_are_a_fragment_that_asks_again_only_while_something_is_under_way(
    browser: Client, owner: User
) -> None:
    account = make_account(owner=owner)
    settled = browser.get("/keys/", headers=FRAGMENT).content.decode()
    Account.objects.filter(pk=account.pk).update(status=Account.Status.PENDING)
    waiting = browser.get("/keys/", headers=FRAGMENT).content.decode()

    assert settled.lstrip().startswith('<div id="key-cards"')
    assert "hx-trigger" not in settled
    assert 'hx-trigger="every 2s"' in waiting


def test_the_key_page_has_a_fragment_too(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)
    headers = {"HX-Request": "true", "HX-Target": "key-card"}

    fragment = browser.get(f"/keys/{account.pk}/", headers=headers).content.decode()

    assert fragment.lstrip().startswith('<div id="key-card"')


def test_one_click_leaves_a_row_that_waits(
    browser: Client, owner: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as rung:
        answer = browser.post("/keys/paper/")

    assert (answer.status_code, answer.url) == (303, "/keys/")
    account = Account.objects.get(owner=owner)
    assert (account.venue, account.status) == (Venue.PAPER, Account.Status.PENDING)
    assert rung
    assert "being connected" in browser.get("/keys/").content.decode()


def test_adding_a_key_seals_it_and_asks_for_a_check(
    browser: Client, owner: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as rung:
        answer = browser.post("/keys/add/", FORM)

    assert (answer.status_code, answer.url) == (303, "/keys/")
    account = Account.objects.get(owner=owner)
    assert account.is_checking
    assert not account.allow_money
    assert rung


def test_the_tick_box_allows_money(browser: Client, owner: User) -> None:
    browser.post("/keys/add/", FORM | {"allow_money": "on"})

    assert Account.objects.get(owner=owner).allow_money


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"label": ""}, "This field is required"),
        ({"access_key": ""}, "This field is required"),
        ({"access_key": "with space"}, "characters that no key has"),
        ({"access_key": "tab\tinside"}, "characters that no key has"),
        ({"secret": ""}, "This field is required"),
        ({"venue": "elsewhere"}, "not one of the available choices"),
        ({"label": "x" * 61}, "at most 60 characters"),
        ({"label": "Desk \u202e"}, "a character that cannot be seen"),
        ({"label": "\u200b"}, "a character that cannot be seen"),
        ({"label": "two\nlines"}, "a character that cannot be seen"),
        ({"label": "\u2028Desk\u2029x"}, "a character that cannot be seen"),
    ],
)
def test_a_form_that_is_wrong_keeps_what_was_typed_but_not_the_key(
    browser: Client, wrong: dict[str, str], words: str
) -> None:
    answer = browser.post("/keys/add/", FORM | {"label": "My typed name"} | wrong)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert "canary" not in page
    assert "label" in wrong or "My typed name" in page
    assert not Account.objects.exists()


def test_the_same_key_twice_is_refused_in_words(browser: Client) -> None:
    browser.post("/keys/add/", FORM)

    answer = browser.post("/keys/add/", FORM | {"label": "Again"})

    assert answer.status_code == 422
    assert "You have added this key before: it is “Desk”." in answer.content.decode()


def test_a_key_of_another_person_is_refused_neutrally(browser: Client, stranger: User) -> None:
    browser.post("/keys/add/", FORM)

    answer = sign_in(stranger).post("/keys/add/", FORM)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This key cannot be added" in page
    assert "owner" not in page.split("</nav>")[-1].split("<aside")[0]


def test_whoever_has_enough_keys_is_told_so_and_keeps_what_was_typed(
    browser: Client, owner: User
) -> None:
    for _ in range(MOST_OPEN):
        make_account(owner=owner)

    asked = browser.post("/keys/paper/", follow=True).content.decode()
    answer = browser.post("/keys/add/", FORM | {"label": "My typed name"})

    assert "Remove one first" in asked
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Remove one first" in page
    assert "My typed name" in page
    assert "canary" not in page
    assert Account.objects.count() == MOST_OPEN


def test_a_live_key_asks_for_the_password_after_ten_minutes_and_keeps_no_post(
    browser: Client,
) -> None:
    let_time_pass(browser, seconds=601)

    answer = browser.post("/keys/add/", FORM)

    assert answer.status_code == 303
    assert answer.url.startswith("/accounts/reauthenticate/")
    assert "canary" not in str(dict(browser.session))
    assert not Account.objects.exists()
    assert browser.get(answer.url).status_code == 200


def test_what_is_no_secret_stays_while_the_password_is_asked_for(browser: Client) -> None:
    let_time_pass(browser, seconds=601)
    posted = browser.post("/keys/add/", FORM | {"allow_money": "on"})

    browser.post(posted.url, {"password": PASSWORD})
    page = browser.get("/keys/add/?venue=bitmart").content.decode()

    assert f'value="{FORM["label"]}"' in page
    assert "checked" in page
    assert "please put it in once more" in page
    assert "canary" not in page
    assert "please put it in once more" not in browser.get("/keys/add/").content.decode()


def test_the_other_exchange_is_another_page_that_knows_the_name(browser: Client) -> None:
    page = browser.get("/keys/add/?venue=bitmart&label=Desk").content.decode()

    assert '<option value="bitmart" selected>' in page
    assert 'value="Desk"' in page


def test_a_paper_key_never_asks_for_the_password_again(browser: Client) -> None:
    let_time_pass(browser, seconds=601)

    assert browser.post("/keys/add/", FORM | {"venue": "paper"}).url == "/keys/"


@pytest.mark.parametrize(
    ("deed", "field", "value"),
    [
        ("stop", "stopped", True),
        ("repay-only", "repay_only", True),
        ("disable", "disabled", True),
        ("allow-money", "allow_money", True),
    ],
)
def test_a_switch_is_thrown_by_a_post(
    browser: Client, owner: User, deed: str, field: str, value: bool
) -> None:
    account = make_account(owner=owner, venue=Venue.BITMART)

    answer = browser.post(f"/keys/{account.pk}/{deed}/")

    assert answer.status_code == 303
    account.refresh_from_db()
    assert getattr(account, field) is value


@pytest.mark.parametrize(
    ("deed", "before"),
    [
        ("release", {"stopped": True}),
        ("borrow-again", {"repay_only": True}),
        ("enable", {"disabled": True}),
        ("forbid-money", {"allow_money": True}),
    ],
)
def test_a_switch_is_put_back(
    browser: Client, owner: User, deed: str, before: dict[str, bool]
) -> None:
    account = make_account(owner=owner, venue=Venue.BITMART, **before)

    browser.post(f"/keys/{account.pk}/{deed}/")

    account.refresh_from_db()
    (field,) = before
    assert getattr(account, field) is False


@pytest.mark.parametrize("deed", ["release", "borrow-again", "enable", "allow-money"])
def test_loosening_a_live_account_asks_for_the_password(
    browser: Client, owner: User, deed: str
) -> None:
    fields = {"stopped": True, "repay_only": True, "disabled": True}
    account = make_account(owner=owner, venue=Venue.BITMART, **fields)
    let_time_pass(browser, seconds=601)

    answer = browser.post(f"/keys/{account.pk}/{deed}/")

    assert answer.url.startswith("/accounts/reauthenticate/")
    account.refresh_from_db()
    assert (account.stopped, account.repay_only, account.disabled) == (True, True, True)
    assert not account.allow_money


@pytest.mark.parametrize(
    "state", [{"stopped": True}, {"repay_only": True}, {"status": Account.Status.REMOVED}]
)
def test_nothing_is_signed_to_probe_while_nothing_may_be_borrowed(
    browser: Client,
    owner: User,
    state: dict[str, object],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    account = make_account(owner=owner, **state)

    with django_capture_on_commit_callbacks() as rung:
        browser.post(f"/keys/{account.pk}/probe-expiry/")

    assert not rung
    assert not AuditEvent.objects.filter(action="expiry_probe_asked").exists()


def test_stopping_never_waits_for_the_password(browser: Client, owner: User) -> None:
    account = make_account(owner=owner, venue=Venue.BITMART)
    let_time_pass(browser, seconds=601)

    browser.post(f"/keys/{account.pk}/stop/")

    account.refresh_from_db()
    assert account.stopped


def test_a_check_is_asked_for(
    browser: Client, owner: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    account = make_account(owner=owner)

    with django_capture_on_commit_callbacks(execute=True) as rung:
        browser.post(f"/keys/{account.pk}/check/", {"page": "1"})

    account.refresh_from_db()
    assert account.is_checking
    assert rung
    assert "being checked" in browser.get(f"/keys/{account.pk}/").content.decode()


def test_a_name_is_changed_and_a_wrong_one_is_not(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)

    browser.post(f"/keys/{account.pk}/rename/", {"label": "Night desk"})
    browser.post(f"/keys/{account.pk}/rename/", {"label": " "})
    browser.post(f"/keys/{account.pk}/rename/", {"label": "Night\u200bdesk"})

    account.refresh_from_db()
    assert account.label == "Night desk"


def test_the_mode_is_changed(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)

    browser.post(f"/keys/{account.pk}/mode/", {"mode": "shared"})

    account.refresh_from_db()
    assert account.mode == Account.Mode.SHARED


def test_a_key_is_replaced(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)
    before = account.fingerprint

    assert browser.get(f"/keys/{account.pk}/replace/").status_code == 200
    answer = browser.post(f"/keys/{account.pk}/replace/", KEY)

    account.refresh_from_db()
    assert answer.url == f"/keys/{account.pk}/"
    assert account.fingerprint != before


def test_a_wrong_replacement_keeps_the_old_key(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)

    answer = browser.post(f"/keys/{account.pk}/replace/", KEY | {"secret": ""})

    assert answer.status_code == 422
    assert "canary" not in answer.content.decode()
    before = account.fingerprint
    account.refresh_from_db()
    assert account.fingerprint == before


def test_a_key_is_removed_after_its_page_has_said_what_that_means(
    browser: Client, owner: User
) -> None:
    account = make_account(owner=owner, access_key_sealed="ms1:k1:x")

    assert "cannot be had back" in browser.get(f"/keys/{account.pk}/remove/").content.decode()
    answer = browser.post(f"/keys/{account.pk}/remove/")

    account.refresh_from_db()
    assert answer.url == "/keys/"
    assert account.status == Account.Status.REMOVED
    assert "Removed keys" in browser.get("/keys/").content.decode()


def test_a_key_in_use_is_not_removed_and_the_page_says_why(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)
    make_instruction(account=account, state=State.QUEUED)

    answer = browser.post(f"/keys/{account.pk}/remove/")

    assert answer.status_code == 409
    assert "1 instruction is still open" in answer.content.decode()


PAGES = ["", "replace/", "remove/"]
POSTS = ["rename/", "mode/", "check/", "stop/", "release/", "disable/", "enable/", "allow-money/"]
POSTS += ["replace/", "remove/", "repay-only/", "borrow-again/", "forbid-money/", "retry/"]


def test_a_stranger_finds_nothing_and_changes_nothing(owner: User, stranger: User) -> None:
    account = make_account(owner=owner)
    before = Account.objects.filter(pk=account.pk).values().get()
    browser, missing = sign_in(stranger), uuid4()

    for path in PAGES:
        theirs, none = (browser.get(f"/keys/{pk}/{path}") for pk in (account.pk, missing))
        assert (theirs.status_code, theirs.content) == (404, none.content)
    for path in POSTS:
        assert browser.post(f"/keys/{account.pk}/{path}", KEY).status_code == 404, path

    assert Account.objects.filter(pk=account.pk).values().get() == before
    assert account.label not in browser.get("/keys/").content.decode()


def test_a_trader_sees_the_card_and_no_switch(owner: User, colleague: User) -> None:
    account = make_account(owner=owner, label="Shared desk")
    make_share(account=account, person=colleague, role="trader")
    browser = sign_in(colleague)

    page = browser.get(f"/keys/{account.pk}/").content.decode()

    assert "Shared desk" in page
    assert f"/keys/{account.pk}/stop/" not in page
    assert browser.post(f"/keys/{account.pk}/stop/").status_code == 404


def test_a_manager_stops_but_does_not_remove(owner: User, colleague: User) -> None:
    account = make_account(owner=owner)
    make_share(account=account, person=colleague, role="manager")
    browser = sign_in(colleague)

    assert browser.post(f"/keys/{account.pk}/stop/").status_code == 303
    assert browser.post(f"/keys/{account.pk}/remove/").status_code == 404
    account.refresh_from_db()
    assert account.stopped


@pytest.mark.parametrize("path", ["stop/", "rename/", "check/", "mode/"])
def test_a_switch_is_not_thrown_by_a_link(browser: Client, owner: User, path: str) -> None:
    account = make_account(owner=owner)

    assert browser.get(f"/keys/{account.pk}/{path}").status_code == 405
    assert browser.put("/keys/add/").status_code == 405
    assert browser.post("/keys/").status_code == 405


def test_a_deed_that_is_none_is_not_found(browser: Client, owner: User) -> None:
    account = make_account(owner=owner)

    assert browser.post(f"/keys/{account.pk}/explode/").status_code == 404


def test_everything_is_stopped_by_administrators_only(browser: Client, owner: User) -> None:
    assert browser.post("/keys/all/stop/").status_code == 403
    User.objects.filter(pk=owner.pk).update(is_staff=True)

    browser.post("/keys/all/stop/", {"reason": "the exchange misbehaves"})
    page = browser.get("/keys/").content.decode()
    assert "Everything is stopped" in page
    assert "the exchange misbehaves" in page

    browser.post("/keys/all/release/")
    assert "Everything is stopped" not in browser.get("/keys/").content.decode()


def test_releasing_everything_asks_for_the_password(browser: Client, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    browser.post("/keys/all/stop/")
    let_time_pass(browser, seconds=601)

    assert browser.post("/keys/all/release/").url.startswith("/accounts/reauthenticate/")
    assert "Everything is stopped" in browser.get("/keys/").content.decode()


def test_nobody_gets_in_without_signing_in(client: Client, db: None) -> None:
    assert client.get("/keys/").url == "/accounts/login/?next=/keys/"
    fragment = client.get("/keys/", headers=FRAGMENT)
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (401, "/accounts/login/")
