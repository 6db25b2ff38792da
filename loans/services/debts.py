"""What is owed of one currency on one pair with one account, and by whose word.

The exchange's own account figures come first; where there are none the records say it, and the
answer names which of the two it is. The two are never merged; only what this site itself has done
since the figures were read is counted on top of them, and then the answer says so. Reads the
database only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Max, QuerySet

from loans import interest
from loans.fields import ExactSum
from loans.models import (
    HAPPENED,
    Account,
    BorrowRecord,
    Coverage,
    Instruction,
    Kind,
    MarginSide,
    RepayRecord,
)

ZERO = Decimal(0)


class DebtSource(StrEnum):
    """Who says what is owed."""

    FIGURES = "account figures"
    OVERTAKEN = "account figures, and what was done since"
    RECORDS = "records"


@dataclass(frozen=True, kw_only=True)
class Debt:
    """An amount owed; `as_of` None means that not all it is made of has been read yet."""

    principal: Decimal
    interest: Decimal
    as_of: datetime | None
    source: DebtSource
    interest_is_known: bool = True

    @property
    def total(self) -> Decimal:
        """What clears it, to the last digit, as far as its source knows."""
        return self.principal + self.interest

    @property
    def known_total(self) -> Decimal | None:
        """The same for people; None while not all has been read and nothing was found, which is not
        nothing owed.
        """
        return self.total if self.as_of or self.total else None

    @property
    def is_by_figures(self) -> bool:
        """Whether it rests on the exchange's account figures."""
        return self.source is not DebtSource.RECORDS

    @property
    def is_overtaken(self) -> bool:
        """Whether something was done since the figures were read."""
        return self.source is DebtSource.OVERTAKEN


@dataclass(frozen=True, kw_only=True)
class Since:
    """What instructions of this site have moved in a slot since an instant."""

    borrowed: Decimal = ZERO
    repaid: Decimal = ZERO

    @property
    def is_nothing(self) -> bool:
        """Whether figures of that instant still hold, as far as this site knows."""
        return not (self.borrowed or self.repaid)

    @property
    def balance(self) -> Decimal:
        """By how much the free balance has changed."""
        return self.borrowed - self.repaid


def moved_since(instant: datetime, *, account: Account, symbol: str, currency: str) -> Since:
    """What has happened in a slot since its figures were read."""
    happened = Instruction.objects.filter(
        account=account,
        symbol=symbol,
        currency=currency,
        state__in=HAPPENED,
        settled_at__gt=instant,
    )
    return Since(
        borrowed=_sum(happened.filter(kind=Kind.BORROW), "amount"),
        repaid=_sum(happened.filter(kind=Kind.REPAY), "amount"),
    )


def of_slot(*, account: Account, symbol: str, currency: str) -> Debt:
    """Give the debt by the account figures, or by the records where there are none."""
    side = MarginSide.objects.filter(
        margin_account__account=account, margin_account__market__symbol=symbol, currency=currency
    ).first()
    if side is not None:
        return by_figures(side)
    return by_records(account=account, symbol=symbol, currency=currency)


def with_movements(debt: Debt, since: Since, *, daily_rate: Decimal) -> Debt:
    """The debt after what was done since it was read; a new loan owes its first hour at once."""
    if since.is_nothing:
        return debt
    owed = debt.interest + interest.hourly_charge(since.borrowed, daily_rate)
    principal = debt.principal + since.borrowed
    return Debt(
        principal=max(principal - max(since.repaid - owed, ZERO), ZERO),
        interest=max(owed - since.repaid, ZERO),
        as_of=debt.as_of,
        source=DebtSource.OVERTAKEN,
    )


def by_figures(side: MarginSide) -> Debt:
    """The debt as the exchange's account figures have it."""
    return Debt(
        principal=side.borrow_unpaid,
        interest=side.interest_unpaid,
        as_of=side.as_of,
        source=DebtSource.FIGURES,
    )


def by_records(*, account: Account, symbol: str, currency: str) -> Debt:
    """The debt as the listed loans and repayments have it; never below zero. Its `as_of` is up to
    when both kinds are proven: one without the other does not say what is owed.
    """
    of_slot = {"account": account, "symbol": symbol, "currency": currency}
    lent = BorrowRecord.objects.filter(**of_slot)
    repaid = RepayRecord.objects.filter(**of_slot)
    principal = _sum(lent, "principal") - _sum(repaid, "principal")
    accrued = _sum(lent, "interest") - _sum(repaid, "interest")
    ends = Coverage.objects.filter(account=account, symbol=symbol).values_list(
        "complete_to", flat=True
    )
    known_ends = [end for end in ends if end is not None]
    return Debt(
        principal=max(principal, ZERO),
        interest=max(accrued, ZERO),
        as_of=min(known_ends) if len(known_ends) == len(Kind) else None,
        source=DebtSource.RECORDS,
        interest_is_known=not lent.filter(interest__isnull=True).exists(),
    )


def _sum(rows: QuerySet, field: str) -> Decimal:
    return rows.aggregate(total=ExactSum(field))["total"] or ZERO


def repay_all_cap(
    debt: Debt, *, account: Account, symbol: str, currency: str, daily_rate: Decimal, now: datetime
) -> Decimal:
    """The most that repaying everything may send: one more hour may be charged before it arrives.

    A figure that is hours old may have missed as many charges. Older loans may bear a higher rate
    than today's, so the highest of them counts.
    """
    highest = BorrowRecord.objects.filter(
        account=account, symbol=symbol, currency=currency
    ).aggregate(rate=Max("daily_rate"))["rate"]
    rate = max(daily_rate, highest or ZERO)
    missed = (now - debt.as_of) // timedelta(hours=1) if debt.as_of else 0
    return debt.total + interest.cost(debt.principal, rate, hours=1 + max(missed, 0))
