"""The market and the switches as they stand for one operation, passed to what needs them."""

from dataclasses import dataclass
from decimal import Decimal

from loans.paper.catalogue import Pair
from loans.paper.interest import Loan, accrue
from loans.paper.market import Market
from loans.paper.switches import Switches


@dataclass(frozen=True, slots=True)
class Rules:
    """Frozen, so that an operation never sees half of a change."""

    market: Market
    switches: Switches

    def is_enabled(self, pair: Pair) -> bool:
        """Whether a pair lends."""
        return pair.enabled and self.switches["lending"] == "open"

    def accrue(self, loan: Loan, now_ms: int) -> None:
        """Charge the hours of a loan that are booked by now."""
        self._charge(loan, now_ms, self.switches["interest_null_seconds"] * 1000)

    def settle(self, loan: Loan, now_ms: int) -> None:
        """Charge every hour that has started, booked or not, because it is being repaid."""
        self._charge(loan, now_ms, 0)

    def _charge(self, loan: Loan, now_ms: int, delay_ms: int) -> None:
        def at_borrow(symbol: str, currency: str, at_ms: int) -> Decimal:
            return loan.daily_rate

        is_fixed = self.switches["interest_rate"] == "at_borrow"
        accrue(
            loan,
            now_ms,
            rate_at=at_borrow if is_fixed else self.market.daily_rate,
            hours=self.switches["interest_hours"],
            delay_ms=delay_ms,
        )
