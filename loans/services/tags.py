"""Amount tags: a few 1e-8 more or less, so that our loan can be told from another's of like amount.

Where others use an account too, nothing else can tell the two apart. A tag is offered, shown to the
last digit and confirmed by a person; it is never added silently.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from loans.models import Account, Instruction, Kind

UNIT = Decimal("1e-8")
TAGS = range(1, 100)
ROUND_TO = len(TAGS) + 1  # units: a person's amount has no digits below 0.000001
KEPT = timedelta(days=30)


def is_tagged(instruction: Instruction) -> bool:
    """Whether its amount carries a tag; what repays everything has its digits from the debt."""
    return not instruction.repay_all and _digits(instruction.amount) != 0


def offer(
    *,
    account: Account,
    kind: str,
    symbol: str,
    currency: str,
    amount: Decimal,
    highest: Decimal | None,
    now: datetime,
) -> Decimal | None:
    """The amount to propose instead, unused in this slot for 30 days; None where none is needed.

    A borrow grows by its tag, up to `highest`; a repayment shrinks, and stays above nothing.
    """
    if account.mode != Account.Mode.SHARED or _digits(amount) != 0:
        return None
    recent = Instruction.objects.filter(
        account=account,
        kind=kind,
        symbol=symbol,
        currency=currency,
        created_at__gte=now - KEPT,
    )
    used = set(recent.values_list("amount", flat=True))
    sign = 1 if kind == Kind.BORROW else -1
    for tag in TAGS:
        tagged = amount + sign * tag * UNIT
        fits = tagged > 0 and (highest is None or tagged <= highest)
        if fits and tagged not in used:
            return tagged
    return None


def _digits(amount: Decimal) -> int:
    return int(amount / UNIT) % ROUND_TO
