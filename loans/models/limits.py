"""The shared count of calls, for sites without a cache server. One row a venue, locked to count."""

from django.db import models


class CallCount(models.Model):
    """What the limiter knows of one venue; its shape belongs to `loans.services.limiter`."""

    venue = models.CharField(max_length=200, primary_key=True)
    body = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Calls of {self.venue}"
