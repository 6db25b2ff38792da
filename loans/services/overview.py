"""What all debts come to: per currency, per account, and in USDT where a price is known.

Adds up positions; it loads nothing of them. A value in USDT is an estimate at the last price, with
that price's age, and is never mixed with an exact figure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from loans import exact
from loans.models import (
    Account,
    Feed,
    Instruction,
    MarginAccount,
    Market,
    Person,
    Venue,
)
from loans.services import rates
from loans.services.position import Position
from loans.services.rates import Offer

YARDSTICK = "USDT"
DAY = timedelta(days=1)
MOST_MOVED = 6
LAST_INSTRUCTIONS = 6
SAMPLES = 25


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit of a currency is worth in USDT; `as_of` None for USDT itself."""

    value: Decimal
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What is owed in one currency of one venue; `missing` debts have no known rate."""

    venue: str
    currency: str
    principal: Decimal
    interest: Decimal
    cost_per_day: Decimal
    debts: int
    missing: int
    as_of: datetime | None
    price: Price | None

    @property
    def owed(self) -> Decimal:
        """Principal and interest."""
        return exact.plus(self.principal, self.interest)

    @property
    def value(self) -> Decimal | None:
        """What is owed, in USDT at the last price; None without one."""
        return None if self.price is None else exact.times(self.owed, self.price.value)

    @property
    def cost_value(self) -> Decimal | None:
        """What a day costs, in USDT at the last price; None without one."""
        return None if self.price is None else exact.times(self.cost_per_day, self.price.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Everything in USDT. `unpriced` currencies are not in it; None if none has a price."""

    owed: Decimal | None
    cost_per_day: Decimal | None
    unpriced: tuple[str, ...]
    is_estimate: bool
    price_as_of: datetime | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSum:
    """One account's debts in USDT, and the exchange's word on its riskiest pair."""

    account: Account
    debts: int
    whole: Whole
    riskiest: MarginAccount | None
    figures: Feed | None


@dataclass(frozen=True, slots=True)
class Mover:
    """A side whose rate moved within a day, and how it went there."""

    offer: Offer
    change: Decimal
    went: tuple[Decimal, ...]


def prices(venues: Iterable[str], currencies: Iterable[str]) -> dict[tuple[str, str], Price]:
    """The last price of each currency in USDT, by venue and currency."""
    wanted = [f"{currency}_{YARDSTICK}" for currency in currencies]
    found = {(venue, YARDSTICK): Price(Decimal(1), None) for venue in Venue}
    markets = Market.objects.filter(venue__in=list(venues), symbol__in=wanted)
    for market in markets.exclude(last_price=None):
        found[market.venue, market.base] = Price(market.last_price, market.price_as_of)
    return found


def sums(positions: Sequence[Position]) -> list[Sum]:
    """What is owed per venue and currency: real money first, then the largest in USDT."""
    groups: dict[tuple[str, str], list[Position]] = {}
    for position in positions:
        groups.setdefault((position.account.venue, position.currency), []).append(position)
    known = prices({venue for venue, _ in groups}, {currency for _, currency in groups})
    found = [
        Sum(
            venue=venue,
            currency=currency,
            principal=exact.total(one.principal for one in group),
            interest=exact.total(one.interest for one in group),
            cost_per_day=exact.total(one.cost_per_day for one in group),
            debts=len(group),
            missing=sum(one.cost_per_day is None for one in group),
            as_of=oldest(one.as_of for one in group),
            price=known.get((venue, currency)),
        )
        for (venue, currency), group in groups.items()
    ]
    return sorted(found, key=lambda one: (one.venue, -(one.value or exact.ZERO), one.currency))


def whole(found: Sequence[Sum]) -> Whole:
    """All sums in USDT."""
    priced = [one for one in found if one.price]
    return Whole(
        owed=exact.total(one.value for one in priced) if priced or not found else None,
        cost_per_day=exact.total(one.cost_value for one in priced) if priced or not found else None,
        unpriced=tuple(one.currency for one in found if not one.price),
        is_estimate=any(one.currency != YARDSTICK for one in priced),
        price_as_of=oldest(one.price.as_of for one in priced if one.price and one.price.as_of),
        as_of=oldest(one.as_of for one in found),
    )


def by_account(accounts: Sequence[Account], positions: Sequence[Position]) -> list[AccountSum]:
    """Each account's debts with the exchange's risk figures, and how fresh they are."""
    feeds = {
        feed.account_id: feed
        for feed in Feed.objects.filter(account__in=accounts, name=Feed.Name.FIGURES)
    }
    found = []
    for account in accounts:
        own = [one for one in positions if one.account == account]
        margins = [one.margin for one in own if one.margin and one.margin.has_debt]
        found.append(
            AccountSum(
                account=account,
                debts=len(own),
                whole=whole(sums(own)),
                riskiest=min(margins, key=lambda one: one.risk_rate, default=None),
                figures=feeds.get(account.pk),
            )
        )
    return found


def movers(venue: str, *, now: datetime) -> list[Mover]:
    """The sides of a venue whose rates moved most within a day, up or down."""
    top, since = rates.moved_most(venue, now=now, count=MOST_MOVED), now - DAY
    tracks = rates.tracks({offer.market_id for offer, _ in top}, since=since)
    return [
        Mover(
            offer,
            change,
            tuple(
                rates.samples(
                    tracks[offer.market_id, offer.side], since=since, now=now, count=SAMPLES
                )
            ),
        )
        for offer, change in top
    ]


def last_instructions(person: Person) -> list[Instruction]:
    """The newest instructions that a person sees."""
    rows = Instruction.objects.visible_to(person).select_related("account", "requested_by")
    return list(rows.order_by("-created_at")[:LAST_INSTRUCTIONS])


def freshness(accounts: Sequence[Account]) -> list[Feed]:
    """How old everything is that these accounts and their venues are read for."""
    venues = {account.venue for account in accounts}
    own = Feed.objects.filter(account__in=accounts)
    shared = Feed.objects.filter(venue__in=venues, account=None)
    rows = (own | shared).select_related("account")
    return sorted(rows, key=lambda feed: (feed.account is not None, feed.venue, feed.name))


def never_read(
    accounts: Sequence[Account], positions: Sequence[Position], feeds: Iterable[Feed]
) -> list[Account]:
    """Accounts of which neither figures nor records were ever told: nothing is known of them."""
    answered = {feed.account_id for feed in feeds if _tells_debts(feed)}
    owing = {position.account.pk for position in positions}
    return [account for account in accounts if account.pk not in answered | owing]


def _tells_debts(feed: Feed) -> bool:
    of_debts = feed.name in (Feed.Name.FIGURES, Feed.Name.RECORDS)
    return of_debts and feed.last_success_at is not None


def oldest(instants: Iterable[datetime | None]) -> datetime | None:
    """The earliest known instant; None over none."""
    return min((at for at in instants if at), default=None)
