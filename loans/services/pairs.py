"""Pairs of a venue and their terms, kept current: rows that changed are written, nothing else.

Terms belong to the venue, whichever key read them; what one key was told belongs to its account.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from loans.bitmart.client import Client
from loans.bitmart.responses import Listing, Pair, PairSide
from loans.bitmart.responses import RefusedRow as Refusal
from loans.models import Account, AccountTerms, Feed, Market, RateChange, Side, Terms
from loans.services import refused
from loans.services.changed_rows import unfit, write_changed
from loans.services.feeds import Doubtful

SOURCE = "isolated/pairs"
# Of the pairs listed last time, so many percent may be missing before the answer is doubted.
SHRINK_PERCENT = 20
# Terms that another key was told so lately are compared with what this one was told.
COMPARED_FOR = timedelta(minutes=5)
A_MOMENT = timedelta(seconds=30)

MARKET_FIELDS = ("base", "quote", "max_leverage", "enabled")
TERMS_FIELDS = ("currency", "daily_rate", "hourly_rate", "min_borrow", "max_borrow")
ACCOUNT_FIELDS = ("borrowable", "daily_rate", "min_borrow", "max_borrow")

SideKey = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many rows one refresh wrote, apart from moving `as_of`."""

    pairs: int = 0
    terms: int = 0
    rates: int = 0


@dataclass(frozen=True, slots=True)
class PairList:
    """The usable pairs of one answer; without `is_whole` there were others that are not."""

    pairs: Sequence[Pair]
    is_whole: bool = True


def read_pairs(*, client: Client, venue: str, now: datetime) -> PairList:
    """Ask for all pairs; rows that do not fit are kept aside with a reason.

    Raises: ReadError. Doubtful for a list that repeats or lost many pairs, until it comes again,
    and for one that nothing can be made of.
    """
    listing = client.pairs()
    pairs = _read(listing, venue, now)
    if listing.received and not pairs:
        raise Doubtful("The exchange listed pairs in a form that cannot be read.")
    _doubt(listing, pairs, venue)
    usable = {pair.symbol for pair in pairs}
    repeats_only = usable.issuperset(pair.symbol for pair in listing.rows)
    return PairList(pairs, is_whole=not listing.refused and repeats_only)


def read_account_pairs(*, client: Client, account: Account, now: datetime) -> list[Pair]:
    """Ask for all pairs as one account sees them. Raises: ReadError."""
    return _read(client.pairs(), account.venue, now)


def are_known(*, venue: str) -> bool:
    """Whether the terms of a venue were ever read."""
    return Terms.objects.filter(market__venue=venue).exists()


def account_terms_are_fresh(*, account: Account, now: datetime) -> bool:
    """Whether they were stored a moment ago, because this key reads the venue's terms too."""
    lately = AccountTerms.objects.filter(account=account, as_of__gte=now - A_MOMENT)
    return lately.exists()


def store_terms(*, venue: str, listed: PairList, now: datetime) -> Refreshed:
    """Bring the venue's pairs and terms up to date; a rate that changed is kept with its time.

    A pair that is no longer listed is marked as not enabled, never deleted: its history stays. It
    may be a row that could not be read, though, and then nothing is said of it.
    """
    pairs = listed.pairs
    with transaction.atomic():
        markets = {market.symbol: market for market in Market.objects.filter(venue=venue)}
        written = _store_markets(venue, markets, pairs, now)
        if listed.is_whole:
            written += _close_unlisted(markets, pairs)
        known = {(t.market_id, t.side): t for t in Terms.objects.filter(market__venue=venue)}
        told = list(_sides(markets, pairs))
        elsewhere = _told_to_keys(venue, now)
        new, changed, rates = [], [], []
        for market, side, terms in told:
            row = known.get((market.pk, side))
            before = row.daily_rate if row else None
            differs = _differs(elsewhere.get((market.pk, side), ()), terms, row)
            if row is None:
                row = Terms(market=market, side=side, changed_at=now, as_of=now)
                new.append(row)
            is_other = _take(row, terms, TERMS_FIELDS) | (row.differs_by_key != differs)
            row.differs_by_key = differs
            if is_other and row.pk:
                changed.append(row)
            if before != terms.daily_rate:
                row.changed_at = now
                rates.append(_rate_change(market, side, terms, now))
        Terms.objects.bulk_create(new)
        write_changed(changed, (*TERMS_FIELDS, "differs_by_key", "changed_at"))
        RateChange.objects.bulk_create(rates)
        told_of = [market.pk for market, side, _ in told if side == Side.BASE]
        Terms.objects.filter(market__in=told_of).update(as_of=now)
        Market.objects.filter(pk__in=told_of).update(as_of=now)
    return Refreshed(written, len(new) + len(changed), len(rates))


