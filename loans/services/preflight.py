"""The last look before money moves: clock, terms, debt, and the records that exist already.

Reads only. Whatever is wrong here stops the instruction before anything was sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet

from loans.bitmart.client import Client
from loans.bitmart.errors import Garbled, ReadError, Refused
from loans.bitmart.responses import AccountSide, Pair, PairSide, ServerTime
from loans.models import Instruction, Kind, MarginSide
from loans.services import twins
from loans.services.listings import list_since
from loans.services.matching import KNOWN_REACH

MAX_UNCERTAINTY = timedelta(seconds=5)
HALF_SECOND = timedelta(milliseconds=500)
WORSE_RATE = Decimal("1.01")


class Stop(Exception):
    """This must not be sent; `reason` is a word for programs, the text a sentence for people."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Postpone(Exception):
    """It cannot be judged now (the exchange does not answer): try again while it may wait."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What may be sent: the amount, the exchange's time at an instant, and the known records.

    `ticks_at` is that instant by a clock that nobody sets, so that ours may be set right meanwhile.
    """

    amount: Decimal
    venue_at: datetime
    ticks_at: timedelta
    known_ids: tuple[str, ...]

    def venue_now(self, ticks: timedelta) -> datetime:
        """The exchange's time at another instant."""
        return self.venue_at + (ticks - self.ticks_at)


def clear(
    instruction: Instruction,
    *,
    client: Client,
    clock: Callable[[], datetime],
    ticks: Callable[[], timedelta],
) -> Cleared:
    """Judge a claimed instruction. Raises Stop or Postpone; sends nothing.

    1. The clock: the offset to the exchange must be known within five seconds.
    2. The terms (borrow) or the debt and the balance (repay) as they are now.
    3. The records that exist already, from a listing proven complete.
    """
    try:
        offset = _clock_offset(instruction.symbol, client, clock)
        venue_at, ticks_at = clock() + offset, ticks()
        if instruction.kind == Kind.BORROW:
            amount = _borrow_amount(instruction, client)
        else:
            amount = _repay_amount(instruction, client)
        _must_be_alone(instruction, amount)
        known = _known_ids(instruction, client, venue_at + (ticks() - ticks_at))
    except Refused as exc:
        why = f"{exc.detail or 'no reason given'} ({exc.code})"
        raise Stop("refused", f"The exchange refused the last look before it: {why}.") from exc
    except ReadError as exc:
        raise Postpone(exc.detail or "The exchange does not answer.") from exc
    return Cleared(amount=amount, venue_at=venue_at, ticks_at=ticks_at, known_ids=known)


def _clock_offset(symbol: str, client: Client, clock: Callable[[], datetime]) -> timedelta:
    try:
        told = client.server_time()
    except (Refused, Garbled):
        told = _time_of_an_answer(symbol, client)
    if told.uncertainty + HALF_SECOND > MAX_UNCERTAINTY:
        raise Postpone("The exchange answers too slowly to know its clock within 5 seconds.")
    return told.at - (clock() - told.heard.round_trip / 2)


def _time_of_an_answer(symbol: str, client: Client) -> ServerTime:
    """Where the clock cannot be asked: the `Date` of an answer, which is cut to whole seconds."""
    heard = client.borrow_records(symbol, size=1).heard
    if heard.exchange_at is None:
        raise Postpone("The exchange does not tell its time, without which nothing is signed.")
    return ServerTime(heard.exchange_at + HALF_SECOND, heard)


