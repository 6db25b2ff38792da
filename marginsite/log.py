"""What the log leaves out."""

import logging

UNPROCESSABLE = 422


class NotTyping(logging.Filter):
    """Leaves out answers to a form that could not be read: the page has told the person why."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return getattr(record, "status_code", None) != UNPROCESSABLE
