"""Signing in: guessing is cut off, and unknown names look like known ones."""

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from loans.models import AuditEvent
from tests.factories import PASSWORD, make_person
from tests.views.people import sign_in

KNOWN = settings.KNOWN_BROWSER_COOKIE_NAME
WRONG = "The user name or the password is not right."


def attempt(name: str, password: str, *, known: str = "") -> str:
    """What somebody is told who tries, in a browser with this proof that it is known."""
    fields = {"login": name, "password": password, "next": "/healthz"}
    browser = Client()
    browser.cookies[KNOWN] = known
    answer = browser.post("/accounts/login/", fields)
    return answer.content.decode() if answer.status_code == 200 else f"{answer.status_code}"


def test_guessing_a_password_is_cut_off_and_every_guess_is_written_down(owner: User) -> None:
    cache.clear()

    told = [attempt("owner", f"guess {number}") for number in range(8)]

    assert WRONG in told[0]
    assert "Too many wrong attempts" in told[-1]
    assert AuditEvent.objects.filter(action="sign_in_failed").count() <= 6
    assert "Too many wrong attempts" in attempt("owner", PASSWORD)


def test_a_name_that_nobody_has_is_refused_in_the_same_words(owner: User) -> None:
    cache.clear()

    assert WRONG in attempt("owner", "wrong")
    assert WRONG in attempt("nobody", "wrong")


def test_a_stranger_who_guesses_does_not_keep_a_person_out_of_a_browser_of_theirs(
    owner: User,
) -> None:
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True)
    own = sign_in(owner).cookies[KNOWN]
    others = sign_in(make_person(name="other")).cookies[KNOWN].value
    assert own["httponly"]
    for number in range(6):
        attempt("owner", f"guess {number}", known=others)

    assert "Too many wrong attempts" in attempt("owner", PASSWORD)
    assert "Too many wrong attempts" in attempt("owner", PASSWORD, known=others)
    assert "Too many wrong attempts" in attempt("owner", PASSWORD, known=own.value[:-1])
    assert attempt("owner", PASSWORD, known=own.value) == "302"
    assert attempt("OWNER@example.org", PASSWORD, known=own.value) == "302"


def test_an_address_that_is_not_proven_makes_no_browser_known_for_it(owner: User) -> None:
    thief = make_person(name="thief")
    EmailAddress.objects.create(user=thief, email=owner.email, primary=True)
    User.objects.filter(pk=thief.pk).update(email=owner.email)
    thief.refresh_from_db()
    known = sign_in(thief).cookies[KNOWN].value
    for number in range(6):
        attempt(owner.email, f"guess {number}")

    assert "Too many wrong attempts" in attempt(owner.email, "one more", known=known)


def test_guessing_is_cut_off_in_a_known_browser_too(owner: User) -> None:
    known = sign_in(owner).cookies[KNOWN].value

    told = [attempt("owner", f"guess {number}", known=known) for number in range(6)]

    assert WRONG in told[0]
    assert "Too many wrong attempts" in told[-1]


def test_what_is_posted_without_a_session_is_said_to_have_done_nothing(db: None) -> None:
    browser = Client()

    answer = browser.post("/borrow/confirm/", {"nonce": "any"}, follow=True)

    assert answer.request["PATH_INFO"] == "/accounts/login/"
    assert "nothing was done" in answer.text


def test_without_mail_nobody_is_promised_one(db: None) -> None:
    page = Client().get("/accounts/password/reset/").text

    assert "An administrator of your team can give you a new password" in page
    assert "<form" not in page
