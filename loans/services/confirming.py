"""Binding the record of what was confirmed, and the second look at every negative verdict."""

import logging

from django.db import IntegrityError, transaction

from loans.models import Instruction
from loans.services.matching import Listed
from loans.services.sightings import View, is_exclusive, local_horizon, record_column
from loans.services.transitions import remark

log = logging.getLogger(__name__)


def bind_confirmed(instruction: Instruction, view: View) -> None:
    """Find the record of what the exchange confirmed; its id may differ from the answer's."""
    if len(view.found.equal) == 1:
        _bind(instruction, view.found.equal[0], view)
    elif view.now >= local_horizon(instruction, bounds=view.bounds):
        ended = {"look_at": None, "second_look_done_at": view.now}
        if view.found.emptied:
            ended["reason"] = "record_not_bound"  # it may be the one, repaid and emptied unseen
        elif not view.found.equal and view.evidence.is_complete:
            ended["contradicted_at"] = view.now
            log.error("instruction %s was confirmed but is not listed", instruction.pk)
            remark(
                instruction, now=view.now,
                note="The exchange confirmed it, but its complete list does not show it.",
            )  # fmt: skip
        elif view.found.equal:
            ended["reason"] = "record_not_bound"
        elif view.now < instruction.signed_at + view.bounds.give_up:
            return
        Instruction.objects.filter(pk=instruction.pk).update(**ended)


def _bind(instruction: Instruction, record: Listed, view: View) -> None:
    try:
        with transaction.atomic():
            Instruction.objects.filter(pk=instruction.pk).update(
                look_at=None,
                second_look_done_at=view.now,
                **record_column(instruction, record),
            )
            note = f"Its record is listed: {record.record_id}."
            remark(instruction, now=view.now, note=note, record_id=record.record_id)
    except IntegrityError:
        return  # bound elsewhere meanwhile
    instruction.refresh_from_db()


def look_again(instruction: Instruction, view: View) -> None:
    """Check a negative verdict once more, after everything must be visible."""
    if not view.evidence.is_complete and view.now < instruction.signed_at + view.bounds.give_up:
        return
    ended = {"look_at": None, "second_look_done_at": view.now}
    if view.found.equal:
        ids = [record.record_id for record in view.found.equal]
        if is_exclusive(instruction):
            ended["contradicted_at"] = view.now
            log.error("instruction %s: %s, but listed", instruction.pk, instruction.state)
        note = "A record that fits it is listed after all."
        remark(instruction, now=view.now, note=note, records=ids)
    Instruction.objects.filter(pk=instruction.pk).update(**ended)
