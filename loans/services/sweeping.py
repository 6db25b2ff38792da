"""What keeps every instruction moving: it finds what messages, workers or the power have lost."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from loans.models import Instruction, State
from loans.services.transitions import move

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Due:
    """Ids of instructions to send, and of those to look for."""

    to_send: tuple[str, ...]
    to_look: tuple[str, ...]


def sweep(*, now: datetime) -> Due:
    """Expire, take back, and give up waiting; then say what is due. Safe to run anywhere, twice."""
    _expire(now)
    _take_back(now)
    _stop_waiting(now)
    ready = Q(lease_until=None) | Q(lease_until__lte=now)
    queued = Instruction.objects.filter(ready, state=State.QUEUED).order_by("created_at")
    due = Instruction.objects.filter(look_at__lte=now).order_by("look_at")
    return Due(_ids(queued), _ids(due))


def _ids(rows: "Instruction.objects") -> tuple[str, ...]:
    return tuple(str(pk) for pk in rows.values_list("pk", flat=True)[:AT_ONCE])


def _expire(now: datetime) -> None:
    """Nothing is sent long after a person confirmed it."""
    waiting = (State.AWAITING_APPROVAL, State.QUEUED)
    for instruction in Instruction.objects.filter(state__in=waiting, expires_at__lte=now):
        sentence = "It waited too long to be sent, so it was dropped. Nothing left this site."
        if instruction.explanation:
            sentence = f"{sentence} Last hindrance: {instruction.explanation}"
        move(
            instruction, sources=waiting, to=State.EXPIRED, now=now, note=sentence,
            settled_at=now, reason="expired", explanation=sentence[:500],
        )  # fmt: skip


def _take_back(now: datetime) -> None:
    """A worker that claimed and vanished has sent nothing: another may try."""
    for instruction in Instruction.objects.filter(state=State.CLAIMED, lease_until__lte=now):
        move(
            instruction, sources=(State.CLAIMED,), to=State.QUEUED, now=now,
            note="The worker that had taken it fell silent before sending; another may try.",
            where=Q(lease_until__lte=now), lease_until=None,
        )  # fmt: skip


def _stop_waiting(now: datetime) -> None:
    """A worker that was sending and vanished may have sent it: only the records can say."""
    for instruction in Instruction.objects.filter(state=State.SENDING, send_deadline_at__lte=now):
        sentence = "The worker that was sending it fell silent, so it may have happened."
        move(
            instruction, sources=(State.SENDING,), to=State.UNKNOWN, now=now, note=sentence,
            reason="no_answer", explanation=sentence, look_at=now,
        )  # fmt: skip
