"""Which loan each repayment paid, as the exchange splits it: interest first, then the oldest loan.

Pure: values in, values out. The exchange's own record tells how much of a repayment was principal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from loans import exact
from loans.replay import Loan, Part


@dataclass(frozen=True, slots=True)
class Repayment:
    """One repayment as recorded: the principal part of it pays loans oldest first."""

    key: str
    at: datetime
    principal: Decimal


class Repayments:
    """Pays principal back oldest loan first, each repayment only to loans taken by then.

    A repayment's principal is what the exchange says is left of it after interest, so interest goes
    first. Both loans and repayments come in order of time, then of key; holds one of each.
    `left_over` found no loan to pay, so a loan is missing.
    """

    def __init__(self, repayments: Iterable[Repayment]) -> None:
        self.left_over = exact.ZERO
        self._waiting = iter(repayments)
        self._next = next(self._waiting, None)
        self._rest = self._next.principal if self._next else exact.ZERO

    def pay(self, loan: Loan) -> tuple[Part, ...]:
        """What was repaid of the next loan; nothing of one with no known principal."""
        owed, parts = loan.principal or exact.ZERO, []
        while self._next is not None and self._next.at < loan.at:
            self._leave()
        while owed and self._next is not None:
            paid = min(self._rest, owed)
            if paid:
                parts.append(Part(self._next.key, self._next.at, paid))
                owed, self._rest = exact.minus(owed, paid), exact.minus(self._rest, paid)
            if not self._rest:
                self._leave()
        return tuple(parts)

    def finish(self) -> Decimal:
        """Leave over what no loan took, and tell how much that is in all."""
        while self._next is not None:
            self._leave()
        return self.left_over

    def _leave(self) -> None:
        self.left_over = exact.plus(self.left_over, self._rest)
        self._next = next(self._waiting, None)
        self._rest = self._next.principal if self._next else exact.ZERO
