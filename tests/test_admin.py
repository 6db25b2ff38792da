"""The admin is no way around the site: no secret, no money, no change of owner, and a trail."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from loans.models import Account, AuditEvent, Instruction, SiteState
from loans.services import audit
from tests.factories import (
    NOW,
    make_account,
    make_borrow,
    make_coverage,
    make_feed,
    make_instruction,
    make_market,
    make_observation,
    make_rate_change,
    make_repay,
    make_share,
    make_terms,
)
from tests.views.people import sign_in

SEALED = "ms1:k1:a-sealed-text"


@pytest.fixture
def staff(db: None) -> User:
    """An administrator with every right that Django knows."""
    return User.objects.create_superuser("boss", "boss@example.org", "correct horse battery")


@pytest.fixture
def browser(staff: User) -> Client:
    """The administrator's browser."""
    return sign_in(staff)


@pytest.fixture
def account(owner: User, colleague: User) -> Account:
    """An account with a bit of everything."""
    sealed = dict.fromkeys(Account.SEALED_FIELDS, SEALED)
    found = make_account(owner=owner, **sealed)
    make_share(account=found, person=colleague)
    make_instruction(account=found)
    make_borrow(account=found, record_id="borrowed")
    make_repay(account=found)
    make_coverage(account=found)
    make_observation(account=found, record_id="borrowed", body={"borrow_id": "borrowed"})
    make_feed()
    market = make_market(price="20000")
    make_terms(market=market)
    make_rate_change(market=market, at=NOW, daily_rate="0.00055")
    audit.record(action="key_added", actor=owner, now=NOW, account=found)
    return found


def admin_pages(browser: Client) -> list[str]:
    """Every page that the admin links to from its lists, one row of each."""
    pages = ["/admin/"]
    for model in admin.site._registry:
        label = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        pages.append(label)
        row = model._default_manager.first()
        if row is not None:
            pages += [f"{label}{row.pk}/change/", f"{label}{row.pk}/history/"]
    return pages


