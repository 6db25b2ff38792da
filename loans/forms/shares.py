"""Forms for sharing accounts, and for how a person wants to see times."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet

from loans.models import Account
from loans.services.shares import OFFERED


class ShareForm(forms.Form):
    """Which account, with whom, as what."""

    account = forms.ModelChoiceField(queryset=Account.objects.none(), empty_label=None)
    person = forms.ModelChoiceField(
        label="Colleague", queryset=User.objects.none(), empty_label="Choose a colleague"
    )
    role = forms.ChoiceField(
        label="As", choices=[(str(role), words) for role, words in OFFERED.items()]
    )

    def __init__(
        self,
        *args: Any,
        accounts: QuerySet[Account],
        colleagues: QuerySet[User],
        **kwargs: Any,
    ) -> None:
        """Offer only accounts that the person runs, and colleagues who can sign in."""
        super().__init__(*args, **kwargs)
        self.fields["account"].queryset = accounts
        self.fields["person"].queryset = colleagues


class RoleForm(forms.Form):
    """Another role for a share that stands."""

    role = forms.ChoiceField(choices=[(str(role), words) for role, words in OFFERED.items()])


@cache
def zones() -> list[tuple[str, str]]:
    """Every time zone by its name, UTC first."""
    names = sorted(name for name in available_timezones() if "/" in name)
    named = [name for name in names if not name.startswith(("Etc/", "SystemV/", "posix/"))]
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in named)]


class PreferenceForm(forms.Form):
    """In which zone a person sees times. Stored times and exports are UTC whatever it is."""

    time_zone = forms.ChoiceField(label="Time zone", choices=zones)
