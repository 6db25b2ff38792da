"""The pages about one's own sign-in: sessions, password and second factor, in the house's words."""

import re
from html import escape

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from tests.factories import PASSWORD
from tests.views.people import sign_in

LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/131.0 Safari/537.36"
ODD = "Odd/1.0 <b>&"
# What allauth's own pages say.
FOREIGN = re.compile(
    r"two-factor|security key|authenticator app is not active|master key|username|"
    r"(Change|Current|New|Set|Your) Password|Authenticator App|Recovery Codes|Sign (Out|In)\b|"
    r"Started At|IP Address|Passwordless|Alternative options|Confirm Access"
)
NOBODY = ("/accounts/login/",)
PROVED = (
    "/accounts/sessions/",
    "/accounts/password/change/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/add/",
)
WITH_FACTORS = (
    "/accounts/2fa/",
    "/accounts/2fa/reauthenticate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/keys/{key}/edit/",
    "/accounts/2fa/webauthn/keys/{key}/remove/",
)


def proved(person: User) -> Client:
    """A browser in which the person has just shown the password once more."""
    browser = sign_in(person)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": "/healthz"})
    return browser


def give_codes(person: User) -> None:
    """An authenticator app and recovery codes."""
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(person)


def assert_house_words(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    assert "no-store" in answer["Cache-Control"], path
    page = answer.text
    said = strip_tags(page[page.index("<title>") :])
    assert not FOREIGN.search(said), (path, FOREIGN.search(said))
    assert "placeholder=" not in page, path
    for form in re.findall(r'<form[^>]*method="post".*?</form>', page, flags=re.DOTALL):
        assert "csrfmiddlewaretoken" in form, path
    return page


def test_every_page_says_the_same_thing_by_the_same_name(owner: User) -> None:
    for path in NOBODY:
        assert_house_words(Client(), path)
    browser = proved(owner)
    pages = {path: assert_house_words(browser, path) for path in PROVED}
    assert_house_words(browser, "/accounts/2fa/totp/activate/")

    assert "<h1>Second factor</h1>" in pages["/accounts/2fa/"]
    assert "<h1>Passkeys</h1>" in pages["/accounts/2fa/webauthn/"]
    assert 'value="Passkey 1"' in pages["/accounts/2fa/webauthn/add/"]
    assert not [path for path, page in pages.items() if "Forgot your password?" in page]


def test_pages_of_whoever_has_second_factors_do_so_too(owner: User) -> None:
    browser = proved(owner)
    give_codes(owner)
    data = {"name": "Laptop", "credential": {}}
    passkey = Authenticator.objects.create(user=owner, type="webauthn", data=data)

    pages = [assert_house_words(browser, path.format(key=passkey.pk)) for path in WITH_FACTORS]

    assert "10 of 10 left" in pages[0]
    assert "Use a passkey" in pages[1]


def test_the_second_factor_is_asked_for_in_house_words(owner: User) -> None:
    give_codes(owner)
    browser = sign_in(owner)

    page = assert_house_words(browser, "/accounts/2fa/authenticate/")

    assert "<h1>Second factor</h1>" in page
    assert 'name="code"' in page
    assert 'name="credential"' in page
    assert 'data-allauth="webauthn.authenticateForm"' in page


def test_the_sign_in_page_keeps_its_fields_and_says_whom_to_ask(db: None) -> None:
    page = Client().get("/accounts/login/").text

    assert 'name="login"' in page
    assert 'name="password"' in page
    assert '<a href="/accounts/password/reset/">Forgot your password?</a>' in page


def test_the_rules_of_a_password_stand_within_their_hint(owner: User) -> None:
    page = proved(owner).get("/accounts/password/change/").text

    hint = re.search(r'<div class="hint" id="id_password1_helptext">(.*?)</div>', page, re.DOTALL)
    assert hint
    assert "at least 12 characters" in hint[1]
    assert '<form class="form card"' in page
    assert page.count('name="oldpassword"') == 1


def test_whoever_has_no_password_yet_sets_one(owner: User) -> None:
    browser = proved(owner)
    owner.set_unusable_password()
    owner.save()
    browser.force_login(owner)

    page = assert_house_words(browser, "/accounts/password/set/")

    assert "<h1>Set password</h1>" in page
    assert '<form class="form card"' in page


def use(person: User, user_agent: str) -> Client:
    """A browser of this name in which the person is signed in."""
    browser = Client(headers={"user-agent": user_agent})
    browser.force_login(person)
    browser.get("/settings/")
    return browser


def rows_of(page: str) -> list[str]:
    return re.findall(r"<tr>(.*?)</tr>", page[page.index("<tbody>") :], flags=re.DOTALL)


def test_a_session_tells_its_device_its_address_and_its_instants(owner: User) -> None:
    use(owner, ODD)
    browser = use(owner, LINUX)

    page = browser.get("/accounts/sessions/").text

    odd, own = rows_of(page)
    assert f'title="{LINUX}">Chrome on Linux</span>' in own
    assert "this one" in own
    assert "127.0.0.1" in own
    session = UserSession.objects.get(user_agent=LINUX)
    assert f'datetime="{session.created_at:%Y-%m-%dT%H:%M:%S}' in own
    assert f'datetime="{session.last_seen_at:%Y-%m-%dT%H:%M:%S}' in own
    assert f'title="{escape(ODD)}">{escape(ODD)}</span>' in odd
    assert "this one" not in odd
    assert page.count('<th scope="col"') == own.count("<td") + own.count("<th")


def test_one_button_ends_every_session_but_this(owner: User) -> None:
    other, browser = use(owner, ODD), use(owner, LINUX)
    assert ">Sign out everywhere else</button>" in browser.get("/accounts/sessions/").text

    page = browser.post("/accounts/sessions/", follow=True).text

    assert "Signed out everywhere else." in page
    assert "You are signed in nowhere else." in page
    assert ">Sign out everywhere else</button>" not in page
    assert other.get("/settings/").status_code == 302
    assert browser.get("/settings/").status_code == 200
