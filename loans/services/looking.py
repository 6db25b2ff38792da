"""Learning what became of an instruction, by reading the venue's records. Nothing here sends.

A record found proves at once; absence proves only after the horizon, from two complete listings.
What cannot be decided is left to a person, never guessed.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import F

from loans.bitmart.client import Client
from loans.bitmart.errors import ReadError
from loans.models import Instruction, State
from loans.services.bounds import Bounds
from loans.services.clock import Clock
from loans.services.confirming import bind_confirmed, look_again
from loans.services.deciding import decide, give_up_after_a_day
from loans.services.sightings import local_horizon, see

log = logging.getLogger(__name__)
FIRST_LOOKS = tuple(timedelta(seconds=n) for n in (2, 5, 10, 20, 40, 60))
LATE_LOOKS = timedelta(minutes=15)
SECOND_LOOKS = (
    State.REJECTED,
    State.NOT_SENT,
    State.NOT_EXECUTED,
    State.NOT_EXECUTED_BY_HAND,
)


def look(
    instruction: Instruction,
    *,
    client: Client,
    bounds: Bounds,
    is_probed: bool,
    now: datetime,
    clock: Clock | None = None,
) -> None:
    """Look once, if it is due and no other process does. Safe to call at any time.

    Without a `clock`, time stands still at `now` while it looks, as where time is driven.
    """
    if not _take_turn(instruction, bounds=bounds, now=now):
        return
    try:
        view = see(
            instruction,
            client=client,
            bounds=bounds,
            is_probed=is_probed,
            now=now,
            clock=clock or (lambda: now),
        )
    except ReadError as exc:
        log.warning("looking for %s: %s", instruction.pk, exc.detail)
        give_up_after_a_day(instruction, bounds=bounds, now=now)
        return
    if instruction.state in (State.UNKNOWN, State.NEEDS_HUMAN):
        decide(instruction, view)
    elif instruction.state == State.CONFIRMED:
        bind_confirmed(instruction, view)
    elif instruction.state in SECOND_LOOKS:
        look_again(instruction, view)


def look_in_vain(instruction: Instruction, *, bounds: Bounds, now: datetime) -> None:
    """Its records cannot be read (the key does not open, or is gone): come back later.

    A person decides after a day; what is only looked at a second time is then left alone. Without
    this such rows would stay due, and in the end crowd out those that can be looked for.
    """
    if _take_turn(instruction, bounds=bounds, now=now):
        give_up_after_a_day(instruction, bounds=bounds, now=now)


def _take_turn(instruction: Instruction, *, bounds: Bounds, now: datetime) -> bool:
    """Set the next time by compare-and-set, so that two processes do not look at once."""
    if instruction.look_at is None or instruction.look_at > now:
        return False
    turn = Instruction.objects.filter(pk=instruction.pk, look_at=instruction.look_at)
    coming = next_look(instruction, bounds=bounds, now=now)
    if turn.update(look_at=coming, looks=F("looks") + 1) != 1:
        return False
    instruction.refresh_from_db()
    return True


def next_look(instruction: Instruction, *, bounds: Bounds, now: datetime) -> datetime:
    """2, 5, 10, 20, 40, 60 s, then each minute to the horizon, then ever slower to 15 minutes."""
    horizon = local_horizon(instruction, bounds=bounds)
    if now < horizon:
        step = FIRST_LOOKS[min(instruction.looks, len(FIRST_LOOKS) - 1)]
        return min(now + step, horizon + timedelta(seconds=1))
    return now + min(LATE_LOOKS, max(bounds.between_proofs, (now - horizon) / 2))
