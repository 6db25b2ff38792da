"""What the exchange says of an account's debts and risk, pair by pair. Never computed by us."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from loans.bitmart.client import Client
from loans.bitmart.responses import AccountSide
from loans.bitmart.responses import MarginAccount as Told
from loans.bitmart.responses import RefusedRow as Refusal
from loans.models import Account, MarginAccount, MarginSide, Market, Side
from loans.services import refused
from loans.services.changed_rows import unfit, write_changed

SOURCE = "isolated/account"
ACCOUNT_FIELDS = ("risk_rate", "risk_level", "liquidate_price", "liquidate_rate")
SIDE_FIELDS = (
    "currency",
    "borrow_enabled",
    "borrowed",
    "borrow_unpaid",
    "interest_unpaid",
    "available",
    "frozen",
    "net_asset",
    "total_asset",
)


def refresh_figures(
    *, client: Client, account: Account, now: datetime, symbol: str | None = None
) -> int:
    """Read the figures of all pairs, or of one, and write what changed; how many rows did.

    Raises: ReadError.
    """
    listing = client.margin_accounts(symbol)
    told, refusals = _usable(listing.rows)
    refused.keep(
        [*listing.refused, *refusals], venue=account.venue, account=account, source=SOURCE, now=now
    )
    with transaction.atomic():
        rows, written = _store_accounts(account, told, now)
        written += _store_sides(rows, told, now)
    return written


def _usable(rows: Sequence[Told]) -> tuple[dict[str, Told], list[Refusal]]:
    usable, refusals = {}, []
    for row in rows:
        reason = unfit(MarginAccount, {name: getattr(row, name) for name in ACCOUNT_FIELDS})
        reason = reason or unfit(Market, {"symbol": row.symbol})
        for side in (row.base, row.quote):
            reason = reason or unfit(
                MarginSide, {name: getattr(side, name) for name in SIDE_FIELDS}
            )
        if reason or row.symbol in usable:
            why = reason or "the pair is listed twice"
            refusals.append(Refusal(f"{row.symbol}: {why}", repr(row)[:1000]))
        else:
            usable[row.symbol] = row
    return usable, refusals


def _store_accounts(
    account: Account, told: dict[str, Told], now: datetime
) -> tuple[dict[str, MarginAccount], int]:
    """One row a pair; returns them by symbol."""
    markets = _markets(account.venue, told, now)
    mine = MarginAccount.objects.filter(account=account)
    known = {row.market_id: row for row in mine}
    rows, new, changed = {}, [], []
    for symbol, figures in told.items():
        market = markets[symbol]
        row = known.get(market.pk)
        if row is None:
            row = MarginAccount(account=account, market=market, as_of=now)
            new.append(row)
        if _take(row, figures, ACCOUNT_FIELDS) and row.pk:
            changed.append(row)
        rows[symbol] = row
    MarginAccount.objects.bulk_create(new)
    write_changed(changed, ACCOUNT_FIELDS)
    mine.filter(market__in=[market.pk for market in markets.values()]).update(as_of=now)
    return rows, len(new) + len(changed)


def _store_sides(rows: dict[str, MarginAccount], told: dict[str, Told], now: datetime) -> int:
    ours = MarginSide.objects.filter(margin_account__in=[row.pk for row in rows.values()])
    known = {(row.margin_account_id, row.side): row for row in ours}
    new, changed = [], []
    for symbol, figures in told.items():
        for side, of_side in ((Side.BASE, figures.base), (Side.QUOTE, figures.quote)):
            row = known.get((rows[symbol].pk, side))
            if row is None:
                row = MarginSide(margin_account=rows[symbol], side=side, as_of=now)
                new.append(row)
            if _take(row, of_side, SIDE_FIELDS) and row.pk:
                changed.append(row)
    MarginSide.objects.bulk_create(new)
    write_changed(changed, SIDE_FIELDS)
    ours.update(as_of=now)
    return len(new) + len(changed)


def _markets(venue: str, told: dict[str, Told], now: datetime) -> dict[str, Market]:
    """The markets of these pairs. One that the venue no longer lists, or not yet, may hold a debt
    all the same: it is added as not enabled, and the pairs feed tells the rest.
    """
    known = {m.symbol: m for m in Market.objects.filter(venue=venue, symbol__in=told)}
    missing = [
        Market(
            venue=venue,
            symbol=symbol,
            base=figures.base.currency,
            quote=figures.quote.currency,
            enabled=False,
            first_seen_at=now,
            as_of=now,
        )
        for symbol, figures in told.items()
        if symbol not in known
    ]
    Market.objects.bulk_create(missing, ignore_conflicts=True)
    if not missing:
        return known
    return {m.symbol: m for m in Market.objects.filter(venue=venue, symbol__in=told)}


def _take(row: MarginAccount | MarginSide, told: Told | AccountSide, fields: Sequence[str]) -> bool:
    changed = False
    for name in fields:
        if getattr(row, name) != getattr(told, name):
            setattr(row, name, getattr(told, name))
            changed = True
    return changed
