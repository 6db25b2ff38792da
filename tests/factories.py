"""Rows for tests: plain keyword-only functions, each with defaults that hold together.

Every figure is a Decimal given as text; every instant is aware. `NOW` is the instant the defaults
are built around, so a test that passes it as `now` sees fresh figures.
"""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User

from loans.models import (
    NEVER_SENT,
    OPEN,
    Account,
    AccountShare,
    AccountTerms,
    BorrowRecord,
    Coverage,
    CoverageGap,
    Feed,
    Instruction,
    Kind,
    MarginAccount,
    MarginSide,
    Market,
    Observation,
    Preference,
    RateChange,
    RepayRecord,
    Side,
    State,
    Terms,
    Venue,
)
from loans.models.instructions import BEFORE_SENDING
from loans.services import rollups

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_person(*, name: str = "", zone: str = "", **fields: Any) -> User:
    """A person who can sign in with PASSWORD; with `zone` one who has chosen it."""
    name = name or f"person{next(_numbers)}"
    person = User.objects.create_user(name, f"{name}@example.org", PASSWORD, **fields)
    if zone:
        Preference.objects.create(person=person, time_zone=zone)
    return person


def give_second_factor(person: User, kind: str = "totp") -> Authenticator:
    """What it takes beside the password to sign in from now on."""
    return Authenticator.objects.create(user=person, type=kind, data={"secret": "a-totp-secret"})


def make_account(
    *, owner: User | None, venue: str = Venue.PAPER, label: str = "Desk", **fields: Any
) -> Account:
    """A connected account; `owner=None` gives one that reads market data only."""
    defaults = {
        "fingerprint": f"{next(_numbers):016x}",
        "created_at": NOW - timedelta(days=100),
        "allow_money": venue == Venue.PAPER,
    }
    return Account.objects.create(owner=owner, venue=venue, label=label, **(defaults | fields))


def make_share(
    *, account: Account, person: User, role: str = AccountShare.Role.VIEWER
) -> AccountShare:
    """What `person` may do with `account`."""
    return AccountShare.objects.create(account=account, person=person, role=role, created_at=NOW)


def make_market(
    *, symbol: str = "BTC_USDT", venue: str = Venue.PAPER, price: str | None = None, **fields: Any
) -> Market:
    """A pair, without terms."""
    base, quote = symbol.split("_")
    defaults = {
        "base": base,
        "quote": quote,
        "max_leverage": Decimal(5),
        "last_price": None if price is None else Decimal(price),
        "price_as_of": None if price is None else NOW,
        "first_seen_at": NOW - timedelta(days=100),
        "as_of": NOW,
    }
    return Market.objects.create(venue=venue, symbol=symbol, **(defaults | fields))


def make_terms(
    *, market: Market, side: str = Side.QUOTE, daily_rate: str = "0.00055", **fields: Any
) -> Terms:
    """What borrowing one side of a pair costs."""
    defaults = {
        "currency": market.currency_of(side),
        "hourly_rate": floor_hourly(daily_rate),
        "min_borrow": Decimal("0.00000001"),
        "max_borrow": Decimal(50000),
        "changed_at": NOW - timedelta(days=1),
        "as_of": NOW,
    }
    return Terms.objects.create(
        market=market, side=side, daily_rate=Decimal(daily_rate), **(defaults | fields)
    )


def make_account_terms(
    *,
    account: Account,
    market: Market,
    side: str = Side.QUOTE,
    borrowable: str = "135.12",
    **fields: Any,
) -> AccountTerms:
    """What one key was told of one side."""
    defaults = {
        "daily_rate": Decimal("0.00055"),
        "min_borrow": Decimal("0.00000001"),
        "max_borrow": Decimal(50000),
        "as_of": NOW,
    }
    return AccountTerms.objects.create(
        account=account,
        market=market,
        side=side,
        borrowable=Decimal(borrowable),
        **(defaults | fields),
    )


