"""What is in the way of a borrow or repay, in sentences with a way out.

A blocking obstacle stops the confirm page; the others are said and the person decides. Whatever is
found here is decided again, under the lock, when the instruction is placed and before it is sent:
this module only spares people a refusal. Reads the database only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from loans import formatting, interest
from loans.models import (
    HAPPENED,
    Account,
    Feed,
    Heartbeat,
    Instruction,
    KeyLight,
    Kind,
    Person,
    SiteState,
    State,
)
from loans.services import recovery, rights
from loans.services.attention import SILENT_AFTER
from loans.services.bounds import Bounds
from loans.services.quotes import LATE_AFTER, Quote

MONEY_WORKER = "money"
REPEAT_WINDOW = timedelta(minutes=10)


class Way(StrEnum):
    """Where the way out of an obstacle lies; pages turn it into a link."""

    NONE = ""
    KEYS = "keys"
    SECOND_FACTOR = "second_factor"
    INSTRUCTION = "instruction"
    RELOAD = "reload"


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One thing in the way."""

    sentence: str
    blocks: bool = False
    way: Way = Way.NONE
    instruction: Instruction | None = None


def found(quote: Quote, *, person: Person, bounds: Bounds) -> list[Obstacle]:
    """Everything in the way of this person at this slot, what blocks first."""
    pair = _pair(quote)
    all_of_them = [
        *switches(quote.account, quote.kind),
        *_second_factor(quote.account, person),
        *_restored(quote, bounds),
        *pair,
        *_slot(quote),
        *_age(quote),
        *(_figures(quote) if not pair else ()),
        *_key(quote.account),
        *_worker(quote.now),
    ]
    return sorted(all_of_them, key=lambda obstacle: not obstacle.blocks)


def switches(account: Account, kind: str) -> list[Obstacle]:
    """What people have switched off: everything, this account, borrowing, or real money."""
    site = SiteState.load()
    sentences = []
    if site.stopped:
        reason = f" ({site.stopped_reason})" if site.stopped_reason else ""
        sentences.append(f"The stop switch for all accounts is on{reason}: nothing is sent.")
    if account.stopped:
        sentences.append(f"The stop switch of {account.label} is on: nothing is sent with it.")
    if kind == Kind.BORROW and site.repay_only:
        sentences.append("This site only repays at the moment: nothing new is borrowed.")
    if kind == Kind.BORROW and account.repay_only:
        sentences.append(f"{account.label} is set to repaying only: nothing new is borrowed.")
    if account.is_real_money and not account.allow_money:
        sentences.append(
            f"The owner of {account.label} has not allowed borrowing and repaying with it yet."
        )
    return [Obstacle(sentence=text, blocks=True, way=Way.KEYS) for text in sentences]


def _second_factor(account: Account, person: Person) -> list[Obstacle]:
    if not account.is_real_money or rights.has_second_factor(person):
        return []
    return [Obstacle(sentence=rights.NO_SECOND_FACTOR, blocks=True, way=Way.SECOND_FACTOR)]


def _restored(quote: Quote, bounds: Bounds) -> list[Obstacle]:
    """That money waits after a restore: what is placed now would only expire."""
    if not recovery.still_recovering(quote.account, bounds=bounds, now=quote.now):
        return []
    until = SiteState.load().recovered_at + bounds.horizon
    rest = "the records of this account have been read again, which takes a few minutes."
    if quote.now < until:
        rest = f"{formatting.both_zones(until)}, when nothing forgotten can still arrive."
    return [
        Obstacle(sentence=f"The database was restored: nothing is sent until {rest}", blocks=True)
    ]


def open_in_slot(quote: Quote) -> Instruction | None:
    """The instruction that holds this slot, newest first, or None."""
    return (
        Instruction.objects.open()
        .filter(
            account=quote.account,
            symbol=quote.market.symbol,
            currency=quote.currency,
            kind=quote.kind,
        )
        .first()
    )


def recent_twin(quote: Quote, amount: Decimal) -> Instruction | None:
    """An instruction with the same figures that happened within ten minutes, or None."""
    return (
        Instruction.objects.filter(
            account=quote.account,
            symbol=quote.market.symbol,
            currency=quote.currency,
            kind=quote.kind,
            amount_confirmed=amount,
            state__in=HAPPENED,
            created_at__gte=quote.now - REPEAT_WINDOW,
        )
        .order_by("-created_at")
        .first()
    )


def worker_silence(now: datetime) -> int | None:
    """How many seconds the money worker has been silent; None while it shows life.

    -1 stands for a worker that never showed life.
    """
    beat = Heartbeat.objects.filter(name=MONEY_WORKER).first()
    if beat is None:
        return -1
    if now - beat.at <= SILENT_AFTER[MONEY_WORKER]:
        return None
    return formatting.whole_seconds(now, beat.at)


