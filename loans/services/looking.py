"""Learning what became of an instruction, by reading the venue's records. Nothing here sends.

A record found proves at once; absence proves only after the horizon, from two complete listings.
What cannot be decided is left to a person, never guessed.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from loans.bitmart.client import Client
from loans.bitmart.errors import ReadError
from loans.models import HAPPENED, UNDECIDED, Account, Coverage, Instruction, Kind, State
from loans.services import records
from loans.services.bounds import Bounds
from loans.services.listings import Evidence, list_since
from loans.services.matching import SLACK, Found, Listed, Sought, Verdict, judge, search
from loans.services.transitions import move, remark

log = logging.getLogger(__name__)
FIRST_LOOKS = tuple(timedelta(seconds=n) for n in (2, 5, 10, 20, 40, 60))
LATE_LOOKS = timedelta(minutes=15)
SECOND_LOOKS = (
    State.REJECTED,
    State.NOT_SENT,
    State.NOT_EXECUTED,
    State.NOT_EXECUTED_BY_HAND,
)


@dataclass(frozen=True, slots=True)
class View:
    """One look: what was listed, what of it is new for the instruction, and by which clock."""

    evidence: Evidence
    found: Found
    venue_now: datetime
    now: datetime
    bounds: Bounds
    is_probed: bool


def look(
    instruction: Instruction, *, client: Client, bounds: Bounds, is_probed: bool, now: datetime
) -> None:
    """Look once, if it is due and no other process does. Safe to call at any time."""
    if not _take_turn(instruction, bounds=bounds, now=now):
        return
    try:
        view = _view(instruction, client=client, bounds=bounds, is_probed=is_probed, now=now)
    except ReadError as exc:
        log.warning("looking for %s: %s", instruction.pk, exc.detail)
        _give_up_after_a_day(instruction, bounds=bounds, now=now)
        return
    if instruction.state in (State.UNKNOWN, State.NEEDS_HUMAN):
        _decide(instruction, view)
    elif instruction.state == State.CONFIRMED:
        _bind_confirmed(instruction, view)
    elif instruction.state in SECOND_LOOKS:
        _second_look(instruction, view)


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


def local_horizon(instruction: Instruction, *, bounds: Bounds) -> datetime:
    """By our clock: when nothing of it can still start, run or become visible."""
    offset = timedelta(milliseconds=instruction.clock_offset_ms or 0)
    return instruction.signed_at + bounds.horizon - offset


def _view(
    instruction: Instruction, *, client: Client, bounds: Bounds, is_probed: bool, now: datetime
) -> View:
    sought = _sought(instruction)
    since = sought.window(bounds)[0]
    evidence = list_since(client, symbol=instruction.symbol, kind=instruction.kind, since=since)
    rows = [record.row for record in evidence.records]
    records.store(account=instruction.account, kind=instruction.kind, rows=rows, now=now)
    found = search(evidence.records, sought, bounds)
    if instruction.state == State.CONFIRMED:
        found = _before_the_answer(instruction, found)
    venue_now = evidence.venue_now or client.server_time().at
    return View(evidence, found, venue_now, now, bounds, is_probed)


def _sought(instruction: Instruction) -> Sought:
    rivals = _siblings(instruction)
    bound = rivals.exclude(**{f"{instruction.kind}_record": None})
    taken = bound.values_list(f"{instruction.kind}_record__record_id", flat=True)
    waiting = rivals.filter(state__in=UNDECIDED).values_list("amount", flat=True)
    return Sought(
        symbol=instruction.symbol,
        currency=instruction.currency,
        amount=instruction.amount,
        signed_at=instruction.signed_at,
        answer_id=instruction.answer_id,
        known_ids=frozenset(instruction.known_ids) | frozenset(taken),
        explained=frozenset(waiting) | frozenset(_unbound(instruction)),
    )


def _siblings(instruction: Instruction) -> "Instruction.objects":
    return Instruction.objects.filter(
        account=instruction.account,
        symbol=instruction.symbol,
        currency=instruction.currency,
        kind=instruction.kind,
    ).exclude(pk=instruction.pk)


def _unbound(instruction: Instruction) -> list:
    """Amounts of others that happened and whose records are not bound yet."""
    happened = _siblings(instruction).filter(
        state__in=HAPPENED, **{f"{instruction.kind}_record": None}
    )
    return list(happened.values_list("amount", flat=True))


def _before_the_answer(instruction: Instruction, found: Found) -> Found:
    """What was confirmed had happened by then, so later equal records are somebody else's."""
    offset = timedelta(milliseconds=instruction.clock_offset_ms or 0)
    latest = instruction.settled_at + offset + SLACK
    return Found(tuple(r for r in found.equal if r.at <= latest), found.unexplained)


# --- Not yet decided ---------------------------------------------------------------------------


