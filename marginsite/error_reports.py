"""What a report of an error shows: where it happened and why, never what was in the variables.

Django hides what a view marks as sensitive, but not in the pages of DEBUG, and not in the frames
below the view. Keys pass through both, so here nothing of a variable or a posted field is shown.
"""

import re
from types import FrameType, TracebackType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter


class Discreet(SafeExceptionReporterFilter):
    """Names without values, in mails and in the browser alike; addresses may carry passwords."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|PEPPER|_URL", flags=re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always: a debug page is copied into tickets and chats."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any] | QueryDict:
        """The names of the posted fields."""
        if request is None:
            return {}
        return dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType | TracebackType
    ) -> list[tuple[str, Any]]:
        """The names of the variables."""
        return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]
