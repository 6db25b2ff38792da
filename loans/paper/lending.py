"""Borrow, repay and transfer: the rules of lending, inside the caller's transaction.

Nothing is lost: what was lent is what was repaid and what is outstanding, to the last digit, and so
with interest; every coin that leaves a pool arrives in a wallet. `now_ms` is passed in.
"""

from dataclasses import dataclass
from decimal import Decimal
from sqlite3 import Connection

from loans.paper import ids, risk
from loans.paper.accounts import SPOT, balance, move
from loans.paper.amounts import ZERO
from loans.paper.catalogue import PAIRS, Pair
from loans.paper.interest import Loan, Part, split
from loans.paper.ledger import (
    Repayment,
    add_loan,
    add_repayment,
    all_lent,
    lend,
    open_loans_of,
    save_loan,
)
from loans.paper.positions import allowance, pair_accounts, pool_left
from loans.paper.refusals import Refusal, invalid
from loans.paper.rules import Rules


@dataclass(frozen=True, slots=True)
class Ask:
    """What a money call asks for. `late_ms`: how much later its record becomes visible."""

    account: int
    symbol: str
    currency: str
    amount: Decimal
    late_ms: int = 0


def known_pair(symbol: str) -> Pair:
    """The pair of that name. Raises: Refusal 50001."""
    if symbol not in PAIRS:
        raise Refusal(50001)
    return PAIRS[symbol]


def borrow(db: Connection, ask: Ask, *, rules: Rules, now_ms: int) -> Loan:
    """Lend, charge the first hour, and pay out into the pair's account. Raises: Refusal."""
    pair = _pair_for(ask)
    _refuse_borrow(db, ask, pair, rules=rules, now_ms=now_ms)
    loan = _new_loan(ask, rules, now_ms)
    rules.accrue(loan, now_ms)
    add_loan(db, loan)
    lend(db, ask.currency, ask.amount)
    move(db, ask.account, ask.symbol, ask.currency, ask.amount)
    return loan


def repay(db: Connection, ask: Ask, *, rules: Rules, now_ms: int) -> Repayment:
    """Take out of the pair's account and pay interest and principal. Raises: Refusal.

    A pair that is switched off can still be repaid.
    """
    _pair_for(ask)
    loans = open_loans_of(db, ask.account, ask.symbol, ask.currency)
    for loan in loans:
        rules.settle(loan, now_ms)
    _refuse_repay(db, ask, loans)
    parts = split(ask.amount, loans, order=rules.switches["repay_order"])
    _settle(db, loans, parts, now_ms)
    repayment = _new_repayment(ask, parts, rules, now_ms)
    add_repayment(db, repayment, parts)
    lend(db, ask.currency, -repayment.principal)
    move(db, ask.account, ask.symbol, ask.currency, -ask.amount)
    return repayment


def transfer(db: Connection, ask: Ask, side: str, *, rules: Rules, now_ms: int) -> str:
    """Move between spot and the pair's account; "in" is towards the pair. Raises: Refusal."""
    pair = _pair_for(ask)
    if side not in ("in", "out"):
        raise invalid("side")
    source, target = (SPOT, ask.symbol) if side == "in" else (ask.symbol, SPOT)
    if balance(db, ask.account, source, ask.currency) < ask.amount:
        raise Refusal(50020)
    move(db, ask.account, source, ask.currency, -ask.amount)
    move(db, ask.account, target, ask.currency, ask.amount)
    if side == "out":
        _refuse_uncovered(db, ask, pair, rules=rules, now_ms=now_ms)
    answer_id = ids.answer_id()
    db.execute(
        "INSERT INTO transfers (account, symbol, currency, side, amount, answer_id, made_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(ask.account, ask.symbol, ask.currency, side),
            *(format(ask.amount, "f"), answer_id, now_ms),
        ),
    )
    return answer_id


def _pair_for(ask: Ask) -> Pair:
    pair = known_pair(ask.symbol)
    if ask.currency not in (pair.base, pair.quote):
        raise Refusal(51000)
    return pair


def _refuse_borrow(db: Connection, ask: Ask, pair: Pair, *, rules: Rules, now_ms: int) -> None:
    smallest, _ = pair.limits(ask.currency)
    if not rules.is_enabled(pair):
        raise Refusal(50040)
    if ask.amount < smallest:
        raise Refusal(51005)
    [entry] = pair_accounts(db, ask.account, [pair], rules=rules, now_ms=now_ms)
    if ask.amount > allowance(entry, ask.currency):
        raise Refusal(51004)
    if ask.amount > pool_left(ask.currency, all_lent(db), rules):
        raise Refusal(59010)


def _refuse_repay(db: Connection, ask: Ask, loans: list[Loan]) -> None:
    owed = sum((loan.debt for loan in loans), ZERO)
    if not owed:
        raise Refusal(51024)
    if ask.amount > owed:
        raise Refusal(51006)
    if ask.amount > balance(db, ask.account, ask.symbol, ask.currency):
        raise Refusal(50020)


def _refuse_uncovered(db: Connection, ask: Ask, pair: Pair, *, rules: Rules, now_ms: int) -> None:
    """Collateral that carries a debt stays."""
    [entry] = pair_accounts(db, ask.account, [pair], rules=rules, now_ms=now_ms)
    if not risk.covered(entry.position, pair.max_leverage):
        raise Refusal(50020)


def _settle(db: Connection, loans: list[Loan], parts: list[Part], now_ms: int) -> None:
    for part in parts:
        part.loan.paid += part.interest
        part.loan.outstanding -= part.principal
    for loan in loans:
        if not loan.debt:
            loan.closed_ms = now_ms
        save_loan(db, loan)


def _new_loan(ask: Ask, rules: Rules, now_ms: int) -> Loan:
    record_id = ids.borrow_record_id(now_ms)
    return Loan(
        id=0,
        account=ask.account,
        symbol=ask.symbol,
        currency=ask.currency,
        answer_id=record_id if rules.switches["ids"] == "same" else ids.answer_id(),
        record_id=record_id,
        principal=ask.amount,
        outstanding=ask.amount,
        charged=ZERO,
        paid=ZERO,
        daily_rate=rules.market.daily_rate(ask.symbol, ask.currency, now_ms),
        opened_ms=now_ms,
        charged_until_ms=now_ms - 1,
        closed_ms=None,
        visible_ms=now_ms + ask.late_ms,
    )


def _new_repayment(ask: Ask, parts: list[Part], rules: Rules, now_ms: int) -> Repayment:
    record_id = ids.repay_record_id()
    return Repayment(
        id=0,
        account=ask.account,
        symbol=ask.symbol,
        currency=ask.currency,
        answer_id=record_id if rules.switches["ids"] == "same" else ids.answer_id(),
        record_id=record_id,
        amount=ask.amount,
        principal=sum((part.principal for part in parts), ZERO),
        interest=sum((part.interest for part in parts), ZERO),
        made_ms=now_ms,
        visible_ms=now_ms + ask.late_ms,
    )
