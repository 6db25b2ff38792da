"""What a person asks the rate pages for, read from the URL: shape and range only."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from loans import formatting
from loans.models import Account, Side
from loans.services.rates import SORTS, Wanted, currencies_of

MAX_HOURS = 8784
HOURS_WORDS = f"Write whole hours, from 1 to {MAX_HOURS:,}."
ROWS = 50
MAX_ROWS = 500
SORT_CHOICES = [(f"{sign}{name}", name) for name in (*SORTS, "change") for sign in ("", "-")]
AMOUNT_SHAPE = RegexValidator(
    r"^\d{1,12}(\.\d{1,8})?$",
    "Write a plain number without commas, like 1000 or 0.5: at most 12 digits before the point and "
    "8 behind it.",
)


class RatesForm(forms.Form):
    """The filter row as typed. Anything left out means all."""

    q = forms.CharField(label="Search", required=False, max_length=60, widget=forms.SearchInput)
    currency = forms.ChoiceField(required=False)
    side = forms.ChoiceField(required=False, choices=[("", "Both"), *Side.choices])
    account = forms.ChoiceField(label="Borrowable by", required=False)
    amount = forms.CharField(label="Cost of", required=False, validators=[AMOUNT_SHAPE])
    hours = forms.IntegerField(
        label="Hours",
        required=False,
        min_value=1,
        max_value=MAX_HOURS,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), HOURS_WORDS),
    )
    enabled = forms.BooleanField(label="Enabled only", required=False)
    borrowable = forms.BooleanField(label="Borrowable now", required=False)
    sort = forms.ChoiceField(required=False, choices=[("", ""), *SORT_CHOICES])
    by = forms.ChoiceField(required=False, choices=[("", ""), ("pair", ""), ("currency", "")])
    rows = forms.IntegerField(required=False, min_value=1)
    after = forms.CharField(required=False, max_length=64)

    def __init__(self, *args: object, venue: str, accounts: Sequence[Account]) -> None:
        super().__init__(*args, label_suffix="")
        names = currencies_of(venue)
        self.fields["currency"].choices = [("", "All"), *((name, name) for name in names)]
        self.fields["account"].choices = [(str(a.pk), a.label) for a in accounts]
        self.fields["q"].widget.attrs |= {"autocomplete": "off"}
        self.fields["amount"].widget.attrs |= {"inputmode": "decimal", "class": "short"}
        self.fields["hours"].widget.attrs |= {"class": "short"}


class RatesQuery:
    """What was asked for; a field that was mistyped counts as left out, and its error is shown."""

    def __init__(
        self, fields: Mapping[str, str], *, venue: str, accounts: Sequence[Account]
    ) -> None:
        self.form = RatesForm(fields, venue=venue, accounts=accounts)
        self.venue = venue
        self.accounts = {str(account.pk): account for account in accounts}
        self.form.is_valid()

    def asked(self, name: str) -> Any:
        """A field's cleaned value; None if it was mistyped."""
        return self.form.cleaned_data.get(name)

    @property
    def figures(self) -> list[forms.BoundField]:
        """The fields that are typed as numbers."""
        return [self.form["amount"], self.form["hours"]]

    @property
    def wanted(self) -> Wanted:
        """Which offers to show."""
        return Wanted(
            venue=self.venue,
            words=self.asked("q") or "",
            currency=self.asked("currency") or "",
            side=self.asked("side") or "",
            enabled_only=bool(self.asked("enabled")),
            borrowable_only=bool(self.asked("borrowable")),
        )

    @property
    def currency_options(self) -> SafeString:
        """The choices of the currency field, built at once: a venue has up to a thousand."""
        chosen = self.asked("currency") or ""
        choices = self.form.fields["currency"].choices
        marked = ((name, " selected" if name == chosen else "", word) for name, word in choices)
        return format_html_join("", '<option value="{}"{}>{}</option>', marked)

    @property
    def account(self) -> Account | None:
        """The account whose borrowable amounts are shown: the one named, or the first."""
        named = self.accounts.get(str(self.asked("account") or ""))
        return named or next(iter(self.accounts.values()), None)

    @property
    def amount(self) -> Decimal:
        """How much the cost column is for."""
        return Decimal(self.asked("amount") or "1000")

    @property
    def amount_words(self) -> str:
        """The amount as it is read: 1,000."""
        return formatting.digits(self.amount, places=0)

    @property
    def hours(self) -> int:
        """For how many hours."""
        return self.asked("hours") or 24

    @property
    def by_currency(self) -> bool:
        """Whether the view is by currency."""
        return self.asked("by") == "currency"

    @property
    def sort(self) -> str:
        """The order: cheapest first when one currency is compared, else by pair."""
        compares = self.by_currency or bool(self.asked("currency"))
        return self.asked("sort") or ("daily" if compares else "symbol")

    @property
    def rows(self) -> int:
        """How many rows to show."""
        return min(self.asked("rows") or ROWS, MAX_ROWS)