def worker_sentence(now: datetime) -> str:
    """That the worker is silent, with seconds; empty while it shows life."""
    seconds = worker_silence(now)
    if seconds is None:
        return ""
    if seconds < 0:
        return "The worker that sends instructions has not started yet."
    return f"The worker that sends instructions has been silent for {seconds} s."


def _pair(quote: Quote) -> list[Obstacle]:
    borrowing = quote.kind == Kind.BORROW
    if not quote.market.enabled:
        rest = "nothing can be borrowed on it." if borrowing else "the exchange may refuse."
        return [
            Obstacle(
                sentence=f"The exchange has disabled {quote.market.symbol}: {rest}",
                blocks=borrowing,
            )
        ]
    side = quote.margin_side
    if borrowing and side is not None and not side.borrow_enabled:
        text = f"The exchange does not lend {quote.currency} on {quote.market.symbol} at present."
        return [Obstacle(sentence=text, blocks=True)]
    if not borrowing and quote.figures_are_fresh and not quote.debt.total:
        text = f"Nothing is owed in {quote.currency} on {quote.market.symbol} with this account."
        return [Obstacle(sentence=text, blocks=True)]
    return []


def _slot(quote: Quote) -> list[Obstacle]:
    holder = open_in_slot(quote)
    if holder is None:
        return []
    if holder.state in (State.UNKNOWN, State.NEEDS_HUMAN):
        text = (
            f"An earlier {quote.kind.label.lower()} of {formatting.plain(holder.amount)} "
            f"{holder.currency} in this place (same account, pair and currency) may have happened "
            "and is not settled. You can place another only in addition to it, with a different "
            "amount."
        )
        return [Obstacle(sentence=text, way=Way.INSTRUCTION, instruction=holder)]
    text = (
        f"A {quote.kind.label.lower()} of {formatting.plain(holder.amount)} {holder.currency} is "
        "still open in this place (same account, pair and currency). One at a time."
    )
    return [Obstacle(sentence=text, blocks=True, way=Way.INSTRUCTION, instruction=holder)]


def _age(quote: Quote) -> list[Obstacle]:
    age = quote.now - quote.terms_as_of
    if age <= LATE_AFTER:
        return []
    words = formatting.duration_words(formatting.whole_seconds(quote.now, quote.terms_as_of))
    problem = _feed_problem(quote.account)
    text = f"Rate and limits were last read {words} ago{problem}."
    if quote.is_too_old:
        text += " Nothing is borrowed on figures that old; they are read again every minute."
    return [Obstacle(sentence=text, way=Way.RELOAD)]


def _feed_problem(account: Account) -> str:
    """What the last reading of pairs ended with, as `: reason`, or nothing."""
    feed = (
        Feed.objects.filter(venue=account.venue, name=Feed.Name.PAIRS)
        .exclude(error="")
        .order_by("-last_attempt_at")
        .first()
    )
    return f": {formatting.within(feed.error)}" if feed else ""


def _figures(quote: Quote) -> list[Obstacle]:
    side, texts = quote.margin_side, []
    if side is None:
        by = "The debt is taken from the records" if quote.debt.as_of else "The debt is not known"
        texts.append(f"The account figures of this pair have not been read yet. {by}.")
    elif quote.now - side.as_of > LATE_AFTER:
        seconds = formatting.whole_seconds(quote.now, side.as_of)
        texts.append(
            f"Debt and balance are {formatting.duration_words(seconds)} old: they may have changed."
        )
    if quote.debt.is_overtaken:
        texts.append(
            "Debt and balance were read before your last instruction here; it is counted on top "
            "of them."
        )
    if not interest.is_plausible(quote.daily_rate):
        shown = formatting.percent_text(quote.daily_rate)
        texts.append(f"The rate of {shown} a day is unusual. Check it before you go on.")
    if quote.kind == Kind.BORROW and quote.borrowable == 0:
        texts.append(
            f"The exchange lends this account no {quote.currency} on {quote.market.symbol} now: "
            "its margin account there holds no collateral, or the exchange has none to lend."
        )
    return [Obstacle(sentence=text) for text in texts]


def _key(account: Account) -> list[Obstacle]:
    red = account.lights.filter(state=KeyLight.State.RED).order_by("name")
    return [
        Obstacle(
            sentence=f"The last check of this key found a fault: {light.get_name_display()}."
            + (f" {light.detail}" if light.detail else ""),
            way=Way.KEYS,
        )
        for light in red
    ]


def _worker(now: datetime) -> list[Obstacle]:
    sentence = worker_sentence(now)
    if not sentence:
        return []
    return [
        Obstacle(sentence=f"{sentence} An instruction placed now waits, and expires if it must.")
    ]
