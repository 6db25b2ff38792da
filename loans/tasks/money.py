"""The tasks that move money, and those that learn what became of it."""

import logging

from celery import shared_task
from django.utils import timezone

from loans import venues
from loans.bitmart import limits
from loans.models import HAPPENED, Account, Instruction, State
from loans.services import heartbeats, recovery, sweeping
from loans.services.looking import look, look_in_vain
from loans.services.sending import send
from loans.tasks.bell import ring
from loans.tasks.sync import refresh_pair
from loans.vault import VaultError

logger = logging.getLogger(__name__)

TICK_SECONDS = 2


@shared_task(name="loans.tasks.send_instruction", expires=60, acks_late=False, max_retries=0)
def send_instruction(instruction_id: str) -> None:
    """Take one queued instruction as far as it goes; whoever is second does nothing."""
    recovery.heed_journal(venues.journal(), now=timezone.now())
    heartbeats.beat(name="money", now=timezone.now())
    instruction = Instruction.objects.filter(pk=instruction_id).first()
    if instruction is None or instruction.state != State.QUEUED:
        return
    try:
        with venues.money_line(instruction.account) as line:
            send(instruction, line)
    except VaultError:
        logger.error("the key of account %s does not open", instruction.account_id)
        # Another worker may have the right keyring; if none has, this says why it expired.
        waiting = Instruction.objects.filter(pk=instruction.pk, state=State.QUEUED)
        waiting.update(explanation="The stored key does not open with this site's keyring.")
        return
    if instruction.look_at is not None:
        ring(look_for_instruction, instruction_id)
    _refresh_after(instruction)


@shared_task(name="loans.tasks.look_for_instruction", expires=60)
def look_for_instruction(instruction_id: str) -> None:
    """Read the records for one instruction, if its time has come."""
    instruction = Instruction.objects.filter(pk=instruction_id).first()
    if instruction is None:
        return
    account, bounds, now = instruction.account, venues.money_bounds(), timezone.now()
    before = instruction.state
    try:
        with venues.client_for(account, priority=limits.UNKNOWN_OUTCOME) as client:
            look(
                instruction,
                client=client,
                bounds=bounds,
                is_probed=venues.is_probed(account),
                now=now,
                clock=timezone.now,
            )
    except VaultError:
        if account.status != Account.Status.REMOVED:
            logger.error("the key of account %s does not open", account.pk)
        look_in_vain(instruction, bounds=bounds, now=now)
    if instruction.state != before:
        _refresh_after(instruction)


def _refresh_after(instruction: Instruction) -> None:
    """Debt and balance have changed: a person wants to see it now, not within the minute."""
    if instruction.state in HAPPENED:
        ring(refresh_pair, str(instruction.account_id), instruction.symbol)


@shared_task(name="loans.tasks.money_tick", expires=2)
def money_tick() -> None:
    """Keep every instruction moving: what bells, workers or the power have lost is found here.

    The journal first: what a restored database believes to be waiting may have been sent.
    """
    now = timezone.now()
    if now.second % 10 < TICK_SECONDS:  # one write in five ticks shows life often enough
        heartbeats.beat(name="money", now=now)
    recovery.heed_journal(venues.journal(), now=now)
    due = sweeping.sweep(now=now)
    for instruction_id in due.to_send:
        ring(send_instruction, instruction_id)
    for instruction_id in due.to_look:
        ring(look_for_instruction, instruction_id)