def make_rate_change(
    *, market: Market, at: datetime, daily_rate: str, side: str = Side.QUOTE
) -> RateChange:
    """What a side's rate became."""
    return RateChange.objects.create(
        market=market, side=side, daily_rate=Decimal(daily_rate), at=at
    )


def make_margin_account(
    *, account: Account, market: Market, risk_rate: str | None = "4.2", **fields: Any
) -> MarginAccount:
    """The exchange's risk figures, without sides."""
    defaults = {
        "risk_level": "1",
        "liquidate_price": Decimal("13400.5"),
        "liquidate_rate": Decimal("1.15"),
        "as_of": NOW,
    }
    return MarginAccount.objects.create(
        account=account,
        market=market,
        risk_rate=None if risk_rate is None else Decimal(risk_rate),
        **(defaults | fields),
    )


def make_margin_side(
    *,
    margin_account: MarginAccount,
    side: str = Side.QUOTE,
    borrow_unpaid: str = "0",
    interest_unpaid: str = "0",
    **fields: Any,
) -> MarginSide:
    """What the exchange says is owed and there, in one currency of a pair."""
    owed = Decimal(borrow_unpaid)
    defaults = {
        "currency": margin_account.market.currency_of(side),
        "borrowed": owed,
        "available": Decimal(100),
        "frozen": Decimal(0),
        "net_asset": Decimal(100) - owed,
        "total_asset": Decimal(100),
        "as_of": margin_account.as_of,
    }
    return MarginSide.objects.create(
        margin_account=margin_account,
        side=side,
        borrow_unpaid=owed,
        interest_unpaid=Decimal(interest_unpaid),
        **(defaults | fields),
    )


def floor_hourly(daily_rate: str) -> Decimal:
    """The hourly rate as the exchange displays it: floored to 8 places."""
    return (Decimal(daily_rate) / 24).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR")


def borrow_row(
    *,
    account: Account,
    principal: str | None = "20",
    interest: str | None = "0.00045833",
    daily_rate: str = "0.00055",
    symbol: str = "BTC_USDT",
    currency: str = "USDT",
    at: datetime = NOW - HOUR,
    **fields: Any,
) -> BorrowRecord:
    """A borrow record that is not saved; for bulk_create."""
    defaults = {
        "record_id": f"B{next(_numbers)}",
        "hourly_rate": floor_hourly(daily_rate),
        "first_seen_at": at + timedelta(seconds=8),
    }
    return BorrowRecord(
        account=account,
        symbol=symbol,
        currency=currency,
        principal=None if principal is None else Decimal(principal),
        interest=None if interest is None else Decimal(interest),
        daily_rate=Decimal(daily_rate),
        at=at,
        **(defaults | fields),
    )


def make_borrow(*, account: Account, **fields: Any) -> BorrowRecord:
    """A saved borrow record; fields as in `borrow_row`."""
    return keep(Kind.BORROW, [borrow_row(account=account, **fields)])[0]


def repay_row(
    *,
    account: Account,
    principal: str = "20",
    interest: str = "0.00045833",
    symbol: str = "BTC_USDT",
    currency: str = "USDT",
    at: datetime = NOW - HOUR,
    **fields: Any,
) -> RepayRecord:
    """A repay record that is not saved; its amount is principal plus interest."""
    defaults = {
        "record_id": f"R{next(_numbers)}",
        "amount": Decimal(principal) + Decimal(interest),
        "first_seen_at": at + timedelta(seconds=8),
    }
    return RepayRecord(
        account=account,
        symbol=symbol,
        currency=currency,
        principal=Decimal(principal),
        interest=Decimal(interest),
        at=at,
        **(defaults | fields),
    )


def make_repay(*, account: Account, **fields: Any) -> RepayRecord:
    """A saved repay record; fields as in `repay_row`."""
    return keep(Kind.REPAY, [repay_row(account=account, **fields)])[0]


def keep(kind: str, rows: Iterable[Any]) -> list[Any]:
    """Save records that are not saved yet, with what they add up to."""
    kept = rollups.MODELS[Kind(kind)].objects.bulk_create(rows)
    for account_id in {row.account_id for row in kept}:
        rollups.rebuild(account_id, kind)
    return kept


