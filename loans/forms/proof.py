"""The code with which a person who is signed in confirms who they are."""

from allauth.mfa import app_settings
from allauth.mfa.base.forms import ReauthenticateForm
from django import forms


class CodeForm(ReauthenticateForm):
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
