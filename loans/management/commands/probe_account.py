"""`manage.py probe_account ACCOUNT`: ask whether the exchange behaves as the money path assumes."""

from argparse import ArgumentParser

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from loans.management.migrated import MigratedCommand
from loans.models import Account
from loans.tasks.probes import probe_account


class Command(MigratedCommand):
    """Reads only. Prints each assumption with what was found."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The account's id, or its label where only one has it."""
        parser.add_argument("account")

    def handle(self, *, account: str, **options: object) -> None:
        """Probe and print."""
        chosen = _find(account)
        probe_account(str(chosen.pk))
        for probe in chosen.probes.order_by("pk"):
            self.stdout.write(f"{probe.name:4} {probe.get_state_display():13} {probe.finding}")
        chosen.refresh_from_db()
        verdict = "on" if chosen.probed_at else "off"
        self.stdout.write(f"Automatic 'not executed' for this account by its own probes: {verdict}")


def _find(text: str) -> Account:
    connected = Account.objects.connected()
    try:
        found = list(connected.filter(pk=text))
    except (ValidationError, ValueError):
        found = list(connected.filter(label=text))
    if len(found) != 1:
        raise CommandError(f"{len(found)} connected accounts are called {text}; give an id")
    return found[0]
