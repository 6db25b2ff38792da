"""A passkey in a browser: added, shown instead of the password, and alone for the sign-in."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in(page: Page) -> None:
    """Give the browser a device that holds passkeys and agrees to everything."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})


def press(page: Page, name: str) -> None:
    page.locator("main").get_by_role("button", name=name, exact=True).click()


def arrive(page: Page, path: str) -> None:
    """Wait until the page has this path; an address may end with another's in its query."""
    page.wait_for_url(lambda address: urlsplit(address).path == path)


def type_password(page: Page) -> None:
    page.fill("#id_login", "owner")
    page.fill("#id_password", PASSWORD)
    press(page, "Sign in")


def add_passkey(page: Page) -> None:
    """As a person who is signed in and has just shown the password."""
    page.goto("/accounts/reauthenticate/?next=/accounts/2fa/webauthn/add/")
    page.fill("#id_password", PASSWORD)
    press(page, "Confirm")
    page.check("#id_passwordless")
    press(page, "Add")
    expect(page.get_by_text("Passkey added.")).to_be_visible()


def test_a_passkey_is_added_and_then_proves_and_signs_in(open_page: OpenPage, owner: User) -> None:
    page = open_page("/accounts/login/")
    plug_in(page)
    type_password(page)
    arrive(page, "/")
    add_passkey(page)
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()

    page.goto("/accounts/2fa/webauthn/reauthenticate/?next=/settings/")
    press(page, "Use a passkey")
    arrive(page, "/settings/")

    page.goto("/accounts/logout/")
    press(page, "Sign out")
    type_password(page)
    arrive(page, "/accounts/2fa/authenticate/")
    press(page, "Use a passkey")
    arrive(page, "/")

    page.goto("/accounts/logout/")
    press(page, "Sign out")
    press(page, "Sign in with a passkey")
    arrive(page, "/")