def store_account_terms(*, account: Account, pairs: Sequence[Pair], now: datetime) -> Refreshed:
    """Keep what one key was told: the borrowable amount, and the terms as it saw them."""
    with transaction.atomic():
        markets = {market.symbol: market for market in Market.objects.filter(venue=account.venue)}
        mine = AccountTerms.objects.filter(account=account)
        known = {(terms.market_id, terms.side): terms for terms in mine}
        new, changed = [], []
        for market, side, told in _sides(markets, pairs):
            row = known.get((market.pk, side))
            if row is None:
                row = AccountTerms(account=account, market=market, side=side, as_of=now)
                _take(row, told, ACCOUNT_FIELDS)
                new.append(row)
            elif _take(row, told, ACCOUNT_FIELDS):
                changed.append(row)
        AccountTerms.objects.bulk_create(new)
        write_changed(changed, ACCOUNT_FIELDS)
        listed = [markets[pair.symbol].pk for pair in pairs if pair.symbol in markets]
        mine.filter(market__in=listed).update(as_of=now)
    return Refreshed(terms=len(new) + len(changed))


def _store_markets(
    venue: str, markets: dict[str, Market], pairs: Sequence[Pair], now: datetime
) -> int:
    """Add and change markets; `markets` holds every one of them afterwards."""
    new, changed = [], []
    for pair in pairs:
        row = markets.get(pair.symbol)
        if row is None:
            row = Market(venue=venue, symbol=pair.symbol, first_seen_at=now, as_of=now)
            new.append(row)
            markets[pair.symbol] = row
        values = (pair.base.currency, pair.quote.currency, pair.max_leverage, pair.enabled)
        if _set(row, zip(MARKET_FIELDS, values, strict=True)) and row.pk:
            changed.append(row)
    Market.objects.bulk_create(new)
    write_changed(changed, MARKET_FIELDS)
    return len(new) + len(changed)


def _close_unlisted(markets: dict[str, Market], pairs: Sequence[Pair]) -> int:
    symbols = {pair.symbol for pair in pairs}
    gone = [row for row in markets.values() if row.enabled and row.symbol not in symbols]
    for row in gone:
        row.enabled = False
    write_changed(gone, MARKET_FIELDS)
    return len(gone)


def _read(listing: Listing[Pair], venue: str, now: datetime) -> list[Pair]:
    pairs, refusals = _usable(listing)
    refused.keep([*listing.refused, *refusals], venue=venue, source=SOURCE, now=now)
    return pairs


def _usable(listing: Listing[Pair]) -> tuple[list[Pair], list[Refusal]]:
    """Pairs whose figures fit our tables, each once; and why the others are left out."""
    usable: dict[str, Pair] = {}
    refusals = []
    for pair in listing.rows:
        reason = _reason(pair)
        if not reason and pair.symbol in usable:
            reason = "the pair is listed twice"
        if reason:
            refusals.append(Refusal(f"{pair.symbol}: {reason}", repr(pair)[:1000]))
        else:
            usable[pair.symbol] = pair
    return list(usable.values()), refusals


