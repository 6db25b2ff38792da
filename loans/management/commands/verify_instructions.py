"""`manage.py verify_instructions`: compare every instruction's state with its events."""

from django.core.management.base import CommandError

from loans.management.migrated import MigratedCommand
from loans.services.transitions import differing_from_events


class Command(MigratedCommand):
    """Exit 1 and name the instructions whose state is not what their events say."""

    help = __doc__

    def handle(self, **options: object) -> None:
        """Check all of them."""
        if wrong := differing_from_events():
            raise CommandError(f"state and events differ: {', '.join(wrong)}")
        self.stdout.write("Every instruction's state is the fold of its events.")
