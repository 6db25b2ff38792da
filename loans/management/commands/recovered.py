"""`manage.py recovered`: say that the database was restored; nothing forgotten is resent."""

from django.utils import timezone

from loans import venues
from loans.management.migrated import MigratedCommand
from loans.services.recovery import recover


class Command(MigratedCommand):
    """Treat every open instruction as possibly sent, and hold money back until that is over."""

    help = __doc__

    def handle(self, **options: object) -> None:
        """Move them and say how many."""
        moved = recover(journal=venues.journal(), now=timezone.now(), why="said by the operator")
        self.stdout.write(
            f"{moved} open instructions may have been sent and are looked up now. "
            "Money waits until their time is over and the records were read again."
        )
