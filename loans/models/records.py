"""The venue's own records of borrowing and repaying, once each, and all ever seen of them."""

import uuid

from django.db import models
from django.db.models import Q

from loans.fields import AmountField, RateField
from loans.models.accounts import Account


class Kind(models.TextChoices):
    """The two things that move money."""

    BORROW = "borrow", "Borrow"
    REPAY = "repay", "Repay"


class BorrowRecord(models.Model):
    """One loan as the venue lists it. Principal and time never change silently."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="borrow_records", db_index=False
    )
    record_id = models.CharField(max_length=64)
    symbol = models.CharField(max_length=40)
    currency = models.CharField(max_length=20)
    principal = AmountField(
        null=True, blank=True, help_text="The largest ever seen; none if never above 0."
    )
    daily_rate = RateField()
    hourly_rate = RateField()
    interest = AmountField(
        null=True, blank=True, help_text="The largest ever seen; none if never told."
    )
    at = models.DateTimeField(help_text="When the loan was taken, by the venue's clock.")
    first_seen_at = models.DateTimeField()
    told_again_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the venue last told something else of it than before; none: never.",
    )
    story_changed = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "record_id"], name="borrow_record_once"),
            models.CheckConstraint(
                condition=Q(principal__isnull=True) | Q(principal__gt=0),
                name="borrow_record_principal_positive",
            ),
        )
        indexes = (
            models.Index(fields=["account", "-at", "-id"], name="borrow_by_time"),
            models.Index(fields=["account", "symbol", "-at", "-id"], name="borrow_by_pair"),
            models.Index(fields=["account", "currency", "-at", "-id"], name="borrow_by_currency"),
            models.Index(fields=["account", "principal", "id"], name="borrow_by_principal"),
            models.Index(fields=["account", "interest", "id"], name="borrow_by_interest"),
            models.Index(fields=["account", "first_seen_at", "at"], name="borrow_by_sight"),
            models.Index(
                fields=["account", "told_again_at", "at"],
                name="borrow_told_again",
                condition=Q(told_again_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.principal} {self.currency} on {self.symbol}"


class RepayRecord(models.Model):
    """One repayment as the venue lists it."""

    account = models.ForeignKey(
        Account, models.PROTECT, related_name="repay_records", db_index=False
    )
    record_id = models.CharField(max_length=64)
    symbol = models.CharField(max_length=40)
    currency = models.CharField(max_length=20)
    amount = AmountField()
    principal = AmountField()
    interest = AmountField()
    at = models.DateTimeField(help_text="When it was repaid, by the venue's clock.")
    first_seen_at = models.DateTimeField()
    story_changed = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "record_id"], name="repay_record_once"),
        )
        indexes = (
            models.Index(fields=["account", "-at", "-id"], name="repay_by_time"),
            models.Index(fields=["account", "symbol", "-at", "-id"], name="repay_by_pair"),
            models.Index(fields=["account", "currency", "-at", "-id"], name="repay_by_currency"),
            models.Index(fields=["account", "amount", "id"], name="repay_by_amount"),
            models.Index(fields=["account", "interest", "id"], name="repay_by_interest"),
            models.Index(fields=["account", "first_seen_at", "at"], name="repay_by_sight"),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} on {self.symbol}"


class Observation(models.Model):
    """What the venue said of a record, and when; written only if it differs. Append-only."""

    account = models.ForeignKey(
        Account, models.PROTECT, related_name="observations", db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    record_id = models.CharField(max_length=64)
    body = models.JSONField(help_text="The row as received.")
    seen_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=["account", "kind", "record_id", "id"], name="observation_of"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.record_id} at {self.seen_at:%Y-%m-%d %H:%M:%S}"


class Coverage(models.Model):
    """Which span of one stream (account, pair, kind) is proven complete, and when it was audited.

    An audit reads again what is proven and compares it with what is kept. The columns that begin
    with `audit_` and count are of the audit under way, else of the last one.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="coverages", db_index=False)
    symbol = models.CharField(max_length=40)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    complete_from = models.DateTimeField(null=True, blank=True, help_text="None: the start.")
    complete_to = models.DateTimeField(null=True, blank=True, help_text="None: nothing yet.")
    in_windows = models.BooleanField(
        default=False, help_text="Read back to the start in windows, not by one listing alone."
    )
    asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last asked for, whatever the answer."
    )
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When what is new was last read without an error."
    )
    failures = models.PositiveIntegerField(
        default=0, help_text="Attempts in a row that failed; it counts no further than is needed."
    )
    has_rows = models.BooleanField(default=False)
    trusted = models.BooleanField(default=True, help_text="No listing contradicted another.")
    late_records = models.PositiveIntegerField(default=0)
    doubt = models.CharField(
        max_length=200, blank=True, help_text="What speaks against it until a whole audit is clean."
    )
    interest_read_at = models.DateTimeField(
        null=True, blank=True, help_text="When the loans that are out were last read again."
    )
    audited_at = models.DateTimeField(null=True, blank=True, help_text="Any audit; None: none yet.")
    whole_audited_at = models.DateTimeField(null=True, blank=True)
    audit_due_at = models.DateTimeField(null=True, blank=True)
    whole_audit_due_at = models.DateTimeField(null=True, blank=True)
    audit_reached = models.DateTimeField(
        null=True, blank=True, help_text="An audit is under way; what is later was read again."
    )
    audit_is_whole = models.BooleanField(default=False, help_text="Of the one told of below.")
    audit_rows = models.PositiveIntegerField(default=0)
    audit_missing = models.PositiveIntegerField(default=0, help_text="Kept, but not listed now.")
    audit_late = models.PositiveIntegerField(default=0, help_text="Listed, but not kept before.")
    audit_differing = models.PositiveIntegerField(default=0, help_text="Other figures than kept.")
    audit_contradictions = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "symbol", "kind"], name="coverage_one_a_stream"
            ),
        )
        indexes = (models.Index(fields=["account", "kind"], name="coverage_of_kind"),)

    def __str__(self) -> str:
        return f"{self.account} {self.symbol} {self.kind} to {self.complete_to}"


class CoverageGap(models.Model):
    """A span inside a coverage that could not be proven, named to the second."""

    coverage = models.ForeignKey(Coverage, models.CASCADE, related_name="gaps")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        ordering = ("starts_at",)

    def __str__(self) -> str:
        return f"{self.starts_at} to {self.ends_at}: {self.reason}"