def test_every_page_opens_under_the_sites_policy_and_shows_no_secret(
    browser: Client, staff: User, account: Account
) -> None:
    Authenticator.objects.create(
        user=staff, type=Authenticator.Type.TOTP, data={"secret": "a-totp-secret"}
    )

    for page in admin_pages(browser):
        answer = browser.get(page)
        text = answer.content.decode()
        assert answer.status_code == 200, page
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert SEALED not in text, page
        assert "a-totp-secret" not in text, page
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>(?!\s*[{\[\"])", text), page
        assert " onclick=" not in text, page


@pytest.mark.parametrize(
    "path",
    [
        "loans/instruction",
        "loans/borrowrecord",
        "loans/auditevent",
        "loans/observation",
        "loans/market",
        "loans/refusedrow",
    ],
)
def test_what_happened_cannot_be_changed(browser: Client, account: Account, path: str) -> None:
    model = next(m for m in admin.site._registry if m._meta.label_lower == path.replace("/", "."))
    row = model._default_manager.first()

    assert browser.get(f"/admin/{path}/add/").status_code == 403
    if row is not None:
        assert browser.post(f"/admin/{path}/{row.pk}/change/", {"state": "x"}).status_code == 403
        assert browser.post(f"/admin/{path}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
        assert model._default_manager.filter(pk=row.pk).exists()


def change_account(browser: Client, account: Account, **fields: str) -> int:
    """Post the account's form with more than it has; gives the status."""
    form = {"label": account.label}
    for prefix, count in (("lights", account.lights.count()), ("shares", account.shares.count())):
        form |= {f"{prefix}-TOTAL_FORMS": str(count), f"{prefix}-INITIAL_FORMS": str(count)}
    path = f"/admin/loans/account/{account.pk}/change/"
    return browser.post(path, form | fields).status_code


def test_a_name_that_misleads_is_not_given_and_holds_no_switch_up(
    browser: Client, account: Account
) -> None:
    assert change_account(browser, account, label="Desk \u202e") == 200
    Account.objects.filter(pk=account.pk).update(label="Old \u202e")
    account.refresh_from_db()
    assert account.label == "Old \u202e"

    assert change_account(browser, account, stopped="on") == 302
    account.refresh_from_db()
    assert account.stopped


def test_an_account_keeps_its_owner_and_its_rights(
    browser: Client, staff: User, account: Account
) -> None:
    Account.objects.filter(pk=account.pk).update(venue="bitmart", allow_money=False)

    forged = {"owner": str(staff.pk), "allow_money": "on", "mode": "shared", "label": "Renamed"}
    status = change_account(browser, account, **forged)

    before = account.owner
    account.refresh_from_db()
    assert status == 302
    assert account.label == "Renamed"
    assert (account.owner, account.allow_money, account.mode) == (before, False, "exclusive")
    assert browser.get("/admin/loans/account/add/").status_code == 403
    assert browser.get(f"/admin/loans/account/{account.pk}/delete/").status_code == 403


def test_an_account_is_stopped_here_and_released_elsewhere(
    browser: Client, account: Account
) -> None:
    assert change_account(browser, account, stopped="on") == 302
    account.refresh_from_db()
    assert account.stopped

    assert change_account(browser, account) == 200
    account.refresh_from_db()
    assert account.stopped


def test_a_change_is_in_the_trail_without_its_values(
    browser: Client, staff: User, account: Account
) -> None:
    change_account(browser, account, label="Renamed")

    event = AuditEvent.objects.get(action="admin_changed")
    assert (event.actor, event.account) == (staff, account)
    assert event.facts["fields"] == ["Label"]
    assert SEALED not in str(list(LogEntry.objects.values()))
    assert audit.verify().holds


def test_the_site_is_stopped_here_and_the_notice_changed(browser: Client) -> None:
    site = SiteState.load()
    fields = {"stopped": "on", "stopped_reason": "a drill", "wind_down_notice": "Closing soon."}

    assert browser.post("/admin/loans/sitestate/1/change/", fields).status_code == 302

    site.refresh_from_db()
    assert (site.stopped, site.stopped_reason) == (True, "a drill")
    assert site.wind_down_notice == "Closing soon."
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"site_stopped", "site_notice_changed"} <= actions


def test_the_sites_stop_is_not_released_here(browser: Client) -> None:
    SiteState.load()
    SiteState.objects.update(stopped=True)

    browser.post("/admin/loans/sitestate/1/change/", {"wind_down_notice": "Closing soon."})

    assert SiteState.load().stopped


def test_a_person_is_made_and_made_inactive_but_not_deleted(browser: Client, owner: User) -> None:
    fields = {"username": "new", "password1": "a long pass phrase", "usable_password": "true"}
    browser.post("/admin/auth/user/add/", fields | {"password2": "a long pass phrase"})
    assert User.objects.filter(username="new").exists()
    assert AuditEvent.objects.filter(action="admin_added").exists()
    assert "a long pass phrase" not in str(list(AuditEvent.objects.values()))

    assert browser.post(f"/admin/auth/user/{owner.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=owner.pk).exists()


def test_a_lost_second_factor_is_removed_here(browser: Client, owner: User) -> None:
    app, passkey, codes = (
        Authenticator.objects.create(user=owner, type=kind, data={"secret": "s", "name": "Key"})
        for kind in ("totp", "webauthn", "recovery_codes")
    )

    browser.post(f"/admin/mfa/authenticator/{app.pk}/delete/", {"post": "yes"})
    assert set(Authenticator.objects.all()) == {passkey, codes}
    browser.post(f"/admin/mfa/authenticator/{passkey.pk}/delete/", {"post": "yes"})

    assert not Authenticator.objects.exists()  # codes alone would let in nobody, and no new ones
    told = AuditEvent.objects.filter(action="second_factor_removed").order_by("pk")
    assert [event.facts for event in told] == [
        {"person": str(owner), "kind": "totp"},
        {"person": str(owner), "kind": "webauthn"},
    ]


def test_an_administrator_sees_and_moves_nothing_of_others_by_being_one(
    staff: User, account: Account
) -> None:
    assert not Account.objects.visible_to(staff).exists()
    assert not Account.objects.tradable_by(staff).exists()
    assert not Instruction.objects.visible_to(staff).exists()


def test_the_admin_is_closed_to_everybody_else(client: Client, owner: User) -> None:
    client.force_login(owner)

    assert client.get("/admin/").status_code in (302, 403)
    assert client.get("/admin/loans/account/").status_code in (302, 403)