def _reason(pair: Pair) -> str:
    if pair.base.currency == pair.quote.currency:
        return "both sides have the same currency"
    values = {"symbol": pair.symbol, "max_leverage": pair.max_leverage}
    reason = unfit(Market, values)
    for side in (pair.base, pair.quote):
        reason = reason or unfit(Terms, {name: getattr(side, name) for name in TERMS_FIELDS})
        reason = reason or unfit(AccountTerms, {"borrowable": side.borrowable})
    return reason


def _doubt(listing: Listing[Pair], pairs: Sequence[Pair], venue: str) -> None:
    """Believe a strange list only when the same one comes twice in a row."""
    times = Counter(pair.symbol for pair in listing.rows)
    repeated = sorted(symbol for symbol, count in times.items() if count > 1)
    listed_before = _count_listed_before(venue)
    kept = {pair.symbol for pair in pairs}
    shrunk = len(kept) * 100 < listed_before * (100 - SHRINK_PERCENT)
    digest = hashlib.sha256("|".join(sorted(kept)).encode()).hexdigest()
    feed = Feed.objects.filter(venue=venue, account=None, name=Feed.Name.PAIRS)
    doubts = feed.values_list("doubt", flat=True).first() or ""
    if not (shrunk or repeated) or doubts == digest:
        if doubts:
            feed.update(doubt="")
        return
    _remember_doubt(venue, digest)
    if shrunk:
        found = f"listed {len(kept)} pairs where {listed_before} were known"
    else:
        found = f"listed {repeated[0]} more than once"
    raise Doubtful(f"The exchange {found}: the old list is kept until this comes again.")


def _count_listed_before(venue: str) -> int:
    sides = Terms.objects.filter(market__venue=venue, side=Side.BASE)
    last = sides.aggregate(at=Max("as_of"))["at"]
    return sides.filter(as_of=last).count() if last else 0


def _remember_doubt(venue: str, digest: str) -> None:
    Feed.objects.update_or_create(
        venue=venue, account=None, name=Feed.Name.PAIRS, defaults={"doubt": digest}
    )


def _sides(
    markets: dict[str, Market], pairs: Iterable[Pair]
) -> Iterator[tuple[Market, str, PairSide]]:
    for pair in pairs:
        if market := markets.get(pair.symbol):
            yield market, Side.BASE, pair.base
            yield market, Side.QUOTE, pair.quote


def _take(row: Terms | AccountTerms, told: PairSide, fields: Sequence[str]) -> bool:
    return _set(row, ((name, getattr(told, name)) for name in fields))


def _set(row: object, values: Iterable[tuple[str, object]]) -> bool:
    """Take the values over; whether any was another."""
    changed = False
    for name, value in values:
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed = True
    return changed


def _rate_change(market: Market, side: str, told: PairSide, now: datetime) -> RateChange:
    return RateChange(market=market, side=side, daily_rate=told.daily_rate, at=now)


def _told_to_keys(venue: str, now: datetime) -> dict[SideKey, list[tuple]]:
    """The different terms that keys of this venue were told lately, by side."""
    lately = AccountTerms.objects.filter(market__venue=venue, as_of__gte=now - COMPARED_FOR)
    told: dict[SideKey, list[tuple]] = {}
    fields = ("market_id", "side", "daily_rate", "min_borrow", "max_borrow")
    for market_id, side, *terms in lately.values_list(*fields).distinct():
        told.setdefault((market_id, side), []).append(tuple(terms))
    return told


def _differs(elsewhere: Iterable[tuple], told: PairSide, before: Terms | None) -> bool:
    """Whether some key was told neither what holds now nor what held until now: a rate that has
    just moved is no disagreement.
    """
    agreed = {(told.daily_rate, told.min_borrow, told.max_borrow)}
    if before is not None:
        agreed.add((before.daily_rate, before.min_borrow, before.max_borrow))
    return any(terms not in agreed for terms in elsewhere)
