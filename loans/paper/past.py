"""A believable past for a newcomer: three months of loans and repayments, made by the real rules.

Every entry goes through `lending` at its own time, so it is consistent with the books. The same
seed and the same end give the same amounts and times; ids are random.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from sqlite3 import Connection

from loans.paper.amounts import ZERO, divide, floor8, product
from loans.paper.catalogue import PAIRS
from loans.paper.ledger import open_loans_of
from loans.paper.lending import Ask, borrow, repay
from loans.paper.market import DAY_MS, HOUR_MS
from loans.paper.positions import allowance, pair_accounts
from loans.paper.refusals import Refusal
from loans.paper.rules import Rules

SPAN_MS = 91 * DAY_MS
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Habit:
    """How often and on which side of a pair somebody borrows."""

    symbol: str
    currency: str
    loans: int


_HABITS = (
    Habit("ETH_USDT", "USDT", 124),
    Habit("ETH_USDT", "ETH", 36),
    Habit("BTC_USDT", "USDT", 34),
    Habit("BTC_USDT", "BTC", 12),
    Habit("SOL_USDT", "SOL", 16),
    Habit("SOL_USDT", "USDT", 9),
    Habit("XRP_USDT", "USDT", 8),
    Habit("DOGE_USDT", "DOGE", 7),
    Habit("AAVE_USDT", "AAVE", 5),
    Habit("1000SATS_USDT", "USDT", 4),
    Habit("ETH_BTC", "BTC", 6),
)
# The last loan of these is still open.
_OPEN_NOW = {("ETH_USDT", "USDT"), ("BTC_USDT", "USDT"), ("SOL_USDT", "SOL"), ("AAVE_USDT", "AAVE")}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at one time; `share` is of what may be borrowed, or of what is owed."""

    at_ms: int
    kind: str
    habit: Habit
    share: Decimal


def write_past(db: Connection, account: int, *, seed: int, rules: Rules, now_ms: int) -> None:
    """Live the three months before now, in order of time."""
    plan = [step for habit in _HABITS for step in _plan(habit, seed, now_ms)]
    for step in sorted(plan, key=lambda step: (step.at_ms, step.habit.symbol, step.kind)):
        # What the rules refuse (an empty pool, a falling price) did not happen.
        with suppress(Refusal):
            _act(db, account, step, rules=rules)


def _plan(habit: Habit, seed: int, now_ms: int) -> list[Step]:
    """Loans spread over the span, each repaid in one go or in two after hours or days."""
    dice = Random(f"{seed}|{habit.symbol}|{habit.currency}")  # noqa: S311 (a story, not a secret)
    room_ms = SPAN_MS // (habit.loans + 1)
    opened = [
        now_ms - SPAN_MS + place * room_ms + dice.randrange(room_ms // 2)
        for place in range(habit.loans)
    ]
    stays_open = (habit.symbol, habit.currency) in _OPEN_NOW
    # A repayment of everything would close the open loan too, so all of them come before it.
    latest = (opened[-1] if stays_open else now_ms) - 10 * _MINUTE_MS
    steps = [
        Step(at_ms, "borrow", habit, Decimal(dice.randrange(4, 30)).scaleb(-2)) for at_ms in opened
    ]
    for at_ms in opened[:-1] if stays_open else opened:
        until = min(at_ms + dice.randrange(HOUR_MS // 2, 4 * DAY_MS), latest)
        if dice.randrange(4) == 0:
            half = at_ms + (until - at_ms) // 2
            steps.append(Step(half, "repay", habit, Decimal(dice.randrange(2, 9)).scaleb(-1)))
        steps.append(Step(until, "repay", habit, Decimal(1)))
    return steps


def _act(db: Connection, account: int, step: Step, *, rules: Rules) -> None:
    ask = Ask(account, step.habit.symbol, step.habit.currency, ZERO)
    amount = (_loan_size if step.kind == "borrow" else _repayment_size)(db, ask, step, rules)
    if not amount:
        return
    act = borrow if step.kind == "borrow" else repay
    act(db, replace(ask, amount=amount), rules=rules, now_ms=step.at_ms)


def _loan_size(db: Connection, ask: Ask, step: Step, rules: Rules) -> Decimal:
    pair = PAIRS[ask.symbol]
    [entry] = pair_accounts(db, ask.account, [pair], rules=rules, now_ms=step.at_ms)
    smallest, _ = pair.limits(ask.currency)
    allowed = allowance(entry, ask.currency)
    wanted = _round_figure(product(allowed, step.share))
    return wanted if smallest <= wanted <= allowed else ZERO


def _repayment_size(db: Connection, ask: Ask, step: Step, rules: Rules) -> Decimal:
    """The share of what is owed; whole debts to the last digit, others as a round figure."""
    loans = open_loans_of(db, ask.account, ask.symbol, ask.currency)
    for loan in loans:
        rules.accrue(loan, step.at_ms)
    owed = sum((loan.debt for loan in loans), ZERO)
    if step.share == 1:
        return owed
    return _round_figure(product(owed, step.share))


def _round_figure(value: Decimal) -> Decimal:
    """Two significant digits, as people type."""
    if not value:
        return ZERO
    unit = Decimal(1).scaleb(value.adjusted() - 1)
    return floor8(product(divide(value, unit).to_integral_value(), unit))
