"""What this site assumes of an exchange, and what asking it has shown, per account."""

from django.db import models

from loans.models.accounts import Account


class Probe(models.Model):
    """One assumption: confirmed, contradicted, or not known yet."""

    class Name(models.TextChoices):
        BOUNDS = "P1", "Time bounds are milliseconds and are applied"
        ORDER = "P2", "Lists come newest first"
        DEFAULT_RANGE = "P3", "A list without bounds reaches back as far as one with bounds"
        RETENTION = "P4", "How far back records are kept"
        VISIBILITY = "P5", "What was confirmed is listed in time"
        LIMIT_HEADER = "P6", "Which way the limit's header counts"
        EXPIRY = "P7", "A request older than a minute is refused"
        ECHO = "P8", "A record shows exactly the amount that was sent"
        SCOPE = "P9", "Lists belong to the account, not to the key"
        BORROWABLE = "P10", "The borrowable amount moves with us"
        IDS = "P11", "Ids grow with time"

    class State(models.TextChoices):
        GREEN = "green", "Confirmed"
        RED = "red", "Contradicted"
        NOT_KNOWN = "not_known", "Not known"

    # Without these three, "not executed" is said by a person, never by the site alone.
    DECISIVE = (Name.BOUNDS, Name.VISIBILITY, Name.ECHO)

    account = models.ForeignKey(Account, models.CASCADE, related_name="probes")
    name = models.CharField(max_length=4, choices=Name.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.NOT_KNOWN)
    finding = models.CharField(max_length=300, help_text="A sentence for people.")
    checked_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "name"], name="probe_one_a_name"),
        )

    def __str__(self) -> str:
        return f"{self.get_name_display()}: {self.get_state_display()}"
