"""Signing in as a person does, with the password, so that the session knows when that was."""

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from tests.factories import PASSWORD


def sign_in(person: User) -> Client:
    """A browser in which the person has just signed in."""
    cache.clear()  # or the limit on sign-ins counts those of every test
    client = Client()
    fields = {"login": person.get_username(), "password": PASSWORD, "next": "/healthz"}
    answer = client.post("/accounts/login/", fields)
    assert answer.status_code == 302, "the sign-in failed"
    return client


def let_time_pass(client: Client, *, seconds: int) -> None:
    """Make the session's proof of who it is older."""
    session = client.session
    records = session[AUTHENTICATION_METHODS_SESSION_KEY]
    for record in records:
        record["at"] -= seconds
    session[AUTHENTICATION_METHODS_SESSION_KEY] = records
    session.save()
