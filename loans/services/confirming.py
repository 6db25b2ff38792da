"""Binding the record of what was confirmed, and the second look at every negative verdict."""

import logging

from django.db import IntegrityError, transaction

from loans.models import Instruction
from loans.services import rivals
from loans.services.matching import Listed
from loans.services.sightings import View, is_exclusive, local_horizon, record_column
from loans.services.transitions import remark

log = logging.getLogger(__name__)


def bind_confirmed(instruction: Instruction, view: View) -> None:
    """Find the record of what the exchange confirmed; its id may differ from the answer's."""
    if record := _own(instruction, view):
        _bind(instruction, record, view)
    elif view.now >= local_horizon(instruction, bounds=view.bounds) and _is_over(view):
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


def _own(instruction: Instruction, view: View) -> Listed | None:
    """The record that can only be its own; in the end the one that is left, or the first."""
    fits = rivals.possible(view.found.equal, view.ours, view.rivals)
    if any(record.record_id == instruction.answer_id for record in fits):
        return fits[0]  # an equal id was given back alone
    certain = rivals.sure(fits, view.ours, view.rivals)
    if len(certain) == 1 and (len(fits) == 1 or is_exclusive(instruction)):
        return certain[0]
    is_told = view.evidence.is_complete and not view.found.emptied
    if not (view.rivals and is_told and _is_over(view)):
        return None
    if len(fits) == 1:
        return fits[0]
    is_first = all(one.is_dated and one.signed_at > view.ours.signed_at for one in view.rivals)
    return rivals.earliest(fits) if is_first and is_exclusive(instruction) else None


def _is_over(view: View) -> bool:
    """Whether nothing of it or of its rivals is still to come, and older ones were settled."""
    over = rivals.are_over(view.ours, view.rivals, bounds=view.bounds, venue_now=view.venue_now)
    older = [one for one in view.rivals if one.signed_at <= view.ours.signed_at]
    return over and not any(one.is_answered and one.is_looking for one in older)


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
    if view.found.equal and _is_undecided_whose(instruction, view):
        return
    ended = {"look_at": None, "second_look_done_at": view.now}
    if len(view.found.equal) > len(view.rivals):
        ids = [record.record_id for record in view.found.equal]
        if is_exclusive(instruction):
            ended["contradicted_at"] = view.now
            log.error("instruction %s: %s, but listed", instruction.pk, instruction.state)
        note = "A record that fits it is listed after all."
        remark(instruction, now=view.now, note=note, records=ids)
    Instruction.objects.filter(pk=instruction.pk).update(**ended)


def _is_undecided_whose(instruction: Instruction, view: View) -> bool:
    """Whether what fits may still turn out to be a rival's."""
    is_awaited = any(rival.is_awaited for rival in view.rivals)
    return is_awaited and view.now < instruction.signed_at + view.bounds.give_up
