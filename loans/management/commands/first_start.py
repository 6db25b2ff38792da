"""Brings the database, the static files and the administrator to where this version wants them.

`run.py` calls it at every start; whatever is in place already is left alone. A first
administrator's password is printed to the console, once, and is written nowhere else.
"""

import hashlib
import secrets
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.utils import timezone

from launch.console import say, step
from loans import venues
from loans.checks import OURS
from loans.services import peppers, resealing, second_factors
from loans.services.audit import By

USERNAME = "admin"
PATIENCE_SECONDS = 10


class Command(BaseCommand):
    help = "Migrate, collect static files, and make an administrator if there is none."
    requires_system_checks = ()  # all of them cost a second; ours are run below

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--without-administrator", action="store_true")

    def handle(self, *, without_administrator: bool, **options: object) -> None:
        self.check(tags=[OURS])
        _reach_database()
        if not settings.NEW_SECRETS:
            # Before the upgrade: what an older version left open is not sealed by another keyring.
            self.check(tags=[OURS], databases=["default"])
        with step("Prepare the database"):
            call_command("migrate", verbosity=0, interactive=False)
            if connection.vendor == "sqlite":
                _keep_private(Path(connection.settings_dict["NAME"]))
        if settings.NEW_SECRETS:
            _forget_lost_keys()
        peppers.note(settings.FINGERPRINT_PEPPER, anew=settings.NEW_SECRETS)
        self.check(tags=[OURS], databases=["default"])
        venues.journal().compact(now=timezone.now())
        _collect_static_files()
        if not without_administrator:
            make_first_administrator()


def _reach_database() -> None:
    """Try once, and not through the pool, which tries for long and then does not say why."""
    alone = connection.copy()
    if alone.vendor == "postgresql":
        alone.settings_dict["OPTIONS"] |= {"pool": False, "connect_timeout": PATIENCE_SECONDS}
    try:
        alone.ensure_connection()
    except OperationalError as exc:
        why = " ".join(str(exc).split())
        raise CommandError(f"The database of DATABASE_URL cannot be opened: {why}") from exc
    alone.close()


def _keep_private(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.chmod(0o600)


def _forget_lost_keys() -> None:
    keyring, by = venues.keyring(), By(None, timezone.now())
    if forgotten := resealing.forget_lost(keyring=keyring, by=by):
        say(f"  {forgotten} exchange keys could not be opened and were removed; put them in again")
        say("  on the Keys page (Replace).")
    if forgotten := second_factors.forget_lost(keyring=keyring, by=by):
        say(
            f"  {forgotten} second factors could not be opened and were removed; until their owners"
        )
        say("  add others, they sign in without.")
    say("  Take MARGINSITE_NEW_SECRETS away now.")


def _collect_static_files() -> None:
    """Collect anew only if a source file, a package or the way of storing changed."""
    root = Path(settings.STATIC_ROOT)
    stamp = root / ".sources"
    wanted = _fingerprint_of_sources()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    with step("Collect static files"):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(wanted)


def _fingerprint_of_sources() -> str:
    found = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            found.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return found.hexdigest()


def make_first_administrator() -> None:
    """Make one if there is none, and show its password this once."""
    people = get_user_model().objects
    if people.filter(is_superuser=True, is_active=True).exists():
        return
    username = USERNAME
    while people.filter(username=username).exists():
        username = f"{USERNAME}-{secrets.token_hex(2)}"
    password = secrets.token_urlsafe(18)
    people.create_superuser(username=username, password=password)
    say("")
    say("  An administrator was made. The password is shown this once:")
    say(f"    user      {username}")
    say(f"    password  {password}")
    say("  Lost it? .venv/bin/python manage.py reset_admin_password")
    say("")
