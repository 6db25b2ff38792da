"""Signing in: guessing is cut off, and unknown names look like known ones."""

from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from loans.models import AuditEvent
from tests.factories import PASSWORD

WRONG = "The user name or the password is not right."


def attempt(name: str, password: str) -> str:
    """What somebody is told who tries."""
    fields = {"login": name, "password": password, "next": "/healthz"}
    answer = Client().post("/accounts/login/", fields)
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
