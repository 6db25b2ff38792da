"""Passwords, sessions, and what an administrator must prove before changing people."""

from collections.abc import Callable
from importlib import import_module

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client

from loans.models import AuditEvent
from loans.views.sign_in import SealedFactors
from tests.factories import PASSWORD
from tests.views.people import let_time_pass, sign_in

pytestmark = pytest.mark.django_db
NEW = "another horse battery"
SECRET = "JBSWY3DPEHPK3PXP"
UNREADABLE = "Your second factor cannot be read any more. Ask an administrator to remove it."


@pytest.fixture
def chief() -> User:
    """An administrator."""
    return User.objects.create_superuser("chief", "chief@example.org", PASSWORD)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/auth/user/{pk}/change/",
        "/admin/auth/user/{pk}/password/",
        "/admin/auth/user/add/",
        "/admin/auth/group/add/",
        "/admin/mfa/authenticator/1/delete/",
    ],
)
def test_people_are_changed_only_by_an_administrator_who_proved_it_lately(
    chief: User, owner: User, path: str
) -> None:
    browser = sign_in(chief)
    path = path.format(pk=owner.pk)
    assert "reauthenticate" not in browser.post(path, {}).get("Location", "")
    let_time_pass(browser, seconds=601)

    answer = browser.post(path, {"username": "owner", "is_superuser": "on"})

    assert answer.status_code == 303
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=%2Fadmin%2F")
    owner.refresh_from_db()
    assert not owner.is_superuser


def test_the_proof_is_asked_below_any_prefix(chief: User, owner: User) -> None:
    browser = sign_in(chief)
    let_time_pass(browser, seconds=601)
    path, fields = f"/admin/auth/user/{owner.pk}/change/", {"is_superuser": "on"}

    assert browser.post(path, fields, SCRIPT_NAME="/below").status_code == 303
    assert browser.get("/admin/auth/user/add/", SCRIPT_NAME="/below").status_code == 303


def test_the_proof_is_asked_before_a_password_is_typed(chief: User, owner: User) -> None:
    browser = sign_in(chief)
    let_time_pass(browser, seconds=601)

    assert browser.get(f"/admin/auth/user/{owner.pk}/password/").status_code == 303
    assert browser.get(f"/admin/auth/user/{owner.pk}/change/").status_code == 200


def test_holding_back_never_waits_for_a_proof(chief: User) -> None:
    browser = sign_in(chief)
    let_time_pass(browser, seconds=601)

    assert browser.post("/keys/all/stop/")["Location"] == "/keys/"


def change(browser: Client, new: str) -> None:
    fields = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    browser.post("/accounts/password/change/", fields)


@pytest.mark.parametrize("weak", ["short", "password1234", "123456789012", "owner@example"])
def test_a_weak_password_is_not_taken(owner: User, weak: str) -> None:
    change(sign_in(owner), weak)

    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)


def test_a_changed_password_ends_the_other_sessions_and_is_written_down(owner: User) -> None:
    elsewhere, here = sign_in(owner), sign_in(owner)

    change(here, NEW)

    assert here.get("/settings/").status_code == 200
    assert elsewhere.get("/settings/").status_code == 302
    event = AuditEvent.objects.get(action="password_changed")
    assert (event.actor, event.facts) == (owner, {})


def test_an_administrators_password_is_changed_in_the_same_place(chief: User) -> None:
    browser = sign_in(chief)
    path = "/admin/password_change/"
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    assert browser.get(path)["Location"] == "/accounts/password/change/"
    assert browser.post(path, fields)["Location"] == "/accounts/password/change/"

    chief.refresh_from_db()
    assert chief.check_password(PASSWORD)


def test_a_signed_out_or_deactivated_person_has_no_session(owner: User) -> None:
    browser, other = sign_in(owner), sign_in(owner)
    cookie = browser.cookies["sessionid"].value
    browser.post("/accounts/logout/")
    browser.cookies["sessionid"] = cookie
    assert browser.get("/settings/").status_code == 302

    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert other.get("/settings/").status_code == 302


def test_a_reset_by_command_is_in_the_audit_trail(chief: User) -> None:
    call_command("reset_admin_password")

    event = AuditEvent.objects.get(action="password_reset")
    assert event.facts == {"username": "chief"}


@pytest.fixture
def careful(owner: User) -> User:
    """A person with an authenticator app and recovery codes."""
    TOTP.activate(owner, SECRET)
    RecoveryCodes.activate(owner)
    return owner


def code_of_now(secret: str = SECRET) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def recovery_codes(person: User) -> list[str]:
    factor = Authenticator.objects.get(user=person, type=Authenticator.Type.RECOVERY_CODES)
    return factor.wrap().get_unused_codes()


def at_home(person: User) -> Client:
    """A browser in which the person is signed in."""
    browser = Client()
    browser.force_login(person)
    return browser


def confirm(browser: Client, code: str) -> HttpResponse:
    return browser.post("/accounts/2fa/reauthenticate/", {"code": code})


def test_a_recovery_code_proves_nothing_and_is_not_used_up(careful: User) -> None:
    browser, codes = at_home(careful), recovery_codes(careful)

    answer = confirm(browser, codes[0])

    assert "A recovery code only signs you in" in answer.text
    assert recovery_codes(careful) == codes


