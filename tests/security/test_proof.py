"""What asks for the password again: every address that changes something stands in one of two
lists here, so that a new one is put in one of them on purpose.
"""

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern

from loans import urls
from loans.models import (
    Account,
    AccountShare,
    AuditEvent,
    Instruction,
    SiteState,
    State,
    Venue,
)
from tests import factories
from tests.views.people import let_time_pass, sign_in
from tests.views.trade import aged, make_desk, token_of

pytestmark = pytest.mark.django_db

# Address names, with the deed where an address has several.
PROTECTED = {
    "confirm_borrow in addition",
    "confirm_repay in addition",
    "decide_instruction",
    "key_act allow-money",
    "key_act borrow-again",
    "key_act enable",
    "key_act probe-expiry",
    "key_act release",
    "key_add",
    "key_mode",
    "key_remove",
    "key_replace",
    "share",
    "site_act borrow-again",
    "site_act release",
    "team",
}
# What holds back, looks, or stands on the signed token of a page that was just shown.
WITHOUT = {
    "borrow",
    "cancel_instruction",
    "confirm_borrow",
    "confirm_repay",
    "file_archive",
    "file_ask",
    "file_cancel",
    "file_hand_out",
    "history_borrows_file",
    "history_repays_file",
    "key_act",
    "key_paper",
    "key_rename",
    "repay",
    "settings",
    "site_act",
}
# Addresses of mail, to which a new password is sent on demand.
MAIL = {
    "add": ("new@example.org", ["chief@example.org", "new@example.org", "other@example.org"]),
    "primary": ("other@example.org", ["chief@example.org", "other@example.org"]),
    "remove": ("other@example.org", ["chief@example.org"]),
}
KEY = {"label": "Live", "venue": "bitmart", "access_key": "a1", "secret": "s1", "memo": "m1"}


class House:
    """An administrator with a live account that is held back in every way, and a colleague."""

    def __init__(self) -> None:
        self.chief = User.objects.create_superuser("chief", "chief@example.org", factories.PASSWORD)
        held_back = {"stopped": True, "repay_only": True, "allow_money": False}
        self.live = factories.make_account(owner=self.chief, venue=Venue.BITMART, **held_back)
        self.mate = factories.make_person()
        self.share = factories.make_share(account=self.live, person=self.mate)
        SiteState.load()
        SiteState.objects.update(stopped=True, repay_only=True)
        self.browser = sign_in(self.chief)

    def state(self) -> object:
        """Everything that a deed could have changed."""
        tables = (Account, AccountShare, Instruction, SiteState)
        asked = AuditEvent.objects.filter(action="expiry_probe_asked").count()
        return [asked, *(list(table.objects.order_by("pk").values()) for table in tables)]


def _key(path: str, **fields: str) -> Callable[[House], tuple[str, dict[str, str]]]:
    return lambda house: (f"/keys/{house.live.pk}/{path}/", fields)


def _enable(house: House) -> tuple[str, dict[str, str]]:
    Account.objects.filter(pk=house.live.pk).update(disabled=True)
    return f"/keys/{house.live.pk}/enable/", {}


def _probe_expiry(house: House) -> tuple[str, dict[str, str]]:
    SiteState.objects.update(stopped=False, repay_only=False)
    fields = {"stopped": False, "repay_only": False, "allow_money": True}
    Account.objects.filter(pk=house.live.pk).update(**fields)
    factories.give_second_factor(house.chief)
    return f"/keys/{house.live.pk}/probe-expiry/", {}


def _decide(house: House) -> tuple[str, dict[str, str]]:
    found = factories.make_instruction(account=house.live, state=State.NEEDS_HUMAN)
    fields = {"verdict": "not_executed", "reason": "Looked."}
    return f"/instructions/{found.pk}/decide/", fields


def _beside(kind: str) -> Callable[[House], tuple[str, dict[str, str]]]:
    def press(house: House) -> tuple[str, dict[str, str]]:
        SiteState.objects.update(stopped=False, repay_only=False)
        desk = make_desk(owed=True, owner=house.chief, label="Paper")
        factories.make_instruction(
            account=desk.account, state=State.UNKNOWN, amount="5", kind=kind, created_at=desk.now
        )
        page = house.browser.post(f"/{kind}/", desk.fields(amount="10"))
        return f"/{kind}/confirm/", {"token": aged(token_of(page), seconds=5), "in_addition": "1"}

    return press