def _decide(instruction: Instruction, view: View) -> None:
    verdict = judge(view.found)
    shared_out = instruction.amount in _unbound(instruction)
    if verdict == Verdict.MATCH and not shared_out:
        _executed(instruction, view)
    elif verdict == Verdict.AMBIGUOUS and not shared_out:
        double = _is_exclusive(instruction)
        _ask_person(
            instruction, view, reason="double" if double else "several",
            sentence="Several new records fit it. Only you can say which one is it.",
        )  # fmt: skip
    elif view.venue_now >= instruction.signed_at + view.bounds.horizon:
        _decide_after_horizon(instruction, view, verdict)


def _executed(instruction: Instruction, view: View) -> None:
    record = view.found.equal[0]
    exclusive = _is_exclusive(instruction)
    how = "nobody else uses this account" if exclusive else "match; the account is shared"
    note = f"Found in the exchange's records ({record.record_id}); {how}."
    try:
        moved = move(
            instruction, sources=(State.UNKNOWN, State.NEEDS_HUMAN), to=State.EXECUTED,
            now=view.now, note=note,
            facts={"record_id": record.record_id, "how": view.evidence.how, "shared": not exclusive},
            settled_at=view.now, look_at=None, second_look_done_at=view.now, reason="found",
            explanation=note, **_record_column(instruction, record),
        )  # fmt: skip
    except IntegrityError:
        return  # another instruction was bound to it meanwhile; the next look sees that
    if moved and exclusive and view.found.unexplained:
        _withdraw_exclusive(instruction.account, view.found.unexplained)


def _record_column(instruction: Instruction, record: Listed) -> dict:
    model = records.model_of(instruction.kind)
    row = model.objects.get(account=instruction.account, record_id=record.record_id)
    return {f"{instruction.kind}_record": row}


def _decide_after_horizon(instruction: Instruction, view: View, verdict: Verdict) -> None:
    if instruction.state == State.NEEDS_HUMAN:
        return
    if not view.evidence.is_complete or not _is_trusted(instruction):
        _give_up_after_a_day(instruction, bounds=view.bounds, now=view.now)
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
    if verdict == Verdict.OTHER_ONLY:
        clamped = instruction.kind == Kind.REPAY and any(
            record.amount < instruction.amount for record in view.found.unexplained
        )
        if clamped and _is_exclusive(instruction):
            return "clamped", "The only new repayment is smaller than what was sent. Decide."
        if _is_exclusive(instruction):
            return "other_records", "There is a new record that no instruction explains. Decide."
        if not _echo_proven(instruction):
            return "echo_unproven", (
                "There are new records over other amounts, and it is not known yet that the "
                "exchange lists exactly the amount that was sent. Decide."
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


def _give_up_after_a_day(instruction: Instruction, *, bounds: Bounds, now: datetime) -> None:
    if now < instruction.signed_at + bounds.give_up:
        return
    sentence = "For a day its records could not be read reliably, so a person has to decide."
    move(
        instruction, sources=(State.UNKNOWN,), to=State.NEEDS_HUMAN, now=now, note=sentence,
        reason="unlistable", explanation=sentence,
    )  # fmt: skip
    Instruction.objects.filter(pk=instruction.pk).exclude(state__in=UNDECIDED).update(look_at=None)


def _is_exclusive(instruction: Instruction) -> bool:
    return instruction.account.mode == Account.Mode.EXCLUSIVE


def _is_trusted(instruction: Instruction) -> bool:
    """Whether the venue's listings of this stream have never contradicted each other."""
    stream = Coverage.objects.filter(
        account=instruction.account, symbol=instruction.symbol, kind=instruction.kind
    )
    return not stream.filter(trusted=False).exists()


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


# --- Already decided ---------------------------------------------------------------------------


def _bind_confirmed(instruction: Instruction, view: View) -> None:
    """Find the record of what the exchange confirmed; its id may differ from the answer's."""
    if len(view.found.equal) == 1:
        _bind(instruction, view.found.equal[0], view)
    elif view.now >= local_horizon(instruction, bounds=view.bounds):
        ended = {"look_at": None, "second_look_done_at": view.now}
        if not view.found.equal and view.evidence.is_complete:
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
                **_record_column(instruction, record),
            )
            note = f"Its record is listed: {record.record_id}."
            remark(instruction, now=view.now, note=note, record_id=record.record_id)
    except IntegrityError:
        return  # bound elsewhere meanwhile
    instruction.refresh_from_db()


def _second_look(instruction: Instruction, view: View) -> None:
    """Check a negative verdict once more, after everything must be visible."""
    if not view.evidence.is_complete and view.now < instruction.signed_at + view.bounds.give_up:
        return
    ended = {"look_at": None, "second_look_done_at": view.now}
    if view.found.equal:
        ids = [record.record_id for record in view.found.equal]
        if _is_exclusive(instruction):
            ended["contradicted_at"] = view.now
            log.error("instruction %s: %s, but listed", instruction.pk, instruction.state)
        remark(
            instruction, now=view.now, note="A record that fits it is listed after all.", records=ids
        )  # fmt: skip
    Instruction.objects.filter(pk=instruction.pk).update(**ended)
