"""What an error report may show: as little with DEBUG on as with it off."""

import re

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class Discreet(SafeExceptionReporterFilter):
    """Hides secrets in the debug page too, and addresses that carry passwords."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|PEPPER|_URL", flags=re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always: a debug page is copied into tickets and chats."""
        return True
