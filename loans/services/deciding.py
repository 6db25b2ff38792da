"""Deciding what may have happened: found at once, absent by proof only, else a person decides."""

import logging
from datetime import datetime

from django.db import IntegrityError
from django.db.models import Q

from loans.models import HAPPENED, UNDECIDED, Account, Coverage, Instruction, Kind, State
from loans.services import rivals, tags
from loans.services.bounds import Bounds
from loans.services.matching import Listed, Verdict, judge
from loans.services.sightings import (
    View,
    is_exclusive,
    is_signing_unknown,
    local_horizon,
    record_column,
)
from loans.services.transitions import move

log = logging.getLogger(__name__)


def decide(instruction: Instruction, view: View) -> None:
    """Draw from one look whatever may be concluded for an unknown one."""
    verdict = judge(view.found)
    if record := _own(instruction, view):
        _executed(instruction, view, record)
    elif verdict == Verdict.AMBIGUOUS and not view.rivals:
        double = is_exclusive(instruction)
        _ask_person(
            instruction, view, reason="double" if double else "several",
            sentence="Several new records fit it. Only you can say which one is it.",
        )  # fmt: skip
        if double:  # it was sent once, so not all of them can be ours
            _withdraw_exclusive(instruction.account, view.found.equal)
    elif any(rival.state in HAPPENED and rival.is_looking for rival in view.rivals):
        return  # what that one turns out to be leaves less to choose from
    elif _is_over(instruction, view):
        _decide_after_horizon(instruction, view, verdict)


def _is_over(instruction: Instruction, view: View) -> bool:
    """Whether nothing of it can still happen, by the exchange's clock and by ours: one of them may
    have leapt ahead.
    """
    by_venue = instruction.signed_at + view.bounds.horizon
    return view.venue_now >= by_venue and view.now >= local_horizon(instruction, bounds=view.bounds)


def _own(instruction: Instruction, view: View) -> Listed | None:
    """The record that can only be its own, as far as this site's instructions go."""
    certain = rivals.sure(view.found.equal, view.ours, view.rivals)
    others_may_be = len(view.found.equal) > 1 and not (view.rivals and is_exclusive(instruction))
    return certain[0] if len(certain) == 1 and not others_may_be else None


def _executed(instruction: Instruction, view: View, record: Listed) -> None:
    exclusive = is_exclusive(instruction)
    note = f"Found in the exchange's records ({record.record_id}); {_how_sure(instruction)}."
    try:
        moved = move(
            instruction, sources=(State.UNKNOWN, State.NEEDS_HUMAN), to=State.EXECUTED,
            now=view.now, note=note,
            facts={"record_id": record.record_id, "how": view.evidence.how},
            settled_at=view.now, look_at=None, second_look_done_at=view.now, reason="found",
            explanation=note, **record_column(instruction, record),
        )  # fmt: skip
    except IntegrityError:
        return  # another instruction was bound to it meanwhile; the next look sees that
    if moved and exclusive and view.found.unexplained:
        _withdraw_exclusive(instruction.account, view.found.unexplained)


def _how_sure(instruction: Instruction) -> str:
    if is_exclusive(instruction):
        return "nobody else uses this account"
    if tags.is_tagged(instruction):
        return "others use this account, but the amount is unlike theirs"
    return "others use this account too, so it may be another's loan of the same amount"


def _decide_after_horizon(instruction: Instruction, view: View, verdict: Verdict) -> None:
    if instruction.state == State.NEEDS_HUMAN:
        return
    if not view.evidence.is_complete:
        give_up_after_a_day(instruction, bounds=view.bounds, now=view.now)
        return
    if verdict in (Verdict.MATCH, Verdict.AMBIGUOUS):
        _ask_person(
            instruction, view, reason="several",
            sentence="Another instruction over the same amount fits the same records.",
        )  # fmt: skip
    elif doubt := _doubt(instruction, view, verdict):
        _ask_person(instruction, view, reason=doubt[0], sentence=doubt[1])
    else:
        _prove_absent(instruction, view)


