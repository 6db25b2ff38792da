"""What the borrow and repay pages show before anybody confirms, from the database only.

A quote is what was last read of the terms, the limits, the debt and the balance, each with its
instant. It promises nothing: the worker reads all of it again before it sends. Nothing here calls
a venue or writes a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from loans import interest
from loans.formatting import grouped
from loans.models import (
    Account,
    AccountTerms,
    Instruction,
    Kind,
    MarginAccount,
    MarginSide,
    Market,
    Side,
    Terms,
)
from loans.services import debts
from loans.services.debts import Debt, Since

PERIOD = timedelta(seconds=60)
LATE_AFTER = 2 * PERIOD
# A borrow is not confirmed on terms older than this. Repaying is never held up by their age.
TOO_OLD_AFTER = timedelta(minutes=5)
PORTIONS = (25, 50, 75)
DAY_HOURS = 24
MONTH_HOURS = 30 * DAY_HOURS
ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What one amount would cost and change. The exchange charges the first hour at once.

    Of a repayment, what goes `to_interest` is taken first and only the rest from the principal.
    """

    amount: Decimal
    first_hour: Decimal
    day: Decimal
    month: Decimal
    owed_before: Decimal | None
    owed_after: Decimal | None
    available_before: Decimal | None
    available_after: Decimal | None
    share_percent: int | None
    to_interest: Decimal
    to_principal: Decimal


@dataclass(frozen=True, kw_only=True)
class Quote:
    """One slot as last read; None where something has never been read."""

    account: Account
    market: Market
    side: str
    currency: str
    kind: Kind
    daily_rate: Decimal
    hourly_rate: Decimal
    min_borrow: Decimal
    max_borrow: Decimal
    terms_as_of: datetime
    differs_by_key: bool
    borrowable: Decimal | None
    borrowable_as_of: datetime | None
    debt: Debt
    repay_cap: Decimal
    margin: MarginAccount | None
    margin_side: MarginSide | None
    since: Since
    now: datetime

    @property
    def apr(self) -> Decimal:
        """The yearly rate without compounding."""
        return interest.apr(self.daily_rate)

    @property
    def available(self) -> Decimal | None:
        """What lies free in this pair's margin account."""
        if self.margin_side is None:
            return None
        return max(self.margin_side.available + self.since.balance, ZERO)

    @property
    def is_too_old(self) -> bool:
        """Whether the terms are too old to borrow on."""
        return self.kind == Kind.BORROW and self.now - self.terms_as_of > TOO_OLD_AFTER

    @property
    def figures_are_fresh(self) -> bool:
        """Whether the account figures may be held against what a person types."""
        side = self.margin_side
        return side is not None and self.since.is_nothing and self.now - side.as_of <= LATE_AFTER

    @property
    def borrowable_is_fresh(self) -> bool:
        """Whether the borrowable amount may be held against what a person types."""
        at = self.borrowable_as_of
        return at is not None and self.now - at <= LATE_AFTER

    @property
    def most(self) -> Decimal | None:
        """The largest amount that makes sense now; None if it is not known."""
        if self.kind == Kind.BORROW:
            return None if self.borrowable is None else min(self.borrowable, self.max_borrow)
        return self.debt.total if self.available is None else min(self.debt.total, self.available)

    @property
    def least(self) -> Decimal:
        """The smallest amount that the exchange takes."""
        return self.min_borrow if self.kind == Kind.BORROW else interest.UNIT

    @property
    def can_repay_all(self) -> bool:
        """Whether something is owed, and the balance is not known to fall short of it."""
        if self.kind != Kind.REPAY or not self.debt.total:
            return False
        return self.available is None or self.available >= self.debt.total

    def portions(self) -> list[tuple[str, str]]:
        """Words and exact texts for the buttons that fill in a part of the most."""
        most = self.most
        if not most or most < self.least:
            return []
        parts = [(f"{share} %", interest.floor8(most * share / 100)) for share in PORTIONS]
        parts.append(("Max", most))
        return [(words, format(part, ".8f")) for words, part in parts if part >= self.least]

    def preview(self, amount: Decimal) -> Preview:
        """What this amount would cost and change."""
        borrowing = self.kind == Kind.BORROW
        first_hour = interest.hourly_charge(amount, self.daily_rate)
        owed = self.debt.known_total
        # Interest bears none: what is repaid saves only what it takes off the principal.
        to_interest = ZERO if borrowing else min(amount, self.debt.interest)
        bearing = amount - to_interest
        change = amount if borrowing else -amount
        moved = amount + first_hour if borrowing else -amount
        return Preview(
            amount=amount,
            first_hour=first_hour,
            day=interest.cost(bearing, self.daily_rate, hours=DAY_HOURS),
            month=interest.cost(bearing, self.daily_rate, hours=MONTH_HOURS),
            owed_before=owed,
            owed_after=None if owed is None else max(owed + moved, ZERO),
            available_before=self.available,
            available_after=None if self.available is None else self.available + change,
            share_percent=_share(amount, self.most),
            to_interest=to_interest,
            to_principal=ZERO if borrowing else bearing,
        )


def _share(amount: Decimal, whole: Decimal | None) -> int | None:
    if not whole:
        return None
    return min(int(amount * 100 / whole), 999)


