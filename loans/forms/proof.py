"""The code with which a person proves who they are: while signing in, or being signed in."""

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django import forms
from django.core.exceptions import PermissionDenied


class Unreadable(PermissionDenied):
    """A second factor whose secret does not open; the text is a sentence for its owner."""

    def __init__(self) -> None:
        super().__init__(
            "Your second factor cannot be read any more. Ask an administrator to remove it."
        )


class _ReadableCode(BaseAuthenticateForm):
    """A code of any factor that can be read: one that cannot stands in the way of no other."""

    def clean_code(self) -> str:
        """The code, if it is right."""
        try:
            return super().clean_code()
        except Unreadable as exc:
            return self._by_another(str(exc))

    def _by_another(self, sentence: str) -> str:
        code, is_tried = self.cleaned_data["code"], False
        with_codes = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN)
        for factor in with_codes.filter(user=self.user):
            try:
                is_right = factor.wrap().validate_code(code)
            except Unreadable:
                continue
            if is_right:
                self.authenticator = factor
                return code
            is_tried = True
            self._emit_authentication_failed(factor)
        if is_tried:
            raise get_adapter().validation_error("incorrect_code")
        raise forms.ValidationError(sentence)


class SignInForm(_ReadableCode, AuthenticateForm):
    """A code of an authenticator app, or a recovery code."""


class CodeForm(_ReadableCode, ReauthenticateForm):
    """A code of an authenticator app. Recovery codes, which are longer, lie on paper: they let a
    person in who lost the app, but prove nothing more, and none is used up here.
    """

    def clean_code(self) -> str:
        """The code, if it is right."""
        code = "".join(self.cleaned_data["code"].split())
        if len(code) > app_settings.TOTP_DIGITS:
            raise forms.ValidationError(
                "A recovery code only signs you in. Enter a code of your authenticator app, or "
                "confirm with your password."
            )
        return super().clean_code()
