"""Hourly interest: what a started hour costs, when hours start, and how a repayment is split.

Arithmetic only: no clock, no file. The formula reproduces every charge captured live.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from loans.paper.amounts import ZERO, divide, floor8, floor10, product
from loans.paper.market import HOUR_MS

HOURS_A_DAY = Decimal(24)


@dataclass(slots=True)
class Loan:
    """One borrow: what was lent, what is still out, what it has cost and what of that was paid."""

    id: int
    account: int
    symbol: str
    currency: str
    answer_id: str
    record_id: str
    principal: Decimal
    outstanding: Decimal
    charged: Decimal
    paid: Decimal
    daily_rate: Decimal
    opened_ms: int
    charged_until_ms: int
    closed_ms: int | None
    visible_ms: int

    @property
    def interest_due(self) -> Decimal:
        """Interest charged and not yet paid."""
        return self.charged - self.paid

    @property
    def debt(self) -> Decimal:
        """Principal and interest still to be repaid."""
        return self.outstanding + self.interest_due

    @property
    def is_booked(self) -> bool:
        """Whether the first hour was charged."""
        return self.charged_until_ms >= self.opened_ms


@dataclass(frozen=True, slots=True)
class Part:
    """What one repayment paid of one loan."""

    loan: Loan
    interest: Decimal
    principal: Decimal


def hourly_rate(daily_rate: Decimal) -> Decimal:
    """The rate that is charged: a 24th of the daily one, cut at the tenth place."""
    return floor10(divide(daily_rate, HOURS_A_DAY))


def charge(principal: Decimal, daily_rate: Decimal) -> Decimal:
    """What one started hour costs."""
    return floor8(product(principal, hourly_rate(daily_rate)))


def charge_times(
    loan: Loan, until_ms: int, *, hours: str = "anniversary", delay_ms: int = 0
) -> Iterator[int]:
    """When the charges fell due that are booked by `until_ms` and were not booked before.

    The first hour is due with the borrow, the others on each anniversary of it, or with
    hours="clock" on each full hour of the clock. Where booking is asynchronous, nothing of the loan
    is booked until `delay_ms` after the borrow; a repayment settles it at once.
    """
    if until_ms < loan.opened_ms + delay_ms:
        return
    if not loan.is_booked:
        yield loan.opened_ms
    origin = loan.opened_ms if hours == "anniversary" else 0
    start = max(loan.charged_until_ms, loan.opened_ms)
    later = origin + ((start - origin) // HOUR_MS + 1) * HOUR_MS
    yield from range(later, until_ms + 1, HOUR_MS)


def accrue(
    loan: Loan,
    now_ms: int,
    *,
    rate_at: Callable[[str, str, int], Decimal],
    hours: str = "anniversary",
    delay_ms: int = 0,
) -> None:
    """Charge every hour that has started by now, each at the rate of its own time."""
    if loan.closed_ms is not None:
        return
    charges: dict[Decimal, Decimal] = {}
    for at_ms in charge_times(loan, now_ms, hours=hours, delay_ms=delay_ms):
        rate = rate_at(loan.symbol, loan.currency, at_ms)
        if rate not in charges:
            charges[rate] = charge(loan.outstanding, rate)
        loan.charged += charges[rate]
        loan.charged_until_ms = at_ms


def split(amount: Decimal, loans: Iterable[Loan], *, order: str = "interest_first") -> list[Part]:
    """Which loan gets what of a repayment; `loans` stand oldest first.

    "interest_first" pays all interest before any principal, "loan_by_loan" pays the interest and
    then the principal of each loan in turn, "principal_first" pays all principal before interest.
    """
    steps = [(loan, kind) for loan in loans for kind in ("interest", "principal")]
    if order == "interest_first":
        steps.sort(key=lambda step: step[1] != "interest")
    elif order == "principal_first":
        steps.sort(key=lambda step: step[1] != "principal")
    left = amount
    paid: dict[int, dict[str, Decimal]] = {}
    for loan, kind in steps:
        due = loan.interest_due if kind == "interest" else loan.outstanding
        piece = min(left, due)
        left -= piece
        paid.setdefault(loan.id, {"interest": ZERO, "principal": ZERO})[kind] = piece
    by_id = {loan.id: loan for loan, _ in steps}
    parts = [Part(by_id[key], found["interest"], found["principal"]) for key, found in paid.items()]
    return [part for part in parts if part.interest or part.principal]