def _share(house: House) -> tuple[str, dict[str, str]]:
    return f"/team/{house.share.pk}/", {"role": "trader"}


def _team(house: House) -> tuple[str, dict[str, str]]:
    other = factories.make_person()
    return "/team/", {"account": str(house.live.pk), "person": str(other.pk), "role": "trader"}


POSTS: dict[str, Callable[[House], tuple[str, dict[str, str]]]] = {
    "confirm_borrow in addition": _beside("borrow"),
    "confirm_repay in addition": _beside("repay"),
    "decide_instruction": _decide,
    "key_act allow-money": _key("allow-money"),
    "key_act borrow-again": _key("borrow-again"),
    "key_act enable": _enable,
    "key_act probe-expiry": _probe_expiry,
    "key_act release": _key("release"),
    "key_add": lambda house: ("/keys/add/", KEY),
    "key_mode": _key("mode", mode="shared"),
    "key_remove": _key("remove"),
    "key_replace": _key("replace", access_key="a2", secret="s2", memo="m2"),
    "share": _share,
    "site_act borrow-again": lambda house: ("/keys/all/borrow-again/", {}),
    "site_act release": lambda house: ("/keys/all/release/", {}),
    "team": _team,
}


def _accepts_posts(pattern: URLPattern) -> bool:
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.get(username="chief"))
    path = "/" + str(pattern.pattern)
    blank = "00000000-0000-0000-0000-000000000000"
    for kind, value in (("uuid", blank), ("int", "1"), ("slug", "x"), ("str", "x")):
        for name in ("pk", "uuid", "deed", "symbol"):
            path = path.replace(f"<{kind}:{name}>", value)
    return browser.post(path).status_code != 405


def test_every_address_that_takes_a_post_is_in_one_of_the_lists() -> None:
    House()
    found = {pattern.name for pattern in urls.urlpatterns if _accepts_posts(pattern)}

    assert found == {name.split()[0] for name in PROTECTED | WITHOUT}
    assert set(POSTS) == PROTECTED


@pytest.mark.parametrize("name", sorted(PROTECTED))
def test_it_wants_the_password_of_the_last_ten_minutes_and_does_nothing_without(name: str) -> None:
    house = House()
    path, fields = POSTS[name](house)
    before = house.state()
    let_time_pass(house.browser, seconds=601)

    answer = house.browser.post(path, fields)

    assert answer.status_code == 303
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=%2F")
    assert house.state() == before


@pytest.mark.parametrize("name", sorted(PROTECTED))
def test_with_it_the_same_post_goes_through(name: str) -> None:
    house = House()
    path, fields = POSTS[name](house)
    before = house.state()

    answer = house.browser.post(path, fields)

    assert answer.status_code == 303
    assert "reauthenticate" not in answer["Location"]
    assert house.state() != before


@pytest.mark.parametrize("deed", MAIL)
def test_an_address_of_mail_wants_it_too(deed: str) -> None:
    house, (email, after) = House(), MAIL[deed]
    mail = EmailAddress.objects
    mail.create(user=house.chief, email="chief@example.org", primary=True)
    mail.create(user=house.chief, email="other@example.org")
    before = list(mail.values_list("email", "primary"))
    fields = {f"action_{deed}": "", "email": email}

    asked = house.browser.post("/accounts/email/", fields)

    assert asked["Location"] == "/accounts/reauthenticate/?next=%2Faccounts%2Femail%2F"
    assert list(mail.values_list("email", "primary")) == before
    house.browser.post(asked.url, {"password": factories.PASSWORD})
    assert sorted(mail.values_list("email", flat=True)) == after
    assert mail.filter(email=email, primary=True).exists() == (deed == "primary")


def test_a_wrong_password_proves_nothing() -> None:
    house = House()
    path, fields = POSTS["site_act release"](house)
    let_time_pass(house.browser, seconds=601)
    asked = house.browser.post(path, fields)

    assert "Confirm that it is you" in house.browser.get(asked.url).content.decode()
    assert house.browser.post(asked.url, {"password": "wrong"}).status_code == 200
    assert house.browser.post(path, fields).url.startswith("/accounts/reauthenticate/")
