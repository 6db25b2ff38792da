"""What is owed of one currency on one pair with one account, and by whose word.

The exchange's own account figures come first; where there are none the records say it, and the
answer names which of the two it is. The two are never merged. Reads the database only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Max, QuerySet

from loans import interest
from loans.fields import ExactSum
from loans.models import Account, BorrowRecord, Coverage, MarginSide, RepayRecord

ZERO = Decimal(0)


class DebtSource(StrEnum):
    """Who says what is owed."""

    FIGURES = "account figures"
    RECORDS = "records"


@dataclass(frozen=True, kw_only=True)
class Debt:
    """An amount owed; `as_of` None means that nothing has been read yet."""

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
    def is_by_figures(self) -> bool:
        """Whether the exchange's account figures say it."""
        return self.source is DebtSource.FIGURES


def of_slot(*, account: Account, symbol: str, currency: str) -> Debt:
    """Give the debt by the account figures, or by the records where there are none."""
    side = MarginSide.objects.filter(
        margin_account__account=account, margin_account__market__symbol=symbol, currency=currency
    ).first()
    if side is not None:
        return by_figures(side)
    return by_records(account=account, symbol=symbol, currency=currency)


def by_figures(side: MarginSide) -> Debt:
    """The debt as the exchange's account figures have it."""
    return Debt(
        principal=side.borrow_unpaid,
        interest=side.interest_unpaid,
        as_of=side.as_of,
        source=DebtSource.FIGURES,
    )


def by_records(*, account: Account, symbol: str, currency: str) -> Debt:
    """The debt as the listed loans and repayments have it; never below zero."""
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
        as_of=min(known_ends) if known_ends else None,
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