def amend(loan: BorrowRecord, **figures: str) -> None:
    """Let a loan's kept figures be these, as after later readings, and what they add up to."""
    BorrowRecord.objects.filter(pk=loan.pk).update(**figures)
    rollups.rebuild(loan.account_id, Kind.BORROW)
    loan.refresh_from_db()


def make_observation(
    *,
    account: Account,
    record_id: str,
    body: dict[str, object],
    kind: str = Kind.BORROW,
    seen_at: datetime = NOW,
) -> Observation:
    """What the venue said of a record."""
    return Observation.objects.create(
        account=account, kind=kind, record_id=record_id, body=body, seen_at=seen_at
    )


def tell(
    loan: BorrowRecord, interest: str | None, *, at: datetime, principal: str | None = None
) -> Observation:
    """Let the venue say of a loan what its interest is, and its principal; keeps no figure."""
    again = BorrowRecord.objects.filter(pk=loan.pk, first_seen_at__lt=at)
    again.exclude(told_again_at__gt=at).update(told_again_at=at)
    said = loan.principal if principal is None else Decimal(principal)
    return make_observation(
        account=loan.account,
        record_id=loan.record_id,
        seen_at=at,
        body={
            "borrow_id": loan.record_id,
            "symbol": loan.symbol,
            "currency": loan.currency,
            "borrow_amount": str(said or 0),
            "daily_interest": format(loan.daily_rate, "f"),
            "hourly_interest": format(loan.hourly_rate, "f"),
            "interest_amount": interest,
            "create_time": int(loan.at.timestamp() * 1000),
        },
    )


def make_coverage(
    *, account: Account, symbol: str = "BTC_USDT", kind: str = Kind.BORROW, **fields: Any
) -> Coverage:
    """A stream proven complete from its start to NOW."""
    asked_at = fields.get("checked_at", NOW)
    defaults = {"complete_to": NOW, "checked_at": NOW, "asked_at": asked_at, "has_rows": True}
    return Coverage.objects.create(account=account, symbol=symbol, kind=kind, **(defaults | fields))


def make_gap(
    *, coverage: Coverage, starts_at: datetime, ends_at: datetime, reason: str = "page stayed full"
) -> CoverageGap:
    """A span that could not be proven."""
    return CoverageGap.objects.create(
        coverage=coverage, starts_at=starts_at, ends_at=ends_at, reason=reason
    )


def make_instruction(
    *,
    account: Account,
    requested_by: User | None = None,
    kind: str = Kind.BORROW,
    amount: str = "20",
    state: str = State.QUEUED,
    created_at: datetime = NOW,
    **fields: Any,
) -> Instruction:
    """An instruction whose other columns fit its state."""
    defaults: dict[str, Any] = {
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "amount_confirmed": Decimal(amount),
        "nonce": f"nonce{next(_numbers)}",
        "expires_at": created_at + timedelta(seconds=60),
    }
    if state not in (*BEFORE_SENDING, *NEVER_SENT):
        defaults["signed_at"] = created_at + timedelta(seconds=1)
        defaults["body_sha256"] = "5e" * 32
    if state == State.CONFIRMED:
        defaults["answer_id"] = f"answer{next(_numbers)}"
    if state not in OPEN:
        defaults["settled_at"] = created_at + timedelta(seconds=2)
    return Instruction.objects.create(
        account=account,
        requested_by=requested_by or account.owner,
        kind=kind,
        amount=Decimal(amount),
        state=state,
        created_at=created_at,
        **(defaults | fields),
    )


def make_feed(*, venue: str = Venue.PAPER, name: str = Feed.Name.PAIRS, **fields: Any) -> Feed:
    """A repeated call that last succeeded at NOW."""
    defaults = {"last_attempt_at": NOW, "last_success_at": NOW}
    return Feed.objects.create(venue=venue, name=name, **(defaults | fields))
