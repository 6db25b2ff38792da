"""`manage.py verify_totals`: compare what is kept beside the records, their totals and when each
loan was last told of, with the records and observations themselves.
"""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from loans import periods
from loans.management.migrated import MigratedCommand
from loans.models import Account, Kind
from loans.services import retold, rollups

MOST_NAMED = 5


class Command(MigratedCommand):
    """Exit 1 and name the totals that differ; with --repair put right what does, and say so."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to repair."""
        parser.add_argument(
            "--repair", action="store_true", help="Count again what differs; the records stay."
        )

    def handle(self, *, repair: bool, **options: object) -> None:
        """Check all of them, account by account."""
        wrong = []
        for account in Account.objects.order_by("label", "pk"):
            for kind in Kind:
                if places := rollups.differing(account.pk, kind):
                    if repair:
                        rollups.rebuild(account.pk, kind)
                    wrong.append(_words(account, kind, places))
        if told := retold.put_right() if repair else retold.count_wrong():
            loans = "loan was" if told == 1 else "loans were"
            wrong.append(f"{told} {loans} told of later than is noted")
        if wrong and not repair:
            raise CommandError("totals and records differ: " + "; ".join(wrong))
        for words in wrong:
            self.stdout.write(f"Put right: {words}")
        self.stdout.write("Every total is what its records add up to.")


def _words(account: Account, kind: Kind, places: list[rollups.Place]) -> str:
    named = [
        f"{place.symbol or 'all pairs'} {periods.words(place.period)} {place.currency}"
        for place in places[:MOST_NAMED]
    ]
    more = f" and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
    return f"{account.label} {kind} {', '.join(named)}{more}"
