"""`manage.py verify_audit`: walk the audit trail's chain and say whether every row fits.

Note the head it prints somewhere else; `--head` then shows whether rows were taken off the end.
"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from loans.management.migrated import MigratedCommand
from loans.services import audit


class Command(MigratedCommand):
    """Exit code 0 if the chain holds, 1 if not."""

    help = "Check the hash chain of the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        """The head noted earlier."""
        parser.add_argument("--head", default="", help="a head noted earlier: it must be in it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk, and say what was found."""
        verdict = audit.verify(expected_head=options["head"])
        if not verdict.holds:
            place = f"event {verdict.broken_at}: " if verdict.broken_at else ""
            raise CommandError(
                f"The audit trail is broken after {verdict.rows} good events. "
                f"{place}{verdict.reason}."
            )
        self.stdout.write(f"The audit trail holds: {verdict.rows} events, head {verdict.head}")
