"""The filter of the audit page. Times are read in the person's zone."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.utils import timezone

from loans.models import Account
from loans.services.audit import ACTIONS
from loans.services.audit_list import Wanted
from loans.services.filters import EARLIEST_YEAR, LATEST_YEAR

_YEAR_WORDS = f"Choose a year from {EARLIEST_YEAR} to {LATEST_YEAR}."
_YEARS = (
    MinValueValidator(date(EARLIEST_YEAR, 1, 1), _YEAR_WORDS),
    MaxValueValidator(date(LATEST_YEAR, 12, 31), _YEAR_WORDS),
)
_DATE = forms.DateInput(attrs={"type": "date"})
_NO_DATE = {"invalid": "There is no such day. Write a date as 2026-11-30."}


def _unknown(what: str) -> dict[str, str]:
    return {"invalid_choice": f"There is no such {what} here; this field is left out."}


class _OneOf(forms.ModelChoiceField):
    """A row by its key; what is no key at all is answered like one that is not there."""

    def to_python(self, value: Any) -> Any:
        """The row. Raises: ValidationError."""
        try:
            return super().to_python(value)
        except ValidationError:
            raise ValidationError(self.error_messages["invalid_choice"]) from None


class AuditFilterForm(forms.Form):
    """Everything optional; `to` is a whole day that is included."""

    account = _OneOf(
        queryset=Account.objects.none(),
        required=False,
        empty_label="All accounts",
        error_messages=_unknown("account"),
    )
    action = forms.ChoiceField(
        required=False,
        choices=[("", "Everything"), *sorted(ACTIONS.items(), key=lambda a: a[1])],
        error_messages=_unknown("action"),
    )
    person = _OneOf(
        queryset=User.objects.none(),
        required=False,
        empty_label="Everybody",
        error_messages=_unknown("person"),
    )
    to = forms.DateField(
        required=False, label="To", widget=_DATE, validators=_YEARS, error_messages=_NO_DATE
    )
    after = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    field_order = ("account", "action", "person", "from", "to")

    def __init__(
        self, *args: Any, accounts: QuerySet[Account], people: QuerySet[User], **kwargs: Any
    ) -> None:
        """Offer only accounts and people whose events the person may see."""
        self.base_fields["from"] = forms.DateField(
            required=False, label="From", widget=_DATE, validators=_YEARS, error_messages=_NO_DATE
        )
        super().__init__(*args, **kwargs)
        self.fields["account"].queryset = accounts
        self.fields["person"].queryset = people

    def clean(self) -> dict[str, Any]:
        """The end is not before the beginning."""
        fields = super().clean()
        since, until = fields.get("from"), fields.get("to")
        if since and until and until < since:
            self.add_error("to", "This is before the beginning; nothing lies between.")
        return fields

    def wanted(self) -> Wanted:
        """What was asked for; a field that makes no sense is left out (and marked)."""
        self.is_valid()
        fields = self.cleaned_data
        account, person, until = fields.get("account"), fields.get("person"), fields.get("to")
        since = fields.get("from")
        return Wanted(
            account=account.pk if account else None,
            action=fields.get("action", ""),
            person=person.pk if person else None,
            starts_at=_start(since) if since else None,
            ends_at=_start(until + timedelta(days=1)) if until else None,
            before_id=fields.get("after"),
        )


def _start(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
