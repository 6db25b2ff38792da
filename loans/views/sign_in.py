"""How people get in: accounts are made by an administrator, nobody signs up alone."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from loans.services import audit

WRONG = "The user name or the password is not right."


class ClosedSignup(DefaultAccountAdapter):
    """Sign-up is closed; everything else is as allauth does it."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": WRONG,
        "email_password_mismatch": WRONG,
        "too_many_login_attempts": "Too many wrong attempts. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up alone."""
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in, and write down who did and from where."""
        super().login(request, user)
        _write_down("signed_in", request, user)

    def set_password(self, user: User, password: str) -> None:
        """Keep it, and write down whose it was: a stranger's change must not go unseen."""
        super().set_password(user, password)
        _write_down("password_changed", self.request, user)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Write down that somebody failed, without the name: it is where passwords get typed."""
        super().authentication_failed(request, **credentials)
        _write_down("sign_in_failed", request, None)


def _write_down(action: str, request: HttpRequest, person: User | None) -> None:
    address = request.META.get("REMOTE_ADDR")
    audit.record(action=action, actor=person, now=timezone.now(), address=address)
