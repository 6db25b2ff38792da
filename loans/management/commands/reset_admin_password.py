"""Gives an administrator who lost the password a new one, and ends that person's sessions.

Whoever can run this reads the database anyway; the new password is printed once and kept nowhere.
"""

import secrets
from argparse import ArgumentParser

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from loans.management.migrated import MigratedCommand
from loans.services import audit


class Command(MigratedCommand):
    help = "Print a new random password for an administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", help="needed only if there are several")

    def handle(self, *, username: str | None, **options: object) -> None:
        administrators = get_user_model().objects.filter(is_superuser=True)
        if username:
            administrators = administrators.filter(username=username)
        names = sorted(administrators.values_list("username", flat=True))
        if not names:
            raise CommandError(
                f"There is no administrator called {username}."
                if username
                else "There is no administrator; `python3 run.py` makes one."
            )
        if len(names) > 1:
            raise CommandError(f"Say which one: {', '.join(names)}.")
        person = administrators.get()
        password = secrets.token_urlsafe(18)
        person.set_password(password)
        person.is_active = True
        person.save(update_fields=["password", "is_active"])
        audit.record(
            action="password_reset", actor=None, now=timezone.now(), username=person.username
        )
        self.stdout.write(f"user      {person.username}\npassword  {password}")
        self.stdout.write("Sessions signed in with the old password have ended.")
