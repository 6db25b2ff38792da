"""The one way an instruction changes its state: compare, set and write down, in one transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Max, Q

from loans.models import Instruction, InstructionEvent, Person, State


def move(
    instruction: Instruction,
    *,
    sources: Collection[State],
    to: State,
    now: datetime,
    note: str,
    where: Q | None = None,
    by: Person | None = None,
    facts: dict[str, Any] | None = None,
    durable: bool = False,
    **columns: Any,
) -> bool:
    """Move from one of `sources` to `to` if the row is still there and `where` holds.

    Gives False, and changes nothing, if another was first. `durable` makes the commit survive a
    power cut and refuses to run inside another transaction. Refreshes `instruction` on success.
    """
    with transaction.atomic(durable=durable):
        if durable and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = on")
        rows = Instruction.objects.filter(where or Q(), pk=instruction.pk, state__in=sources)
        if rows.update(state=to, **columns) != 1:
            return False
        write_event(instruction, to=to, now=now, note=note, by=by, facts=facts)
    instruction.refresh_from_db()
    return True


def write_event(
    instruction: Instruction,
    *,
    to: State,
    now: datetime,
    note: str,
    by: Person | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Append one event; the caller holds the row's lock, so the sequence has no rival."""
    last = InstructionEvent.objects.filter(instruction=instruction).order_by("-sequence").first()
    InstructionEvent.objects.create(
        instruction=instruction,
        sequence=last.sequence + 1 if last else 1,
        at=now,
        from_state=last.to_state if last else "",
        to_state=to,
        by=by,
        note=note[:500],
        facts=facts or {},
    )


def remark(instruction: Instruction, *, now: datetime, note: str, **facts: Any) -> None:
    """Write down something that did not change the state."""
    with transaction.atomic():
        held = Instruction.objects.select_for_update().get(pk=instruction.pk)
        write_event(held, to=State(held.state), now=now, note=note, facts=facts)


def differing_from_events() -> list[str]:
    """The ids of instructions whose state is not the fold of their events; must be empty."""
    latest = Instruction.objects.annotate(newest=Max("events__sequence"))
    told = latest.filter(events__sequence=F("newest"), events__to_state=F("state"))
    wrong = Instruction.objects.exclude(pk__in=told.values("pk"))
    return [str(pk) for pk in wrong.values_list("pk", flat=True)]
