"""What the log leaves out: slips of people, and traces of requests that were refused."""

import logging

FORBIDDEN, UNPROCESSABLE = 403, 422


class Untraced(logging.Filter):
    """Tells of a refused request in one line: a trace says nothing about who sent it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is kept, without its trace."""
        record.exc_info = None
        return True


class Refused(logging.Filter):
    """Tells of whoever may not see a page in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is kept, without its trace if it is of a refusal."""
        if getattr(record, "status_code", None) == FORBIDDEN:
            record.exc_info = None
        return True


class NotTyping(logging.Filter):
    """Leaves out answers to a form that could not be read: the page has told the person why."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return getattr(record, "status_code", None) != UNPROCESSABLE
