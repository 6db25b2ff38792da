"""The parts of a pair's page as ready strings and plain data for its chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loans import formatting, interest
from loans.models import AccountTerms, BorrowRecord, MarginAccount, MarginSide, Market, Side, Terms
from loans.services.pair import Change, terms_of
from loans.services.rates import Track, samples
from loans.views.rates_rows import Viewpoint

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STILL_POINTS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCard:
    """What one side of the pair costs, and what each account may borrow of it."""

    side: str
    currency: str
    ask: str
    plausible: bool
    differs: bool
    daily: SafeString
    facts: list[tuple[str, SafeString | str]]
    borrowable: list[tuple[str, SafeString, SafeString]]
    age: SafeString


def side_cards(
    market: Market, seen: Viewpoint, borrowable: Sequence[AccountTerms]
) -> list[SideCard]:
    """Base and quote, as far as they are known."""
    known = terms_of(market)
    return [
        _card(market, known[side], seen, [row for row in borrowable if row.side == side])
        for side in Side.values
        if side in known
    ]


def _card(
    market: Market, terms: Terms, seen: Viewpoint, borrowable: Sequence[AccountTerms]
) -> SideCard:
    daily, currency = terms.daily_rate, terms.currency
    cost = interest.cost(seen.amount, daily, hours=seen.hours)
    amount = formatting.digits(seen.amount, places=0)
    return SideCard(
        side=terms.side,
        currency=currency,
        ask=_ask(market.symbol, currency, seen),
        plausible=interest.is_plausible(daily),
        differs=terms.differs_by_key,
        daily=formatting.percent(daily),
        facts=[
            ("An hour", formatting.percent(interest.hourly_rate(daily), places=8)),
            ("A year, APR", formatting.percent(interest.apr(daily), places=2)),
            ("A year, APY", formatting.percent(interest.apy(daily), places=2)),
            (f"{amount} {currency} for {seen.hours} h", formatting.amount(cost, currency)),
            ("Smallest loan", formatting.amount(terms.min_borrow, currency, places=0)),
            ("Largest loan", formatting.amount(terms.max_borrow, currency, places=0)),
            ("Rate holds since", formatting.instant(terms.changed_at)),
        ],
        borrowable=[_borrowable(row, currency, seen) for row in borrowable],
        age=_age(terms.as_of, seen),
    )


def _ask(symbol: str, currency: str, seen: Viewpoint) -> str:
    fields = {"symbol": symbol, "currency": currency}
    return urlencode(fields | ({"account": str(seen.account.pk)} if seen.account else {}))


def _age(at: datetime, seen: Viewpoint) -> SafeString:
    return formatting.age(
        at,
        now=seen.now,
        period_seconds=seen.period_seconds,
        source=f"pairs of {seen.venue}",
        problem=seen.problem,
        focusable=True,
    )


def _borrowable(
    row: AccountTerms, currency: str, seen: Viewpoint
) -> tuple[str, SafeString, SafeString]:
    return row.account.label, formatting.amount(row.borrowable, currency), _age(row.as_of, seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtRow:
    """What one account owes of one currency on the pair, as the exchange says it."""

    account: str
    ask: str
    currency: str
    principal: SafeString
    interest: SafeString
    risk_rate: str
    liquidate_price: SafeString
    as_of: datetime


def debt_rows(debts: Sequence[MarginSide], market: Market) -> list[DebtRow]:
    """One line an account and currency."""
    return [_debt_row(side, market) for side in debts]


def _debt_row(side: MarginSide, market: Market) -> DebtRow:
    margin = side.margin_account
    ask = {
        "account": str(margin.account_id),
        "symbol": market.symbol,
        "currency": side.currency,
    }
    return DebtRow(
        account=margin.account.label,
        ask=urlencode(ask),
        currency=side.currency,
        principal=formatting.amount(side.borrow_unpaid, side.currency),
        interest=formatting.amount(side.interest_unpaid, side.currency),
        risk_rate=formatting.plain(margin.risk_rate) if margin.risk_rate is not None else "–",
        liquidate_price=_liquidation(margin, market),
        as_of=side.as_of,
    )


def _liquidation(margin: MarginAccount, market: Market) -> SafeString:
    given = formatting.amount(margin.liquidate_price, market.quote, places=0)
    if not margin.is_beyond_liquidation:
        return given
    return format_html('{}<span class="sub">no price liquidates it</span>', given)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change of a rate, as text."""

    id: int
    at: SafeString
    side: str
    currency: str
    daily: SafeString
    apr: SafeString
    share: SafeString | str


def change_rows(changes: Sequence[Change]) -> list[ChangeRow]:
    """The latest first."""
    return [
        ChangeRow(
            id=change.id,
            at=formatting.instant(change.at),
            side=change.side,
            currency=change.currency,
            daily=formatting.percent(change.rate),
            apr=formatting.percent(interest.apr(change.rate), places=2),
            share="first seen" if change.before is None else formatting.change(change.share),
        )
        for change in changes
    ]


def chart(
    market: Market,
    tracks: Mapping[str, Track],
    marks: Sequence[BorrowRecord],
    *,
    since: datetime,
    now: datetime,
) -> dict[str, object]:
    """Everything the chart draws; numbers as text, so that none is rounded on the way.

    It begins where the first rate is known. `still` is the same as a picture that needs no script.
    """
    known = min((track[0][0] for track in tracks.values() if track), default=now)
    first = max(since, min(known, now - timedelta(minutes=1)))
    lines = [
        {
            "name": f"{market.currency_of(side)} ({side})",
            "points": [[_seconds(at), format(rate, "f")] for at, rate in track],
        }
        for side, track in tracks.items()
        if track
    ]
    return {
        "data": {
            "from": _seconds(first),
            "to": _seconds(now),
            "zone": str(timezone.get_current_timezone()),
            "lines": lines,
            "marks": [[_seconds(mark.at), _mark_words(mark)] for mark in marks if mark.at >= first],
        },
        "known_since": known if known > since else None,
        "stills": [
            (market.currency_of(side), _still(market.currency_of(side), track, since, now))
            for side, track in tracks.items()
        ],
        "is_empty": not lines,
    }


def _seconds(at: datetime) -> int:
    return formatting.whole_seconds(at, EPOCH)


def _mark_words(mark: BorrowRecord) -> str:
    principal = formatting.plain(mark.principal) if mark.principal is not None else "an amount"
    return f"borrowed {principal} {mark.currency}"


def _still(currency: str, track: Track, since: datetime, now: datetime) -> SafeString:
    values = samples(track, since=since, now=now, count=STILL_POINTS)
    return formatting.sparkline(values, label=f"Daily rate of {currency}", width=480)