def _borrow_amount(instruction: Instruction, client: Client) -> Decimal:
    pair, side = _pair_side(instruction, client)
    currency, amount = instruction.currency, instruction.amount
    if not pair.enabled:
        raise Stop("pair_disabled", f"{pair.symbol} is closed for borrowing at the moment.")
    shown = instruction.rate_shown
    if shown is not None and side.daily_rate > shown * WORSE_RATE:
        raise Stop(
            "rate_worse",
            f"The rate rose from {_percent(shown)} to {_percent(side.daily_rate)} a day after you "
            "confirmed, so nothing was sent. Look at the new rate and ask again.",
        )
    if amount < side.min_borrow:
        raise Stop("below_minimum", f"The least to borrow is {side.min_borrow:f} {currency}.")
    most = min(side.max_borrow, side.borrowable)
    if amount > most:
        raise Stop(
            "above_borrowable",
            f"You can borrow up to {most:f} {currency} here now, which is less than you asked for. "
            "More collateral in this pair's margin account raises it.",
        )
    return amount


def _pair_side(instruction: Instruction, client: Client) -> tuple[Pair, PairSide]:
    listing = client.pairs(symbols=(instruction.symbol,))
    pair = next((pair for pair in listing.rows if pair.symbol == instruction.symbol), None)
    if pair is None:
        raise Stop("pair_gone", f"The exchange does not list {instruction.symbol} any more.")
    for side in (pair.base, pair.quote):
        if side.currency == instruction.currency:
            return pair, side
    raise Stop("pair_gone", f"{instruction.symbol} does not trade {instruction.currency}.")


def _repay_amount(instruction: Instruction, client: Client) -> Decimal:
    side = _account_side(instruction, client)
    if side is None:
        return instruction.amount  # the figure came from records, and the confirm page said so
    currency = instruction.currency
    owed = side.borrow_unpaid + side.interest_unpaid
    if owed == 0:
        raise Stop("nothing_owed", f"Nothing is owed in {currency} on {instruction.symbol}.")
    if instruction.repay_all:
        amount = min(owed, instruction.amount_cap or instruction.amount)
    else:
        amount = instruction.amount
    if amount > owed:
        raise Stop("over_repay", f"Only {owed:f} {currency} is owed; the exchange takes no more.")
    if amount > side.available:
        lacking = amount - side.available
        raise Stop(
            "balance_short",
            f"You lack {lacking:f} {currency} in this pair's margin account; move it there on the "
            "exchange, or repay less.",
        )
    return amount


def _must_be_alone(instruction: Instruction, amount: Decimal) -> None:
    """It must not be over the amount of one that may have happened: a repay-all learns its amount
    only now, and another key only now perhaps that it is of the same exchange account.
    """
    if same_amount(instruction, amount).exists():
        raise Stop(
            "same_amount",
            f"Another instruction over exactly {amount:f} {instruction.currency} may still have "
            "happened, and the two could not be told apart, so nothing was sent. Wait until that "
            "one is decided, or repay another amount.",
        )


def same_amount(instruction: Instruction, amount: Decimal) -> QuerySet[Instruction]:
    """Those of its slot over this amount that may still have happened, by any key of its exchange
    account; it is not sent itself yet.
    """
    return Instruction.objects.undecided().filter(
        account__in=twins.accounts_of_one(instruction.account),
        symbol=instruction.symbol,
        currency=instruction.currency,
        kind=instruction.kind,
        amount=amount,
    )


def _account_side(instruction: Instruction, client: Client) -> AccountSide | MarginSide | None:
    """What the exchange says is owed and there; None where it does not serve that."""
    try:
        listing = client.margin_accounts(instruction.symbol)
    except (Refused, Garbled):
        return None
    for account in listing.rows:
        if account.symbol == instruction.symbol:
            for side in (account.base, account.quote):
                if side.currency == instruction.currency:
                    return side
    return None


def _known_ids(instruction: Instruction, client: Client, venue_now: datetime) -> tuple[str, ...]:
    """The ids that are listed already around now, so that a new one can be told from them."""
    since = venue_now - KNOWN_REACH
    evidence = list_since(client, symbol=instruction.symbol, kind=instruction.kind, since=since)
    if not evidence.is_complete:
        raise Postpone("The exchange's list of records could not be proven complete.")
    return tuple(record.record_id for record in evidence.records if record.at >= since)


def _percent(rate: Decimal) -> str:
    return f"{(rate * 100).normalize():f} %"