def read(*, account: Account, market: Market, currency: str, kind: Kind, now: datetime) -> Quote:
    """Give what is known of one slot.

    Raises LookupError if the pair does not have this currency or its terms were never read.
    """
    side = _side_of(market, currency)
    terms = Terms.objects.filter(market=market, side=side).first()
    told = AccountTerms.objects.filter(account=account, market=market, side=side).first()
    conditions = _conditions(terms, told)
    if not conditions:
        raise LookupError(f"no terms of {currency} on {market.symbol} yet")
    margin = MarginAccount.objects.filter(account=account, market=market).first()
    margin_side = margin.sides.filter(side=side).first() if margin else None
    slot = {"account": account, "symbol": market.symbol, "currency": currency}
    debt, since = _debt(slot, margin_side, daily_rate=conditions["daily_rate"])
    return Quote(
        **conditions,
        account=account,
        market=market,
        side=side,
        currency=currency,
        kind=kind,
        borrowable=told.borrowable if told else None,
        borrowable_as_of=told.as_of if told else None,
        debt=debt,
        repay_cap=debts.repay_all_cap(debt, **slot, daily_rate=conditions["daily_rate"], now=now),
        margin=margin,
        margin_side=margin_side,
        since=since,
        now=now,
    )


def _debt(
    slot: dict[str, object], side: MarginSide | None, *, daily_rate: Decimal
) -> tuple[Debt, Since]:
    """What is owed, and what was done since that was read."""
    if side is None:
        return debts.by_records(**slot), Since()
    since = debts.moved_since(side.as_of, **slot)
    return debts.with_movements(debts.by_figures(side), since, daily_rate=daily_rate), since


def of_instruction(instruction: Instruction, *, now: datetime) -> Quote | None:
    """What is known of the slot of an instruction, or None if its terms were never read."""
    market = Market.objects.filter(
        venue=instruction.account.venue, symbol=instruction.symbol
    ).first()
    if market is None:
        return None
    try:
        return read(
            account=instruction.account,
            market=market,
            currency=instruction.currency,
            kind=Kind(instruction.kind),
            now=now,
        )
    except LookupError:
        return None


def _side_of(market: Market, currency: str) -> Side:
    for side in Side:
        if market.currency_of(side) == currency:
            return side
    raise LookupError(f"{market.symbol} has no {currency}")


def _conditions(terms: Terms | None, told: AccountTerms | None) -> Mapping[str, object]:
    """Rate and limits: what this key was told where keys differ, else whichever is newer."""
    own_first = told is not None and (
        terms is None or terms.differs_by_key or told.as_of >= terms.as_of
    )
    row = told if own_first else terms
    if row is None:
        return {}
    return {
        "daily_rate": row.daily_rate,
        "hourly_rate": interest.hourly_rate(row.daily_rate),
        "min_borrow": row.min_borrow,
        "max_borrow": row.max_borrow,
        "terms_as_of": row.as_of,
        "differs_by_key": terms is not None and terms.differs_by_key,
    }


def refusal(quote: Quote, amount: Decimal) -> str:
    """Why this amount cannot be asked for, as a sentence with a way out; empty if it can.

    Only fresh figures refuse: the exchange decides where ours are old.
    """
    if quote.kind == Kind.BORROW:
        return _borrow_refusal(quote, amount)
    return _repay_refusal(quote, amount)


def _borrow_refusal(quote: Quote, amount: Decimal) -> str:
    unit = quote.currency
    if amount < quote.min_borrow:
        return (
            f"The exchange lends at least {grouped(quote.min_borrow)} {unit} on "
            f"{quote.market.symbol}. Enter that or more."
        )
    most = quote.borrowable if quote.borrowable_is_fresh else None
    is_short = most is not None and most < amount
    if amount > quote.max_borrow:
        less = f", and lends you {grouped(most)} {unit} now" if is_short else ""
        return (
            f"The exchange lends at most {grouped(quote.max_borrow)} {unit} on "
            f"{quote.market.symbol}{less}. Enter that or less."
        )
    if not is_short:
        return ""
    return f"You can borrow up to {grouped(most)} {unit} now. {shortfall(quote, amount)}"


def _repay_refusal(quote: Quote, amount: Decimal) -> str:
    if not quote.figures_are_fresh:
        return ""
    unit, owed = quote.currency, quote.debt.total
    if not owed:
        return f"Nothing is owed in {unit} on {quote.market.symbol} with this account."
    if amount > owed:
        return f"You owe {grouped(owed)} {unit} there. Enter that or less, or press “Repay all”."
    return shortfall(quote, amount)


def shortfall(quote: Quote, amount: Decimal) -> str:
    """What is missing in the pair's margin account for this amount, in figures; empty if nothing.

    For a borrow it is an estimate: the exchange does not publish how it counts collateral.
    """
    unit, way = quote.currency, _way_to_fund(quote.account)
    if quote.kind == Kind.REPAY:
        if quote.available is None or amount <= quote.available:
            return ""
        lack = grouped(amount - quote.available)
        return f"You lack {lack} {unit} in this pair's margin account: {way}."
    leverage = quote.market.max_leverage
    if quote.borrowable is None or amount <= quote.borrowable:
        return ""
    if not leverage or leverage <= 1 or quote.borrowable >= quote.max_borrow:
        return f"That is {grouped(amount - quote.borrowable)} {unit} less than you typed."
    lack = interest.ceil8((amount - quote.borrowable) / (leverage - 1))
    return (
        f"For what you typed you lack about {grouped(lack)} {unit} of collateral in this pair's "
        f"margin account: {way}."
    )


def _way_to_fund(account: Account) -> str:
    if account.is_real_money:
        return "move it there on BitMart"
    return "a new paper key comes with fresh balances"
