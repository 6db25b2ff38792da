"""A person's verdict where the records could not decide; the service checks and keeps it."""

from django import forms
from django.http import QueryDict

from loans.forms.texts import refuse_hidden_in_lines

REASON_LENGTH = 400


class DecisionForm(forms.Form):
    """A person's verdict on an instruction that the records could not decide."""

    EXECUTED = "executed"
    NOT_EXECUTED = "not_executed"

    verdict = forms.ChoiceField(
        choices=((EXECUTED, "It happened"), (NOT_EXECUTED, "It did not happen")),
        error_messages={"required": "Say whether it happened."},
        widget=forms.RadioSelect,
    )
    record = forms.ChoiceField(label="The record it made", required=False)
    reason = forms.CharField(
        label="How you know",
        max_length=REASON_LENGTH,
        validators=[refuse_hidden_in_lines],
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What you looked at, for example the loan list in the exchange's own pages.",
        error_messages={
            "required": "Write in a few words how you know: it is kept with the decision.",
            "max_length": f"Use at most {REASON_LENGTH} characters.",
        },
    )

    def __init__(
        self, data: QueryDict | None = None, *, records: list[tuple[str, str]], **kwargs: object
    ) -> None:
        """Offer the candidate records as (record id, words)."""
        super().__init__(data, **kwargs)
        self.fields["record"].choices = [("", "None of these, or not known"), *records]

    @property
    def executed(self) -> bool:
        """Whether the person says that it happened."""
        return self.cleaned_data["verdict"] == self.EXECUTED

    def clean(self) -> dict[str, object]:
        """A record belongs only to what happened."""
        cleaned = super().clean()
        if cleaned.get("verdict") == self.NOT_EXECUTED and cleaned.get("record"):
            self.add_error(
                "record", "A record shows that it happened. Choose “None of these”, or change that."
            )
        return cleaned
