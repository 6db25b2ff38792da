"""Who did what, from where: append-only, each row chained to the one before by its hash."""

import hashlib
import json

from django.conf import settings
from django.db import models

from loans.models.accounts import Account


class AuditEvent(models.Model):
    """One thing that somebody did. `facts` never holds a secret."""

    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    address = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=40)
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="+")
    facts = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action}"

    def computed_hash(self) -> str:
        """SHA-256 over the row and the hash before it."""
        row = [
            self.previous_hash,
            self.at.isoformat(),
            self.actor_id,
            self.address,
            self.action,
            str(self.account_id) if self.account_id else None,
            self.facts,
        ]
        text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
