"""`manage.py rotate_keyring`: seal every stored exchange key and second factor with the first key
of CREDENTIAL_KEYS.

Put the new key first in CREDENTIAL_KEYS and keep the old one behind it, restart, run this; then
take the old one out and restart. Everything goes on meanwhile; a killed run is started again.
"""

from django.core.management.base import CommandError
from django.utils import timezone

from loans import venues
from loans.management.migrated import MigratedCommand
from loans.services.audit import By
from loans.services.resealing import reseal


class Command(MigratedCommand):
    """Exit code 0 if everything is sealed with the current key, 1 if some does not open."""

    help = "Seal what is stored encrypted with the first key of CREDENTIAL_KEYS."

    def handle(self, **options: object) -> None:
        """Seal anew, and say what may be removed."""
        keyring = venues.keyring()
        outcome = reseal(keyring=keyring, by=By(None, timezone.now()))
        current = keyring.current_id
        self.stdout.write(f"{outcome.resealed} secrets were sealed anew with {current}.")
        if outcome.lost:
            raise CommandError(
                f"{len(outcome.lost)} did not open and are as they were: "
                f"{', '.join(outcome.lost)}. Keep every key in CREDENTIAL_KEYS."
            )
        self.stdout.write(f"Everything opens with {current}; older ones may leave CREDENTIAL_KEYS.")
