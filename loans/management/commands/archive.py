"""`manage.py archive ACCOUNT --to FOLDER`: load the whole history of an account and save it there.

The same as the button on the history page, done here and now, also while no worker runs. Stopped in
the middle it goes on when it is run again; nothing that lies in the folder is overwritten.
"""

import shutil
import time
from argparse import ArgumentParser
from itertools import count
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from loans.management.migrated import MigratedCommand
from loans.management.owner import must_be_owner
from loans.models import Account, Job
from loans.services import jobs
from loans.services.audit import By
from loans.services.new_files import draft_of
from loans.tasks.jobs import folder, run_job

LOOK_SECONDS = 1


class Command(MigratedCommand):
    """Prints how far it is, and where the archive lies."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which account, and where to."""
        parser.add_argument("account", help="its id, or its label where only one has it")
        parser.add_argument("--to", type=Path, required=True, help="a folder that exists")

    def handle(self, *, account: str, to: Path, **options: object) -> None:
        """Make the archive, or go on making it, then copy it."""
        if not to.is_dir():
            raise CommandError(f"{to} is no folder.")
        must_be_owner(settings.DATA_DIR)
        chosen = _find(account)
        by = By(chosen.owner, timezone.now())
        try:
            job = jobs.place(kind=Job.Kind.ARCHIVE, accounts=[chosen], by=by, parameters={})
        except jobs.TooMany as exc:
            raise CommandError(f"{exc} (The person is {chosen.owner}.)") from None
        try:
            self._follow(job)
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was read is saved; run it again to go on.") from None
        if job.state != Job.State.DONE:
            raise CommandError(job.error or f"It was {job.get_state_display().lower()}.")
        target = _copy(folder().place_of(job), to, job.file_name)
        self.stdout.write(f"{target}: {job.size:,} bytes, SHA-256 {job.sha256}")
        self.stdout.write("Its index.html says what is proven complete, and what is not.")

    def _follow(self, job: Job) -> None:
        """Hold the job whenever nobody does, until it ends."""
        said = ""
        while job.is_open:
            run_job(str(job.pk))
            job.refresh_from_db()
            words = f"{job.done:,} of {job.total:,} {job.unit}. {job.note}" if job.total else ""
            if words != said:
                self.stdout.write(words)
                said = words
            if job.is_open and job.lease_until > timezone.now():
                time.sleep(LOOK_SECONDS)


def _find(text: str) -> Account:
    kept = Account.objects.filter(owner__isnull=False)
    try:
        found = list(kept.filter(pk=text))
    except (ValidationError, ValueError):
        found = list(kept.filter(label=text))
    if len(found) != 1:
        raise CommandError(f"{len(found)} accounts are called {text}; give an id.")
    return found[0]


def _copy(source: Path, to: Path, name: str) -> Path:
    """Copy under the name, or the next one that is free; on disk before it has its name."""
    stem, _, ending = name.rpartition(".")
    names = (f"{stem}.{ending}" if n == 1 else f"{stem}-{n}.{ending}" for n in count(1))
    target = next(to / each for each in names if not (to / each).exists())
    try:
        with draft_of(target) as draft:
            shutil.copyfile(source, draft)
    except OSError as exc:
        raise CommandError(f"The archive could not be copied: {exc}") from exc
    return target
