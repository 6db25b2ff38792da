"""The tasks that make files: one hold on one job at a time, and the tick that misses none.

No job stops another: whatever goes wrong ends in a sentence on its own row.
"""

import logging
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from loans import venues
from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.models import Account, Job
from loans.services import archive, file_forms, history, jobs, pairs, streams
from loans.services.filters import HistoryFilter
from loans.services.job_files import Folder
from loans.services.jobs import CannotBeMade, Gone, Hold
from loans.services.limiter import GiveWay
from loans.services.turns import turn
from loans.tasks.bell import ring
from loans.tasks.sync import TURN_SECONDS, refresh_account, refresh_venue
from loans.vault import VaultError

logger = logging.getLogger(__name__)

UNEXPECTED = "Something failed that should not; the operator's log says what. Ask for it once more."
NOT_ALL = "You do not see every account any more whose rows would be in this file."
NO_KEY = "The key of this account is not connected, or disabled: nothing more could be read."
# An archive reads for so long, then lets the account's figures be read.
SLICE_SECONDS = 15
PAUSE = timedelta(seconds=3)


def folder() -> Folder:
    """Where the files of this data folder lie."""
    return Folder(settings.DATA_DIR / "files")


@shared_task(name="loans.tasks.run_job", expires=60)
def run_job(job_id: str) -> None:
    """Hold a job and take it as far as one hold goes; whoever is second does nothing."""
    hold = jobs.claim(job_id, clock=timezone.now)
    if hold is None:
        return
    try:
        _work(hold)
    except Gone:
        logger.info("job %s is not ours any more", job_id)
        _clear_if_over(job_id)
        return
    if hold.job.is_open and hold.job.lease_until <= timezone.now():
        ring(run_job, job_id)  # it goes on at once


@shared_task(name="loans.tasks.job_tick", expires=5)
def job_tick() -> None:
    """Ring for every job that nobody holds: new ones, those that pause, those whose worker died."""
    for job_id in jobs.due(timezone.now()).values_list("pk", flat=True)[: jobs.MOST_HELD * 2]:
        ring(run_job, str(job_id))


@shared_task(name="loans.tasks.expire_files", expires=3600)
def expire_files() -> None:
    """Take away the files whose time is over, and what workers that died left lying."""
    jobs.expire(now=timezone.now())
    folder().sweep(jobs.kept_ids)


def _work(hold: Hold) -> None:
    try:
        if hold.job.kind == Job.Kind.ARCHIVE:
            _archive(hold)
        else:
            file_forms.make(hold, folder(), _filter_of(hold.job))
    except CannotBeMade as exc:
        hold.fail(str(exc))
        folder().clear(hold.job)
    except Gone:
        raise
    except Exception:
        logger.exception("job %s failed", hold.job.pk)
        hold.fail(UNEXPECTED)
        folder().clear(hold.job)


def _filter_of(job: Job) -> HistoryFilter:
    """The rows that were asked for, of accounts that the person still sees."""
    inside = list(job.accounts.all())
    visible = Account.objects.visible_to(job.person).filter(pk__in=[one.pk for one in inside])
    accounts = list(visible)
    if len(accounts) < len(inside):
        raise CannotBeMade(NOT_ALL)
    zone = ZoneInfo(job.parameters["zone"])
    chosen = history.read(job.parameters["query"], accounts=accounts, zone=zone)
    if not accounts or chosen.errors:  # what was asked for is gone, and the rest is another file
        raise CannotBeMade(next(iter(chosen.errors.values()), NOT_ALL))
    return chosen


def _archive(hold: Hold) -> None:
    """Load what is missing, a slice at a time; then write the archive."""
    job = hold.job
    if not Account.objects.visible_to(job.person).filter(pk=job.account_id).exists():
        raise CannotBeMade(NOT_ALL)
    if not archive.is_loaded(hold):
        _load(hold)
        return
    archive.write(hold, folder())


def _load(hold: Hold) -> None:
    """One slice of reading, in the account's turn, which the keeping up shares."""
    account = hold.job.account
    if not Account.objects.connected().filter(pk=account.pk).exists():
        archive.give_up_loading(hold, why=NO_KEY)
        return
    if not pairs.are_known(venue=account.venue):
        refresh_venue(account.venue)
    with turn(f"account:{account.pk}", seconds=TURN_SECONDS) as is_ours:
        if not is_ours and archive.let_others_read(hold, pause=PAUSE):
            return
        end_ns = time.monotonic_ns() + SLICE_SECONDS * 10**9
        try:
            with _client(account) as client:
                archive.load(
                    hold,
                    client=client,
                    visibility=venues.money_bounds().visibility,
                    is_over=lambda: time.monotonic_ns() > end_ns,
                    pause=PAUSE,
                )
        except VaultError:
            archive.give_up_loading(hold, why="The stored key does not open.")
    ring(refresh_account, str(account.pk))


def _client(account: Account) -> Client:
    """A client that gives way to money and to whatever keeps up."""
    limiter = GiveWay(
        venues.limiter_for(account.venue, key=account.fingerprint),
        is_busy=lambda: streams.is_money_moving(account=account),
    )
    return venues.client_for(account, limiter=limiter, priority=limits.BACK_FILL)


def _clear_if_over(job_id: str) -> None:
    """A job that was cancelled leaves nothing; one that another holds is left alone."""
    job = Job.objects.filter(pk=job_id).first()
    if job is not None and job.state in (Job.State.CANCELLED, Job.State.FAILED):
        folder().clear(job)