def test_a_recovery_code_lets_in_whoever_lost_the_app_once(careful: User) -> None:
    code = recovery_codes(careful)[0]

    for expected in ("/healthz", None):  # where the sign-in leads
        browser = sign_in(careful)
        answer = browser.post("/accounts/2fa/authenticate/", {"code": code})
        assert answer.get("Location") == expected


def test_a_code_proves_who_somebody_is_only_once(careful: User) -> None:
    browser, code = at_home(careful), code_of_now()

    assert confirm(browser, code).status_code == 302
    again = confirm(browser, code)

    assert again.status_code == 200
    assert "Incorrect code" in again.text


def cells_of_factors() -> str:
    """What the database keeps of second factors."""
    return str(list(Authenticator.objects.values_list("data", flat=True)))


def test_a_copy_of_the_database_holds_no_second_factor(careful: User) -> None:
    seed = Authenticator.objects.get(type="recovery_codes").wrap()
    opened = SealedFactors().decrypt(seed.instance.data["seed"])

    assert SECRET not in cells_of_factors()
    assert opened not in cells_of_factors()
    assert len(opened) == 80


def test_a_second_factor_of_an_older_version_works_and_is_sealed_by_the_upgrade(
    owner: User,
) -> None:
    secret = "KRSXG5CTMVRXEZLU"
    factor = Authenticator.objects.create(user=owner, type="totp", data={"secret": secret})
    passkey = Authenticator.objects.create(user=owner, type="webauthn", data={"name": "Key"})
    assert confirm(at_home(owner), code_of_now(secret)).status_code == 302
    upgrade = import_module("loans.migrations.0018_sealed_second_factors")

    for _ in range(2):  # once more changes nothing
        upgrade.seal(apps, None)
        assert secret not in cells_of_factors()
        factor.refresh_from_db()
        assert SealedFactors().decrypt(factor.data["secret"]) == secret
    upgrade.reveal(apps, None)

    factor.refresh_from_db()
    passkey.refresh_from_db()
    assert (factor.data, passkey.data) == ({"secret": secret}, {"name": "Key"})


def spoil(kind: str) -> None:
    """Alter what a factor keeps, so that it does not open."""
    factor = Authenticator.objects.get(type=kind)
    [name] = {"secret", "seed"} & factor.data.keys()
    factor.data[name] = factor.data[name][:-4] + "AAAA"
    factor.save()


def sign_in_with(person: User, code: str) -> HttpResponse:
    return sign_in(person).post("/accounts/2fa/authenticate/", {"code": code})


def test_a_second_factor_that_does_not_open_stands_in_the_way_of_no_other(careful: User) -> None:
    codes = recovery_codes(careful)
    spoil("totp")
    assert "Incorrect code" in sign_in_with(careful, code_of_now()).text
    assert sign_in_with(careful, codes[0])["Location"] == "/healthz"
    assert "Incorrect code" in confirm(at_home(careful), code_of_now()).text

    spoil("recovery_codes")
    for refused in (sign_in_with(careful, codes[1]), confirm(at_home(careful), code_of_now())):
        assert refused.status_code == 200
        assert UNREADABLE in refused.text


def test_recovery_codes_that_do_not_open_are_not_shown(careful: User) -> None:
    spoil("recovery_codes")
    browser = at_home(careful)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})

    answer = browser.get("/accounts/2fa/recovery-codes/")

    assert answer.status_code == 403
    assert UNREADABLE in answer.text


def test_second_factors_that_come_and_go_are_in_the_audit_trail(
    owner: User, django_capture_on_commit_callbacks: Callable
) -> None:
    browser = sign_in(owner)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = browser.get("/accounts/2fa/totp/activate/").context["form"].secret

    for path, fields in (
        ("totp/activate/", {"code": code_of_now(secret)}),
        ("recovery-codes/generate/", {}),
        ("totp/deactivate/", {}),
    ):
        with django_capture_on_commit_callbacks(execute=True):
            browser.post(f"/accounts/2fa/{path}", fields)

    told = AuditEvent.objects.filter(action__startswith="second_factor").order_by("pk")
    assert {event.facts["person"] for event in told} == {str(owner)}
    assert [(event.action, event.facts["kind"], event.actor) for event in told] == [
        ("second_factor_added", "totp", owner),
        ("second_factor_added", "recovery_codes", owner),
        ("second_factor_renewed", "recovery_codes", owner),
        ("second_factor_removed", "totp", owner),
        ("second_factor_removed", "recovery_codes", owner),
    ]
    assert secret not in str(list(AuditEvent.objects.values_list("facts", flat=True)))


def test_addresses_of_mail_that_come_and_go_are_in_the_audit_trail(owner: User) -> None:
    browser = sign_in(owner)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for deed, email in (
        ("add", "new@example.org"),
        ("primary", "new@example.org"),
        ("remove", "owner@example.org"),
    ):
        browser.post("/accounts/email/", {f"action_{deed}": "", "email": email})
    link = EmailConfirmationHMAC(EmailAddress.objects.get()).key
    Client().post(f"/accounts/confirm-email/{link}/")

    told = AuditEvent.objects.filter(action__startswith="email").order_by("pk")
    assert {event.facts["person"] for event in told} == {str(owner)}
    assert [(event.action, event.facts["email"], event.actor) for event in told] == [
        ("email_added", "new@example.org", owner),
        ("email_changed", "new@example.org", owner),
        ("email_removed", "owner@example.org", owner),
        ("email_confirmed", "new@example.org", None),
    ]