def _doubt(instruction: Instruction, view: View, verdict: Verdict) -> tuple[str, str] | None:
    """Why absence may not be concluded although no equal record is listed."""
    if view.found.emptied:
        return "emptied", (
            "A new record reads zero: it may be yours, executed and repaid already. Look at it on "
            "the exchange and decide."
        )
    if verdict == Verdict.OTHER_ONLY and is_signing_unknown(instruction):
        return "forgotten", (
            "It may have been sent before the database was restored, and there is a new record "
            "over another amount. Decide."
        )
    if verdict == Verdict.OTHER_ONLY:
        clamped = instruction.kind == Kind.REPAY and any(
            record.amount < instruction.amount for record in view.found.unexplained
        )
        if clamped and is_exclusive(instruction):
            return "clamped", "The only new repayment is smaller than what was sent. Decide."
        if is_exclusive(instruction):
            return "other_records", "There is a new record that no instruction explains. Decide."
        if not _echo_proven(instruction):
            return "echo_unproven", (
                "There are new records over other amounts, and it is not known yet that the "
                "exchange lists exactly the amount that was sent. Decide."
            )
    if not _is_trusted(instruction, by_window=view.evidence.by_window):
        return "untrusted", (
            "No record of it is listed, but the exchange's lists of this pair contradicted each "
            "other or what they were asked for, so this site does not conclude from them. Decide."
        )
    if not view.is_probed:
        return "unprobed", (
            "No record of it is listed, but what this site assumes of the exchange has not been "
            "confirmed for this account, so it does not decide alone."
        )
    return None


def _prove_absent(instruction: Instruction, view: View) -> None:
    """Absence counts when two complete listings, far enough apart, both lack it."""
    first = instruction.absent_since
    if first is None:
        due = view.now + view.bounds.between_proofs
        Instruction.objects.filter(pk=instruction.pk, absent_since=None).update(
            absent_since=view.now, look_at=due
        )
        return
    if view.now - first < view.bounds.between_proofs:
        return
    note = "It did not happen: after its time was over, two complete lists did not show it."
    move(
        instruction, sources=(State.UNKNOWN,), to=State.NOT_EXECUTED, now=view.now, note=note,
        facts={"how": view.evidence.how, "first_absent_at": first.isoformat()},
        settled_at=view.now, reason="absent", explanation=note,
        look_at=view.now + view.bounds.visibility,
    )  # fmt: skip


def _ask_person(instruction: Instruction, view: View, *, reason: str, sentence: str) -> None:
    shown = [*view.found.equal, *view.found.unexplained]
    candidates = [
        {
            "record_id": record.record_id,
            "amount": format(record.amount, "f"),
            "at": record.at.isoformat(),
            "equal": record in view.found.equal,
        }
        for record in shown
    ]
    move(
        instruction, sources=(State.UNKNOWN,), to=State.NEEDS_HUMAN, now=view.now, note=sentence,
        facts={"candidates": candidates}, reason=reason, explanation=sentence,
        candidates=candidates,
    )  # fmt: skip
    if reason == "double":
        log.error("instruction %s: one request, several equal new records", instruction.pk)


def give_up_after_a_day(instruction: Instruction, *, bounds: Bounds, now: datetime) -> None:
    """Ask a person once listing has been impossible for a day."""
    if now < instruction.signed_at + bounds.give_up:
        return
    sentence = "For a day its records could not be read reliably, so a person has to decide."
    move(
        instruction, sources=(State.UNKNOWN,), to=State.NEEDS_HUMAN, now=now, note=sentence,
        reason="unlistable", explanation=sentence,
    )  # fmt: skip
    Instruction.objects.filter(pk=instruction.pk).exclude(state__in=UNDECIDED).update(look_at=None)


def _is_trusted(instruction: Instruction, *, by_window: bool) -> bool:
    """Whether nothing speaks against the listings that the evidence is made of.

    A failed control speaks against windows; what an audit found against every short page.
    """
    stream = Coverage.objects.filter(
        account=instruction.account, symbol=instruction.symbol, kind=instruction.kind
    )
    against = Q(trusted=False) if by_window else ~Q(doubt="")
    return not stream.filter(against).exists()


def _echo_proven(instruction: Instruction) -> bool:
    """Whether an earlier confirmed one of this currency was listed with exactly its amount."""
    confirmed = Instruction.objects.filter(
        account=instruction.account,
        kind=instruction.kind,
        currency=instruction.currency,
        state=State.CONFIRMED,
    )
    return confirmed.exclude(**{f"{instruction.kind}_record": None}).exists()


def _withdraw_exclusive(account: Account, strangers: tuple[Listed, ...]) -> None:
    names = ", ".join(record.record_id for record in strangers)[:200]
    Account.objects.filter(pk=account.pk, mode=Account.Mode.EXCLUSIVE).update(
        mode=Account.Mode.SHARED,
        mode_reason=f"Records appeared that no instruction explains: {names}",
    )
