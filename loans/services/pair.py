"""One pair: its two sides, what a person owes there, and how its rates went.

Reads only; never calls a venue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from loans.models import (
    Account,
    AccountTerms,
    BorrowRecord,
    MarginSide,
    Market,
    RateChange,
    Side,
    Terms,
)
from loans.services.rates import Track, tracks

LOAN_MARKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a rate; `before` is None for the first one we saw."""

    id: int
    at: datetime
    side: str
    currency: str
    rate: Decimal
    before: Decimal | None

    @property
    def share(self) -> Decimal | None:
        """By how much it changed, relative to what it was."""
        return (self.rate - self.before) / self.before if self.before else None


def market_of(symbol: str, *, venues: Sequence[str]) -> Market | None:
    """The pair at the first of these venues that has it."""
    found = {m.venue: m for m in Market.objects.filter(symbol=symbol, venue__in=venues)}
    return next((found[venue] for venue in venues if venue in found), None)


def terms_of(market: Market) -> dict[str, Terms]:
    """The terms of each side."""
    return {terms.side: terms for terms in market.terms.all()}


def borrowable_by(accounts: Sequence[Account], market: Market) -> list[AccountTerms]:
    """What each account may borrow of each side, as it was told."""
    rows = AccountTerms.objects.filter(account__in=accounts, market=market)
    return list(rows.select_related("account").order_by("account__label"))


def debts(accounts: Sequence[Account], market: Market) -> list[MarginSide]:
    """Sides on which the exchange says that one of the accounts owes something."""
    rows = MarginSide.objects.filter(
        margin_account__account__in=accounts, margin_account__market=market
    ).filter(Q(borrow_unpaid__gt=0) | Q(interest_unpaid__gt=0))
    return list(
        rows.select_related("margin_account__account").order_by("margin_account__account__label")
    )


def loan_marks(
    accounts: Sequence[Account], market: Market, *, since: datetime
) -> list[BorrowRecord]:
    """Loans the accounts took on this pair since an instant, the latest first, capped."""
    rows = BorrowRecord.objects.filter(account__in=accounts, symbol=market.symbol, at__gte=since)
    return list(rows.order_by("-at", "-id")[:LOAN_MARKS])


def rate_tracks(market: Market, *, since: datetime) -> dict[str, Track]:
    """How the rate of each side went since an instant."""
    found = tracks([market.pk], since=since)
    return {side: found.get((market.pk, side), []) for side in Side.values}


def changes(market: Market, *, before_id: int | None, rows: int) -> tuple[list[Change], bool]:
    """The latest changes of both sides (older than `before_id` if given), and if there are more."""
    query = RateChange.objects.filter(market=market)
    if before_id is not None:
        query = query.filter(pk__lt=before_id)
    # One more than shown, and enough older ones to know what each was before.
    found = list(query.order_by("-id")[: rows + 1])
    shown = found[:rows]
    return [_change(market, row, found) for row in shown], len(found) > rows


def _change(market: Market, row: RateChange, known: Sequence[RateChange]) -> Change:
    older = next((r for r in known if r.side == row.side and r.pk < row.pk), None)
    if older is None:
        older = (
            RateChange.objects.filter(market=market, side=row.side, pk__lt=row.pk)
            .order_by("-id")
            .first()
        )
    return Change(
        id=row.pk,
        at=row.at,
        side=row.side,
        currency=market.currency_of(row.side),
        rate=row.daily_rate,
        before=older.daily_rate if older else None,
    )
