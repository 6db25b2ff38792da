"""What an account's records add up to, kept beside them so that no page has to add up all of them.

Derived figures: written with the records in one transaction (`services.rollups`), never by hand.
"""

from django.db import models
from django.db.models import Q

from loans import periods
from loans.fields import TotalField
from loans.models.accounts import Account
from loans.models.records import Kind
from loans.periods import ALL_TIME

ALL_PAIRS = ""


KEY = ("account", "kind", "symbol", "period", "currency")
COUNTS = ("records", "principals", "interests")
SUMS = ("principal", "interest", "amount")


class RecordTotal(models.Model):
    """The sums of one currency, of a pair or of all, over one of `loans.periods`."""

    account = models.ForeignKey(
        Account, models.CASCADE, related_name="record_totals", db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    symbol = models.CharField(max_length=40, blank=True, help_text="Empty: all pairs.")
    period = models.PositiveIntegerField(
        help_text="In UTC: 0 is all time; the others are numbered by `loans.periods`."
    )
    currency = models.CharField(max_length=20)
    records = models.PositiveBigIntegerField()
    principals = models.PositiveBigIntegerField(help_text="How many principals are known.")
    interests = models.PositiveBigIntegerField(help_text="How many interests are known.")
    principal = TotalField()
    interest = TotalField()
    amount = TotalField(help_text="What was sent; of repayments only.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=KEY, name="record_total_once"),)
        indexes = (
            models.Index(
                fields=["account", "kind", "symbol"],
                name="record_total_of_all_time",
                condition=Q(period=ALL_TIME),
            ),
            # On SQLite only, as its migration says.
            models.Index(fields=(*KEY, *COUNTS, *SUMS), name="record_total_covered"),
        )

    def __str__(self) -> str:
        pair = self.symbol or "all pairs"
        return f"{self.kind} {pair} {periods.words(self.period)} {self.currency}"
