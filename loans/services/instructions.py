"""What people do with instructions: place, cancel, decide by hand. Nothing here asks a venue."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction

from loans.models import (
    OPEN,
    Account,
    BorrowRecord,
    Instruction,
    Kind,
    Person,
    RepayRecord,
    State,
)
from loans.services import audit, rights, twins
from loans.services.transitions import move, write_event


class NotAllowed(Exception):
    """What was asked may not be done; the text is a sentence for the person."""


class SlotTaken(Exception):
    """Another instruction of the same account, pair, currency and kind is still open."""

    def __init__(self, instruction: Instruction) -> None:
        super().__init__(f"open: {instruction.pk}")
        self.instruction = instruction


class TooLate(Exception):
    """The state has moved on, so this can no longer be done."""


def place(
    *,
    person: Person,
    account: Account,
    kind: str,
    symbol: str,
    currency: str,
    amount: Decimal,
    nonce: str,
    now: datetime,
    expires_at: datetime | None = None,
    amount_cap: Decimal | None = None,
    repay_all: bool = False,
    rate_shown: Decimal | None = None,
    address: str | None = None,
    in_addition: bool = False,
) -> Instruction:
    """Write down what a person confirmed. The same nonce gives the same instruction again.

    Raises: NotAllowed with a sentence; SlotTaken with the instruction that holds the slot.
    """
    same = Instruction.objects.filter(nonce=nonce, requested_by=person)
    if earlier := same.first():
        return earlier
    if sentence := rights.refusal(person=person, account=account, kind=kind):
        raise NotAllowed(sentence)
    slot = {"account": account, "symbol": symbol, "currency": currency, "kind": kind}
    instruction = Instruction(
        **slot,
        requested_by=person,
        amount=amount,
        amount_confirmed=amount,
        amount_cap=amount_cap,
        repay_all=repay_all,
        rate_shown=rate_shown,
        nonce=nonce,
        created_at=now,
        expires_at=expires_at or now + timedelta(seconds=60),
    )
    try:
        with transaction.atomic():
            instruction.lane = _lane(slot, amount=amount, in_addition=in_addition)
            instruction.save(force_insert=True)
            _write_placed(instruction, person=person, now=now, address=address)
    except SlotTaken:
        if earlier := same.first():  # pressed twice, and the other was quicker
            return earlier
        raise
    except IntegrityError:
        return _who_was_first(slot, nonce=nonce, person=person)
    return instruction


def _lane(slot: dict, *, amount: Decimal, in_addition: bool) -> int:
    """0, or above every open one when a person asks for another beside an unknown one."""
    if twins.rival(slot):
        raise NotAllowed(
            "Another key of the same exchange account has an open instruction here. Wait until it "
            "has ended."
        )
    rivals = list(Instruction.objects.open().filter(**slot))
    if not rivals:
        return 0
    for rival in rivals:
        if not in_addition or rival.state not in (State.UNKNOWN, State.NEEDS_HUMAN):
            raise SlotTaken(rival)
        if amount in (rival.amount, rival.amount_confirmed):
            raise NotAllowed(
                "An instruction over the same amount may still have happened. Choose another "
                "amount, so that the two can be told apart."
            )
    return max(rival.lane for rival in rivals) + 1


def _write_placed(
    instruction: Instruction, *, person: Person, now: datetime, address: str | None
) -> None:
    facts = {
        "kind": instruction.kind,
        "symbol": instruction.symbol,
        "currency": instruction.currency,
        "amount": format(instruction.amount, "f"),
        "instruction": str(instruction.pk),
    }
    write_event(
        instruction, to=State.QUEUED, now=now, note="Confirmed and placed.", by=person, facts=facts
    )
    audit.record(
        action="instruction_placed",
        actor=person,
        account=instruction.account,
        address=address,
        now=now,
        **facts,
    )


def _who_was_first(slot: dict, *, nonce: str, person: Person) -> Instruction:
    """The unique index refused: the same token again, or an open instruction in the slot."""
    if same := Instruction.objects.filter(nonce=nonce, requested_by=person).first():
        return same
    rival = Instruction.objects.filter(**slot, state__in=OPEN).order_by("-lane").first()
    if rival is None:
        raise NotAllowed("Another instruction has just ended. Look at it, then ask again.")
    raise SlotTaken(rival)


def cancel(
    *, instruction: Instruction, person: Person, now: datetime, address: str | None = None
) -> None:
    """Take back what has not been claimed yet. Raises TooLate once a worker has it."""
    waiting = (State.AWAITING_APPROVAL, State.QUEUED)
    note = "Cancelled before anything was sent."
    if not move(
        instruction, sources=waiting, to=State.CANCELLED, now=now, note=note, by=person,
        settled_at=now, reason="cancelled", explanation=note,
    ):  # fmt: skip
        raise TooLate("A worker has already taken it, so it can no longer be cancelled.")
    audit.record(
        action="instruction_cancelled",
        actor=person,
        account=instruction.account,
        address=address,
        now=now,
        instruction=str(instruction.pk),
    )


def decide_by_hand(
    *,
    instruction: Instruction,
    person: Person,
    executed: bool,
    record_id: str | None,
    reason: str,
    now: datetime,
    address: str | None = None,
) -> None:
    """Record a person's verdict on what the site could not decide.

    Raises: NotAllowed if the record does not belong there, or no reason is given; TooLate if the
    instruction needs no decision any more.
    """
    if not reason.strip():
        raise NotAllowed("Say why you decide so; it is kept with the instruction.")
    bound = _record_named(instruction, record_id) if executed and record_id else {}
    to = State.EXECUTED_BY_HAND if executed else State.NOT_EXECUTED_BY_HAND
    verdict = "it happened" if executed else "it did not happen"
    note = f"Decided by hand that {verdict}: {reason.strip()}"
    try:
        moved = move(
            instruction, sources=(State.NEEDS_HUMAN,), to=to, now=now, note=note, by=person,
            facts={"record_id": record_id}, settled_at=now, look_at=None, reason="by_hand",
            explanation=note[:500], **bound,
        )  # fmt: skip
    except IntegrityError as exc:
        raise NotAllowed("That record already belongs to another instruction.") from exc
    if not moved:
        raise TooLate("It has been decided in the meantime.")
    audit.record(
        action="instruction_settled_by_hand",
        actor=person,
        account=instruction.account,
        address=address,
        now=now,
        instruction=str(instruction.pk),
        executed=executed,
        record_id=record_id,
        reason=reason.strip(),
    )


def _record_named(
    instruction: Instruction, record_id: str
) -> dict[str, BorrowRecord | RepayRecord]:
    model = BorrowRecord if instruction.kind == Kind.BORROW else RepayRecord
    record = model.objects.filter(
        account=instruction.account,
        record_id=record_id,
        symbol=instruction.symbol,
        currency=instruction.currency,
    ).first()
    if record is None:
        raise NotAllowed("There is no such record on this account, pair and currency.")
    return {f"{instruction.kind}_record": record}
