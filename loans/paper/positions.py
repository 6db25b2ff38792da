"""What an account has and owes on each pair, and what it may still borrow there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from sqlite3 import Connection

from loans.paper import risk
from loans.paper.accounts import balances
from loans.paper.amounts import ZERO, divide, floor8
from loans.paper.catalogue import CURRENCIES, Pair
from loans.paper.ledger import open_loans
from loans.paper.rules import Rules


@dataclass(slots=True)
class Side:
    """One currency of a pair's account."""

    currency: str
    available: Decimal
    borrowed: Decimal = ZERO
    interest: Decimal = ZERO

    @property
    def debt(self) -> Decimal:
        """Principal and interest."""
        return self.borrowed + self.interest


@dataclass(frozen=True, slots=True)
class PairAccount:
    """Both sides of a pair's account at the price of one moment."""

    pair: Pair
    base: Side
    quote: Side
    price: Decimal

    def side(self, currency: str) -> Side:
        """One of the two."""
        return self.base if currency == self.pair.base else self.quote

    @property
    def position(self) -> risk.Position:
        """For the risk arithmetic."""
        return risk.Position(
            base_assets=self.base.available,
            quote_assets=self.quote.available,
            base_debt=self.base.debt,
            quote_debt=self.quote.debt,
            price=self.price,
        )


def pair_accounts(
    db: Connection, account: int, pairs: Iterable[Pair], *, rules: Rules, now_ms: int
) -> list[PairAccount]:
    """The account's standing on these pairs, interest charged up to now (and not written)."""
    held = balances(db, account)
    found = [
        PairAccount(
            pair=pair,
            base=Side(pair.base, held.get((pair.symbol, pair.base), ZERO)),
            quote=Side(pair.quote, held.get((pair.symbol, pair.quote), ZERO)),
            price=rules.market.price(pair.symbol, now_ms),
        )
        for pair in pairs
    ]
    by_symbol = {entry.pair.symbol: entry for entry in found}
    for loan in open_loans(db, account):
        if loan.symbol in by_symbol:
            rules.accrue(loan, now_ms)
            side = by_symbol[loan.symbol].side(loan.currency)
            side.borrowed += loan.outstanding
            side.interest += loan.interest_due
    return found


def pool_left(currency: str, lent: Mapping[str, Decimal], rules: Rules) -> Decimal:
    """What the platform still has to lend of a currency."""
    capacity = rules.switches.pools.get(currency, CURRENCIES[currency].pool)
    return max(ZERO, capacity - lent.get(currency, ZERO))


def allowance(entry: PairAccount, currency: str) -> Decimal:
    """What collateral and the pair's maximum still allow to borrow, whatever the pool has."""
    value = risk.borrowable_value(entry.position, entry.pair.max_leverage)
    coins = floor8(divide(value, entry.price)) if currency == entry.pair.base else floor8(value)
    _, largest = entry.pair.limits(currency)
    return max(ZERO, min(coins, largest - entry.side(currency).borrowed))


def borrowable(
    entry: PairAccount, currency: str, lent: Mapping[str, Decimal], rules: Rules
) -> Decimal:
    """What the exchange shows as borrowable: nothing on a pair that is switched off."""
    if not rules.is_enabled(entry.pair):
        return ZERO
    return min(allowance(entry, currency), pool_left(currency, lent, rules))
