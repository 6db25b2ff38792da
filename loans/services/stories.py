"""An instruction told to people: what was asked, what may have happened, what comes next.

Each state has a headline, a plain explanation, what not to do meanwhile, and the next step with its
time. Words only: nothing here decides or changes anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from loans import formatting
from loans.models import (
    BEFORE_SENDING,
    HAPPENED,
    Instruction,
    Kind,
    State,
)
from loans.services import refusals
from loans.services.words import figure_of

QUICK_LOOKS = 6  # after these a record is looked for once a minute, and later more seldom


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the page of one instruction says; `next_at` None where no time can be named."""

    headline: str
    paragraphs: tuple[str, ...]
    tone: str = "info"
    warning: str = ""
    next_step: str = ""
    next_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a story needs beside the instruction itself."""

    now: datetime
    horizon: timedelta  # after the signing nothing can still start, run or become visible
    worker: str = ""  # that the worker is silent, or empty
    limit: Decimal | None = None  # the figure a refusal turns on


def watched_until(instruction: Instruction, horizon: timedelta) -> datetime | None:
    """By our clock: when nothing of it can still arrive; None before it is signed."""
    if instruction.signed_at is None:
        return None
    offset = timedelta(milliseconds=instruction.clock_offset_ms or 0)
    return instruction.signed_at + horizon - offset


def tell(instruction: Instruction, facts: Facts) -> Story:
    """The story of an instruction in its present state."""
    return _TELLERS[State(instruction.state)](instruction, facts)


def _deed(instruction: Instruction) -> str:
    return "borrow" if instruction.kind == Kind.BORROW else "repayment"


def _awaiting(instruction: Instruction, facts: Facts) -> Story:
    return Story(
        headline="Waits for a second person",
        paragraphs=("Somebody else with the right to approve has to look at it first.",),
        next_step="Dropped unless it is approved and sent",
        next_at=instruction.expires_at,
    )


def _queued(instruction: Instruction, facts: Facts) -> Story:
    paragraphs = ["It is written down and waits for the worker. Nothing has left this site yet."]
    if instruction.explanation:
        paragraphs.append(f"It could not be sent so far: {instruction.explanation}")
    late = instruction.is_late(facts.now)
    return Story(
        headline="Placed, not sent yet",
        paragraphs=tuple(paragraphs),
        warning=f"{facts.worker} Nothing is lost: it expires unsent." if facts.worker else "",
        next_step="Dropped now, unsent" if late else "Dropped unsent unless it is sent",
        next_at=None if late else instruction.expires_at,
    )


def _claimed(instruction: Instruction, facts: Facts) -> Story:
    looked_at = (
        "the clock, the rate and the limits"
        if instruction.kind == Kind.BORROW
        else "the clock, the debt and the balance"
    )
    return Story(
        headline="Being prepared",
        paragraphs=(
            f"The worker checks {looked_at} once more before anything is sent.",
            "Nothing has left this site yet.",
        ),
        next_step="Given back to the queue if the worker falls silent",
        next_at=instruction.lease_until,
    )


def _sending(instruction: Instruction, facts: Facts) -> Story:
    return Story(
        headline="Being sent",
        paragraphs=(
            "It is signed and on its way, once. Whatever happens, it is never sent again.",
        ),
        warning=_wait_warning(instruction),
        next_step="Looked up in the records unless the exchange answers",
        next_at=instruction.send_deadline_at,
    )


def _confirmed(instruction: Instruction, facts: Facts) -> Story:
    done = "lent" if instruction.kind == Kind.BORROW else "took"
    told = f"The exchange {done} {figure_of(instruction)} and gave the id of its answer."
    paragraphs = (told, _record_words(instruction))
    return Story(headline="Confirmed", paragraphs=paragraphs, tone="ok")


def _is_looked_up(instruction: Instruction) -> bool:
    return instruction.record is None and instruction.look_at is not None


def _record_words(instruction: Instruction) -> str:
    """Where its record is; a confirmation stands without one."""
    if instruction.record:
        return f"Its record is {instruction.record.record_id}."
    if _is_looked_up(instruction):
        return "Its record is being looked up; the answer and the record may have different ids."
    if instruction.contradicted_at is not None:
        return (
            "The exchange's complete list does not show it, though. Look at the exchange's own "
            "pages; an administrator has been told."
        )
    if instruction.reason == "record_not_bound":
        return "More than one record fits it, or one that reads zero by now, so none is named."
    if instruction.reason == "key_replaced":
        return "Its key was replaced by another before its record was found, so none is named."
    return "It happened; its record is not named, as the records could not be read for a day."


def _rejected(instruction: Instruction, facts: Facts) -> Story:
    return Story(
        headline="Refused by the exchange",
        paragraphs=(
            refusals.sentence(instruction, facts.limit),
            f"No money moved: this answer proves that the {_deed(instruction)} did not happen.",
            *_second_look(instruction, facts),
        ),
        tone="bad",
    )


def _not_sent(instruction: Instruction, facts: Facts) -> Story:
    told = instruction.explanation.rstrip(".")
    return Story(
        headline="Not sent",
        paragraphs=(
            "Not one byte of it left this site, so no money moved.",
            *((f"What happened: {told}.",) if told else ()),
            "It is not repeated by itself. You may place it again.",
            *_second_look(instruction, facts),
        ),
    )


def _second_look(instruction: Instruction, facts: Facts) -> tuple[str, ...]:
    if instruction.contradicted_at is not None:
        return (
            "Later a record turned up that fits it. Look at the exchange's own list before you "
            "place it again; an administrator has been told.",
        )
    if instruction.second_look_done_at is not None:
        return ("A second look at the records, after its time was over, agrees.",)
    return ()


def _unknown(instruction: Instruction, facts: Facts) -> Story:
    horizon = watched_until(instruction, facts.horizon)
    watched = f" until {formatting.both_zones(horizon)} at least" if horizon else ""
    over = horizon is not None and facts.now >= horizon
    return Story(
        headline="It may have happened",
        paragraphs=(
            _how_unclear(instruction),
            f"The exchange's records are looked at again and again{watched}: a record of it "
            "settles it at once, its absence only when nothing can still arrive.",
        ),
        tone="warn",
        warning=_wait_warning(instruction),
        next_step="Looked up again" if over else "Nothing of it can still arrive",
        next_at=instruction.look_at if over else horizon,
    )


def _is_sending_forgotten(instruction: Instruction) -> bool:
    """Whether a restored database took with it whether, and when, it was sent."""
    return not instruction.body_sha256


def _how_unclear(instruction: Instruction) -> str:
    if _is_sending_forgotten(instruction):
        return (
            "The database was restored, so this site no longer knows whether "
            f"{figure_of(instruction)} was sent. It was sent once at most, and is not sent again."
        )
    sent = f"{figure_of(instruction)} was sent once, and no clear answer came back."
    return f"{sent} {_why(instruction)}"


def _why(instruction: Instruction) -> str:
    """Why what came back does not settle it."""
    told = instruction.explanation.rstrip(".")
    if said := refusals.unclear(instruction.code):
        return f"The exchange said {said}, which does not say whether."
    if instruction.code is not None:
        return f"The exchange answered with code {instruction.code}, which settles nothing: {told}."
    if instruction.http_status is not None:
        return f"What came back (HTTP {instruction.http_status}) settles nothing: {told}."
    return f"{told[0].upper()}{told[1:]}." if told else "The answer was lost."


def _wait_warning(instruction: Instruction) -> str:
    rest = (
        " If the position is close to liquidation, look at the exchange's own pages."
        if instruction.kind == Kind.REPAY
        else ""
    )
    return f"Do not repeat it, here or at the exchange, until it is settled.{rest}"


def _needs_human(instruction: Instruction, facts: Facts) -> Story:
    sent = "may have been" if _is_sending_forgotten(instruction) else "was"
    return Story(
        headline="You have to decide",
        paragraphs=(
            f"{figure_of(instruction)} {sent} sent once, and the records do not settle whether it "
            f"happened. {instruction.explanation}".strip(),
            "Look at the loan list in the exchange's own pages, then say below what you saw. "
            "Until then nothing else is placed here unless you ask for it in addition.",
        ),
        tone="bad",
        warning=_wait_warning(instruction),
        next_step="Looked up again" if instruction.look_at else "",
        next_at=instruction.look_at,
    )


def _executed(instruction: Instruction, facts: Facts) -> Story:
    record = instruction.record
    believed = instruction.explanation or "Exactly one new record fits it."
    return Story(
        headline="It happened",
        paragraphs=(
            "No clear answer had come back, but the exchange's records show it"
            + (f": {record.record_id}." if record else "."),
            f"Why it is believed: {believed}",
        ),
        tone="ok",
    )


def _not_executed(instruction: Instruction, facts: Facts) -> Story:
    believed = instruction.explanation or "Two complete lists did not show it."
    return Story(
        headline="It did not happen",
        paragraphs=(
            "No money moved. You may place it again.",
            f"Why it is believed: {believed}",
            *_second_look(instruction, facts),
        ),
    )


def _by_hand(instruction: Instruction, facts: Facts) -> Story:
    happened = instruction.state in HAPPENED
    return Story(
        headline="It happened, a person decided"
        if happened
        else "It did not happen, a person decided",
        paragraphs=(instruction.explanation or "Decided by hand.",),
        tone="ok" if happened else "info",
    )


def _cancelled(instruction: Instruction, facts: Facts) -> Story:
    return Story(
        headline="Cancelled",
        paragraphs=("It was taken back before anything was sent. No money moved.",),
    )


def _expired(instruction: Instruction, facts: Facts) -> Story:
    waited = formatting.whole_seconds(instruction.expires_at, instruction.created_at)
    hindrance = instruction.explanation.partition("Last hindrance: ")[2]
    return Story(
        headline="Expired, not sent",
        paragraphs=(
            f"It could not be sent within {waited} s, so it was dropped: nothing is sent long "
            "after somebody confirmed it. No money moved.",
            *((f"What was in the way at last: {hindrance}",) if hindrance else ()),
        ),
        warning=facts.worker,
    )


def _aborted(instruction: Instruction, facts: Facts) -> Story:
    return Story(
        headline="Stopped before sending",
        paragraphs=(
            instruction.explanation or "The last look before sending found something in the way.",
            "Nothing was sent and no money moved.",
        ),
        tone="warn",
    )


_TELLERS: dict[State, Callable[[Instruction, Facts], Story]] = {
    State.AWAITING_APPROVAL: _awaiting,
    State.QUEUED: _queued,
    State.CLAIMED: _claimed,
    State.SENDING: _sending,
    State.CONFIRMED: _confirmed,
    State.REJECTED: _rejected,
    State.NOT_SENT: _not_sent,
    State.UNKNOWN: _unknown,
    State.EXECUTED: _executed,
    State.NOT_EXECUTED: _not_executed,
    State.NEEDS_HUMAN: _needs_human,
    State.EXECUTED_BY_HAND: _by_hand,
    State.NOT_EXECUTED_BY_HAND: _by_hand,
    State.CANCELLED: _cancelled,
    State.EXPIRED: _expired,
    State.ABORTED: _aborted,
}


def polling_seconds(instruction: Instruction) -> int | None:
    """How often its page asks again: often while it moves, seldom later, None once it rests.

    What is confirmed rests once its record is found, which takes seconds, or is given up.
    """
    if instruction.state == State.CONFIRMED and _is_looked_up(instruction):
        return 2 if instruction.looks < QUICK_LOOKS else 30
    if instruction.is_final:
        return None
    moving = instruction.state in (*BEFORE_SENDING, State.SENDING)
    return 1 if moving else 5
