"""Forms for exchange keys. What was typed as a key is never written into a page again."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from loans.bitmart.secret import Credentials
from loans.forms.texts import refuse_hidden
from loans.models import Account, Venue

KEY_LENGTH = 200
MEMO_LENGTH = 128


class OnceInput(forms.TextInput):
    """A text field that forgets what was typed when the form comes back."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """As for any field, without its value."""
        return super().get_context(name, None, attrs)


def _hidden_text(**fields: Any) -> forms.CharField:
    """A field for a secret: dots on the screen, kept by no password manager, shown never."""
    attributes = {"autocomplete": "new-password", "spellcheck": "false", "autocapitalize": "off"}
    return forms.CharField(
        max_length=KEY_LENGTH,
        widget=forms.PasswordInput(attrs=attributes, render_value=False),
        **fields,
    )


class CredentialsForm(forms.Form):
    """The three texts of a key."""

    access_key = _hidden_text(label="Access key")
    secret = _hidden_text(label="Secret key")
    memo = forms.CharField(
        required=False,
        max_length=MEMO_LENGTH,
        strip=False,
        widget=OnceInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The name you typed when you made the key. It is not your account id; capitals "
        "matter.",
    )

    def clean(self) -> dict[str, Any]:
        """Make credentials of the three texts, which go no further, or say what is wrong."""
        fields = super().clean() or {}
        if self.errors:
            return fields
        try:
            fields["credentials"] = Credentials.of(
                fields.pop("access_key"), fields.pop("secret"), fields.pop("memo", "")
            )
        except ValueError as exc:
            text = "This has characters that no key has. Copy it again, without spaces."
            raise ValidationError({"access_key": text}) from exc
        return fields


class LabelForm(forms.Form):
    """What an account is called here."""

    label = forms.CharField(
        label="Name",
        max_length=60,
        validators=[refuse_hidden],
        help_text="As you and your colleagues will know it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class AddKeyForm(CredentialsForm, LabelForm):
    """A key that a person has: from the exchange, or from a paper exchange."""

    venue = forms.ChoiceField(
        label="Exchange",
        choices=Venue.choices,
        # The page of the other one says what moves real money, and asks first who is there.
        widget=forms.Select(attrs={"data-anew": "label"}),
    )
    allow_money = forms.BooleanField(
        label="Allow borrowing and repaying with this key, with real money",
        required=False,
        help_text="Without it the key only reads. You can allow it later. Paper keys need no "
        "permission.",
    )

    field_order = ("venue", "label", "access_key", "secret", "memo", "allow_money")


class ModeForm(forms.Form):
    """Whether anything else moves money on the exchange account."""

    mode = forms.ChoiceField(choices=Account.Mode.choices, widget=forms.RadioSelect)
