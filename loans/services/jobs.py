"""The life of a job: asked for, held by one worker at a time, finished, and one day expired.

Every step is a compare-and-set, so that two workers, a person who cancels and a worker that comes
back from the dead can meet without harm. Makes no file and calls no exchange.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from loans.models import Account, Job
from loans.services.audit import By
from loans.services.clock import Clock

# A hold is renewed with every bit of progress; a worker that was killed holds it no longer.
LEASE = timedelta(seconds=180)
KEPT = timedelta(days=7)
# Rows of files that are gone are shown for so long.
REMEMBERED = timedelta(days=30)
DAY = timedelta(days=1)
BETWEEN_NOTES = timedelta(seconds=1)
MOST_OPEN = 5
# Files are kept for days: without an end somebody could fill the disk that money is noted on.
MOST_A_DAY = 40
MOST_HELD = 2
MOST_LOSSES = 5
LOST = "Its worker was lost {losses} times, so it was given up. Ask for it once more."


class TooMany(ValueError):
    """The person has enough under way; the text is a sentence."""


class Gone(Exception):
    """The job is not this worker's any more: cancelled, or held by another. Leave no trace."""


class CannotBeMade(Exception):
    """The job ends here; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class File:
    """What was made: for whoever saves it, and to check it by."""

    name: str
    media_type: str
    size: int
    sha256: str


def place(
    *,
    kind: str,
    accounts: Iterable[Account],
    by: By,
    parameters: dict[str, Any],
    unit: str = "rows",
    total: int = 0,
) -> Job:
    """Ask for a file. An archive that is under way already is not begun a second time.

    Raises: TooMany, for what is under way or was asked for within a day.
    """
    inside = list(accounts)
    account = inside[0] if kind == Job.Kind.ARCHIVE else None
    mine = Job.objects.filter(person=by.person).open()
    if account is not None and (known := mine.filter(account=account).first()):
        return known
    if mine.count() >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} files are being made for you. Wait for one, or cancel one.")
    lately = Job.objects.filter(person=by.person, created_at__gt=by.at - DAY)
    if lately.count() >= MOST_A_DAY:
        raise TooMany(f"You asked for {MOST_A_DAY} files within a day. Ask again tomorrow.")
    try:
        with transaction.atomic():
            job = Job.objects.create(
                person=by.person,
                account=account,
                kind=kind,
                parameters=parameters,
                unit=unit,
                total=total,
                created_at=by.at,
                lease_until=by.at,
            )
            job.accounts.set(inside)
            by.record("history_exported", account, file=kind, accounts=len(inside))
    except IntegrityError:
        return mine.get(account=account)  # the same button, pressed twice at once
    return job


class Hold:
    """One worker's hold on a job. Whatever it does raises Gone once the hold is lost."""

    def __init__(self, job: Job, *, clock: Clock) -> None:
        """`job` as claimed, with its epoch."""
        self.job = job
        self.clock = clock
        self._noted_at = clock()

    def advance(self, done: int, *, note: str = "", always: bool = False) -> None:
        """Say how far it is, at most once a second, and keep the hold."""
        now = self.clock()
        self.job.done = done
        self.job.note = note or self.job.note
        if always or now - self._noted_at >= BETWEEN_NOTES:
            self._write(lease_until=now + LEASE, note=self.job.note)
            self._noted_at = now

    def remember(self) -> None:
        """Write down what the next hold must know, and how far it is."""
        self._write(memory=self.job.memory, lease_until=self.clock() + LEASE, note=self.job.note)

    def release(self, *, until: datetime) -> None:
        """Let go; whoever comes after `until` goes on. It got somewhere, so no loss counts."""
        job = self.job
        self._write(is_held=False, losses=0, lease_until=until, memory=job.memory, note=job.note)

    def finish(self, file: File) -> None:
        """The file lies where it belongs."""
        now = self.clock()
        self._write(
            state=Job.State.DONE,
            is_held=False,
            lease_until=None,
            finished_at=now,
            expires_at=now + KEPT,
            note="",
            file_name=file.name,
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
        )

    def fail(self, sentence: str) -> None:
        """It cannot be made, and why."""
        self._write(
            state=Job.State.FAILED,
            is_held=False,
            lease_until=None,
            finished_at=self.clock(),
            note="",
            error=sentence[:300],
        )

    def _write(self, **fields: Any) -> None:
        mine = Job.objects.filter(
            pk=self.job.pk, epoch=self.job.epoch, state=Job.State.RUNNING, is_held=True
        )
        fields |= {"done": self.job.done, "total": self.job.total, "unit": self.job.unit}
        if not mine.update(**fields):
            raise Gone
        for name, value in fields.items():
            setattr(self.job, name, value)


def claim(job_id: UUID | str, *, clock: Clock) -> Hold | None:
    """Take hold of a job that is due; None if it is not, or others are held already.

    A job whose holds ended in silence too often is given up.
    """
    now = clock()
    with transaction.atomic():
        job = due(now).filter(pk=job_id).first()
        held = Job.objects.filter(is_held=True, lease_until__gt=now).count()
        if job is None or held >= MOST_HELD:
            return None
        losses = job.losses + job.is_held
        took = Job.objects.filter(pk=job.pk, epoch=job.epoch, state=job.state).update(
            state=Job.State.RUNNING,
            epoch=F("epoch") + 1,
            is_held=True,
            lease_until=now + LEASE,
            started_at=job.started_at or now,
            losses=losses,
        )
        if not took:
            return None
    job.refresh_from_db()
    hold = Hold(job, clock=clock)
    if losses >= MOST_LOSSES:
        hold.fail(LOST.format(losses=losses))
        return None
    return hold


def due(now: datetime) -> QuerySet[Job]:
    """Open jobs that nobody holds, the longest waiting first."""
    return Job.objects.open().filter(lease_until__lte=now).order_by("lease_until")


def cancel(job: Job, *, now: datetime) -> bool:
    """End a job that is not finished; whoever makes it notices. False if it was finished."""
    return bool(
        Job.objects.filter(pk=job.pk)
        .open()
        .update(
            state=Job.State.CANCELLED,
            is_held=False,
            lease_until=None,
            finished_at=now,
            note="",
        )
    )


def expire(*, now: datetime) -> int:
    """Mark the files whose time is over, and forget the rows of those long gone."""
    over = Job.objects.filter(state=Job.State.DONE, expires_at__lte=now)
    count = over.update(state=Job.State.EXPIRED)
    Job.objects.exclude(state=Job.State.DONE).filter(finished_at__lt=now - REMEMBERED).delete()
    return count


def kept_ids() -> set[str]:
    """The jobs that may have something on disk."""
    kept = Job.objects.filter(Q(state=Job.State.DONE) | Q(state__in=Job.OPEN))
    return {str(pk) for pk in kept.values_list("pk", flat=True)}


def listed(person: User) -> QuerySet[Job]:
    """What a person's page shows, the newest first."""
    return Job.objects.visible_to(person).select_related("account").order_by("-created_at")[:50]
