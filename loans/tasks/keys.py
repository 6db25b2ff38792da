"""The tasks that fetch a paper key and try a key: what the Keys page wants of a venue."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from loans import venues
from loans.bitmart import limits
from loans.models import Account
from loans.services import keys, lights, paper_keys
from loans.services.audit import By
from loans.services.paper_keys import NoPaperKey
from loans.tasks.bell import ring
from loans.tasks.sync import refresh_account
from loans.vault import VaultError

BELL_IS_LOST_AFTER = timedelta(seconds=20)


@shared_task(name="loans.tasks.connect_paper_key", expires=60)
def connect_paper_key(account_id: str) -> None:
    """Fetch a paper key for a row that waits for one, then have it checked."""
    account = Account.objects.filter(pk=account_id, status=Account.Status.PENDING).first()
    if account is None:
        return
    try:
        credentials = paper_keys.fetch(settings.PAPER_BASE_URL)
    except NoPaperKey as exc:
        paper_keys.fail(account, reason=str(exc), by=By(None, timezone.now()))
        return
    sealing = keys.Sealing(venues.keyring(), settings.FINGERPRINT_PEPPER)
    by = By(None, timezone.now())
    if paper_keys.connect(account, credentials=credentials, sealing=sealing, by=by):
        ring(check_key, account_id)


@shared_task(name="loans.tasks.check_key", expires=60)
def check_key(account_id: str) -> None:
    """Make a check that was asked for."""
    account = Account.objects.connected().filter(pk=account_id).first()
    if account is None or not account.is_checking:
        return
    try:
        with venues.client_for(account, priority=limits.PERSON_WAITING) as client:
            seen = lights.try_out(account, client=client)
    except VaultError:
        lights.will_not_open(account, by=By(None, timezone.now()))
    else:
        lights.finish(account, seen, by=By(None, timezone.now()))
        ring(refresh_account, account_id)


@shared_task(name="loans.tasks.key_tick", expires=10)
def key_tick() -> None:
    """Ring again for keys that wait for a worker longer than a message takes."""
    overdue = Account.objects.kept().filter(
        check_requested_at__lt=timezone.now() - BELL_IS_LOST_AFTER, disabled=False
    )
    for account in overdue:
        if account.status == Account.Status.PENDING:
            ring(connect_paper_key, str(account.pk))
        elif account.is_checking and account.status == Account.Status.READY:
            ring(check_key, str(account.pk))
