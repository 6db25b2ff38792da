"""An instruction in one sentence: what is confirmed, what was asked, what was the outcome."""

from decimal import Decimal

from loans import formatting
from loans.models import Instruction, Kind, State

_OUTCOMES: dict[State, str] = {
    State.AWAITING_APPROVAL: "It waits for approval.",
    State.QUEUED: "It is placed and not sent yet.",
    State.CLAIMED: "It is being prepared.",
    State.SENDING: "It is being sent.",
    State.CONFIRMED: "Confirmed.",
    State.REJECTED: "The exchange refused. No money moved.",
    State.NOT_SENT: "It was not sent. No money moved.",
    State.UNKNOWN: "It may have happened and is being looked up. Do not repeat it.",
    State.EXECUTED: "It happened.",
    State.NOT_EXECUTED: "It did not happen. No money moved.",
    State.NEEDS_HUMAN: "It may have happened, and you have to decide.",
    State.EXECUTED_BY_HAND: "A person decided that it happened.",
    State.NOT_EXECUTED_BY_HAND: "A person decided that it did not happen.",
    State.CANCELLED: "Cancelled. Nothing was sent.",
    State.EXPIRED: "It expired and was not sent. No money moved.",
    State.ABORTED: "It was stopped before sending. No money moved.",
}


def sentence(
    *, kind: str, amount: Decimal, currency: str, symbol: str, label: str, is_real_money: bool
) -> str:
    """The one sentence that is confirmed: what, how much, where, with which key, for real or not.

    As in `Borrow 20.00000000 USDT on BTC_USDT with Desk (PAPER).`
    """
    money = "LIVE, real money" if is_real_money else "PAPER"
    figure = formatting.digits(amount)
    return f"{Kind(kind).label} {figure} {currency} on {symbol} with {label} ({money})."


def sentence_of(instruction: Instruction) -> str:
    """The sentence that was confirmed, with what is or was sent."""
    return sentence(
        kind=instruction.kind,
        amount=instruction.amount,
        currency=instruction.currency,
        symbol=instruction.symbol,
        label=instruction.account.label,
        is_real_money=instruction.is_real_money,
    )


def deed_of(instruction: Instruction) -> str:
    """What a person confirmed, in short: `Repay all 12.34596183 USDT on 1000SATS_USDT`."""
    deed = f"{Kind(instruction.kind).label}{' all' if instruction.repay_all else ''}"
    figure = formatting.grouped(instruction.amount_confirmed)
    return f"{deed} {figure} {instruction.currency} on {instruction.symbol}"


def figure_of(instruction: Instruction) -> str:
    """Amount and currency, as short as they are exact."""
    return f"{formatting.grouped(instruction.amount)} {instruction.currency}"


def outcome(instruction: Instruction) -> str:
    """One sentence to be said aloud when the state changes."""
    return f"{sentence_of(instruction)} {_OUTCOMES[State(instruction.state)]}"


def button(*, kind: str, amount: Decimal, currency: str, is_real_money: bool, whole: bool) -> str:
    """The words on the button that confirms: the deed, the figure, and whether it is for real."""
    deed = f"{Kind(kind).label} all" if whole else Kind(kind).label
    money = ", real money" if is_real_money else " on paper"
    return f"{deed} {formatting.grouped(amount)} {currency}{money}"
