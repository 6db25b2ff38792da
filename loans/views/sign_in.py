"""How people get in: accounts are made by an administrator, nobody signs up alone.

Wrong passwords are counted by the name that is typed; those of a browser in which that person has
signed in before are counted apart. So a stranger who knows a name slows down nobody but strangers.
"""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_added, email_changed, email_confirmed, email_removed
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_safe

from loans import venues
from loans.forms.proof import Unreadable
from loans.services import audit, second_factors
from loans.vault import VaultError

WRONG = "The user name or the password is not right."
KNOWN_FOR_SECONDS = 180 * 24 * 3600
_SALT = "known-browser"


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

    def post_login(self, request: HttpRequest, user: User, **how: Any) -> HttpResponse:
        """Let the browser show from now on that this person has signed in with it: under the user
        name, or an address that is proven to be theirs. Anybody can type in somebody else's.
        """
        response = super().post_login(request, user, **how)
        proven = EmailAddress.objects.filter(user=user, verified=True)
        names = {name.lower() for name in proven.values_list("email", flat=True)}
        names = sorted(names | {user.get_username().lower()})
        response.set_cookie(
            settings.KNOWN_BROWSER_COOKIE_NAME,
            signing.dumps([get_random_string(16), *names], salt=_SALT),
            max_age=KNOWN_FOR_SECONDS,
            secure=settings.HTTPS,
            httponly=True,
            samesite="Lax",
        )
        return response

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

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What wrong passwords are counted by; allauth's own hook for it."""
        key = super()._get_login_attempts_cache_key(request, **credentials)
        told = request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, "")
        try:
            browser, *names = signing.loads(told, salt=_SALT, max_age=KNOWN_FOR_SECONDS)
        except signing.BadSignature:
            return key
        typed = credentials.get("email") or credentials.get("username") or ""
        return f"{key}:{browser}" if typed.lower() in names else key


class SealedFactors(DefaultMFAAdapter):
    """What second factors keep secret is sealed, and they have one name each; everything else is as
    allauth does it.
    """

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_generate_recovery_codes": "Set up an authenticator app or a passkey first.",
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """What a new one is called until its owner says otherwise."""
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {count + 1}"

    def encrypt(self, text: str) -> str:
        """Seal what is about to be stored."""
        return second_factors.seal(text, keyring=venues.keyring())

    def decrypt(self, encrypted_text: str) -> str:
        """Open what is stored. Raises: Unreadable."""
        try:
            return second_factors.reveal(encrypted_text, keyring=venues.keyring())
        except VaultError as exc:
            raise Unreadable from exc


# Real money depends on second factors, so each that comes or goes is written down.
@receiver(authenticator_added)
def _added(*, request: HttpRequest, authenticator: Authenticator, **_: Any) -> None:
    _write_down(
        "second_factor_added", request, request.user, **second_factors.facts_of(authenticator)
    )


@receiver(authenticator_removed)
def _removed(*, request: HttpRequest, authenticator: Authenticator, **_: Any) -> None:
    _write_down(
        "second_factor_removed", request, request.user, **second_factors.facts_of(authenticator)
    )


@receiver(authenticator_reset)
def _renewed(*, request: HttpRequest, authenticator: Authenticator, **_: Any) -> None:
    _write_down(
        "second_factor_renewed", request, request.user, **second_factors.facts_of(authenticator)
    )


# Whoever reads a person's mail can have a new password sent.
@receiver(email_added)
def _address_added(*, request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    _write_down_address("email_added", request, email_address)


@receiver(email_confirmed)
def _address_confirmed(*, request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    _write_down_address("email_confirmed", request, email_address)


@receiver(email_changed)
def _address_changed(*, request: HttpRequest, to_email_address: EmailAddress, **_: Any) -> None:
    _write_down_address("email_changed", request, to_email_address)


@receiver(email_removed)
def _address_removed(*, request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    _write_down_address("email_removed", request, email_address)


def _write_down_address(action: str, request: HttpRequest, found: EmailAddress) -> None:
    """A link in a mail may be followed where nobody is signed in."""
    actor = request.user if request.user.is_authenticated else None
    _write_down(action, request, actor, person=str(found.user), email=found.email)


def _write_down(action: str, request: HttpRequest, actor: User | None, **facts: str) -> None:
    address = request.META.get("REMOTE_ADDR")
    audit.record(action=action, actor=actor, now=timezone.now(), address=address, **facts)


@login_not_required
@require_safe
def without_mail(request: HttpRequest) -> HttpResponse:
    """Whom to ask for a new password, where the site sends no mail."""
    return render(request, "account/password_reset_without_mail.html")
