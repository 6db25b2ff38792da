"""How fresh everything is: the state of each repeated call, refused rows, and signs of life."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from loans.models.accounts import Account, Venue


class Feed(models.Model):
    """One repeated call: of a venue, or of one account there."""

    class Name(models.TextChoices):
        PAIRS = "pairs", "Pairs and rates"
        PRICES = "prices", "Prices"
        FIGURES = "figures", "Account figures"
        RECORDS = "records", "Loan records"
        SERVICE = "service", "Exchange status"

    venue = models.CharField(max_length=16, choices=Venue.choices)
    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="feeds"
    )
    name = models.CharField(max_length=16, choices=Name.choices)
    period_seconds = models.PositiveIntegerField(default=60)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row, since the last success.")
    error = models.CharField(max_length=300, blank=True, help_text="A sentence for people.")
    doubt = models.CharField(
        max_length=64, blank=True, help_text="Digest of an answer believed once seen again."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["venue", "name"], condition=Q(account=None), name="feed_one_a_venue"
            ),
            models.UniqueConstraint(
                fields=["account", "name"], condition=~Q(account=None), name="feed_one_an_account"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_name_display()} of {self.account or self.get_venue_display()}"

    @property
    def words(self) -> str:
        """What is read, for people: a venue's pairs give rates, a key's give its own limits."""
        if self.account_id and self.name == self.Name.PAIRS:
            return "What the key may borrow"
        return self.get_name_display()

    def is_stale(self, now: datetime) -> bool:
        """Older than twice its period, or never succeeded."""
        if self.last_success_at is None:
            return True
        return (now - self.last_success_at).total_seconds() > 2 * self.period_seconds


class RefusedRow(models.Model):
    """A row of an answer that cannot be true or read; kept for an administrator, with a reason."""

    venue = models.CharField(max_length=16, choices=Venue.choices)
    account = models.ForeignKey(Account, models.CASCADE, null=True, blank=True)
    source = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    excerpt = models.TextField()
    digest = models.CharField(max_length=64, help_text="Of venue, account, source and the row.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["digest"], name="refused_row_once"),)
        ordering = ("-last_seen_at",)

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class Heartbeat(models.Model):
    """When a part of the site last showed life: `money`, `sync`, `beat`."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"


class SiteState(models.Model):
    """The one row of what holds for the whole site."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    stopped = models.BooleanField(default=False, help_text="Stop switch for all: nothing is sent.")
    stopped_reason = models.CharField(max_length=200, blank=True)
    repay_only = models.BooleanField(default=False)
    wind_down_notice = models.TextField(
        default=(
            "BitMart has announced that it is closing: trading ended on 26 August 2026, and the "
            "platform ends on 31 January 2027, 15:59 UTC. Every live call may be refused. Save "
            "your history and close what is open before that date."
        ),
        help_text="Shown on every page that has to do with a live key.",
    )
    recovery_epoch = models.PositiveIntegerField(default=0)
    recovered_at = models.DateTimeField(null=True, blank=True)
    pepper_proof = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "site state"
        constraints = (models.CheckConstraint(condition=Q(id=1), name="site_state_only_one"),)

    def __str__(self) -> str:
        return "Site"

    @classmethod
    def load(cls) -> "SiteState":
        """The one row."""
        return cls.objects.get_or_create(pk=cls.ONLY)[0]
