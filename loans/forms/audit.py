"""The filter of the audit page. Times are read in the person's zone."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils import timezone

from loans.models import Account
from loans.services.audit import ACTIONS
from loans.services.audit_list import Wanted
from loans.services.filters import Unreadable, read_date


class _OneOf(forms.ModelChoiceField):
    """A row by its key, or all; what is no key at all is answered like one that is not there."""

    def __init__(self, model: type[Model], *, what: str, everything: str) -> None:
        words = f"There is no such {what} here; this field is left out."
        super().__init__(
            model.objects.none(),
            required=False,
            empty_label=everything,
            error_messages={"invalid_choice": words},
        )

    def to_python(self, value: Any) -> Any:
        """The row. Raises: ValidationError."""
        try:
            return super().to_python(value)
        except ValidationError:
            raise ValidationError(self.error_messages["invalid_choice"]) from None


class _Day(forms.DateField):
    """A day, read as in the filters of the history."""

    widget = forms.DateInput(attrs={"type": "date"})

    def to_python(self, value: Any) -> date | None:
        """The day. Raises: ValidationError."""
        if value in self.empty_values:
            return None
        try:
            return read_date(str(value))
        except Unreadable as exc:
            raise ValidationError(str(exc)) from None


class AuditFilterForm(forms.Form):
    """Everything optional; `to` is a whole day that is included."""

    account = _OneOf(Account, what="account", everything="All accounts")
    action = forms.ChoiceField(
        required=False,
        choices=[("", "Everything"), *sorted(ACTIONS.items(), key=lambda a: a[1])],
        error_messages={"invalid_choice": "There is no such action here; this field is left out."},
    )
    person = _OneOf(User, what="person", everything="Everybody")
    to = _Day(required=False, label="To")
    after = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    field_order = ("account", "action", "person", "from", "to")

    def __init__(
        self, *args: Any, accounts: QuerySet[Account], people: QuerySet[User], **kwargs: Any
    ) -> None:
        """Offer only accounts and people whose events the person may see."""
        self.base_fields["from"] = _Day(required=False, label="From")
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
