"""Probing one account's exchange, when a person or the operator asks."""

from celery import shared_task
from django.utils import timezone

from loans import venues
from loans.bitmart import limits
from loans.models import Account, Kind
from loans.services import probing, rights


@shared_task(name="loans.tasks.probe_account", expires=60)
def probe_account(account_id: str) -> None:
    """Run every probe that only reads."""
    account = Account.objects.connected().filter(pk=account_id).first()
    if account is None:
        return
    limiter = venues.limiter_for(account.venue, key=account.fingerprint)
    log = probing.HeaderLog(limiter)
    with venues.client_for(account, limiter=log, priority=limits.PERSON_WAITING) as client:
        probing.probe(
            account=account,
            client=client,
            log=log,
            bounds=venues.money_bounds(),
            now=timezone.now(),
        )


@shared_task(name="loans.tasks.probe_expiry", expires=60)
def probe_expiry(account_id: str) -> None:
    """P7: on a person's word, since it signs a borrow (of nothing), and none is stopped."""
    account = Account.objects.connected().filter(pk=account_id).first()
    if account is None or rights.stop_sentence(account=account, kind=Kind.BORROW):
        return
    with venues.client_for(account, priority=limits.PERSON_WAITING) as client:
        probing.probe_expiry(account=account, client=client, now=timezone.now())
