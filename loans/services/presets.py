"""Files that tax tools take: loans, their repayment, and the interest, under the tools' own names.

Which column and type means what is told in docs/tax-presets.md. The rows are those of the filter,
borrows and repayments together, oldest first, with times in UTC, because that is what the tools
read. Interest is either what was paid, at each repayment, or what was charged, at each loan: one
file never holds both, because then it would count twice.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain

from loans.models import Account, Kind
from loans.services import exports, history
from loans.services.exports import number_cell, text_cell
from loans.services.filters import HistoryFilter

PAID, CHARGED = "paid", "charged"
LOAN, REPAYMENT, INTEREST = "loan", "repayment", "interest"


@dataclass(frozen=True, slots=True)
class Movement:
    """One thing that a tool shall know: money borrowed, given back, or spent on interest."""

    what: str
    amount: Decimal
    currency: str
    account: Account
    symbol: str
    record_id: str
    at: datetime

    @property
    def comes_in(self) -> bool:
        """Whether the balance grows by it."""
        return self.what == LOAN

    @property
    def wallet(self) -> str:
        """Where the balance is: each pair of an account has its own."""
        return text_cell(f"{self.account.get_venue_display()} {self.account.label} {self.symbol}")

    @property
    def words(self) -> str:
        """Where it comes from, for a person who looks at the tool's list."""
        return text_cell(f"{self.what} of record {self.record_id}")

    def side(self, *, comes_in: bool) -> list[str]:
        """Amount and currency, if it moves that way."""
        if self.comes_in != comes_in:
            return ["", ""]
        return [number_cell(self.amount), text_cell(self.currency)]


@dataclass(frozen=True, slots=True)
class Tool:
    """How one tool wants it."""

    name: str
    head: tuple[str, ...]
    types: dict[str, str]
    line: Callable[["Tool", Movement], list[str]]


def _bittytax_line(tool: Tool, movement: Movement) -> list[str]:
    return [
        tool.types[movement.what],
        *movement.side(comes_in=True),
        "",
        *movement.side(comes_in=False),
        "",
        *("", "", ""),
        movement.wallet,
        f"{movement.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f} UTC",
        movement.words,
    ]


def _cointracking_line(tool: Tool, movement: Movement) -> list[str]:
    return [
        tool.types[movement.what],
        *movement.side(comes_in=True),
        *movement.side(comes_in=False),
        *("", ""),
        movement.wallet,
        "isolated margin",
        movement.words,
        f"{movement.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        text_cell(f"{movement.record_id}-{movement.what}"),
    ]


BITTYTAX = Tool(
    "BittyTax",
    (
        *("Type", "Buy Quantity", "Buy Asset", "Buy Value in GBP"),
        *("Sell Quantity", "Sell Asset", "Sell Value in GBP"),
        *("Fee Quantity", "Fee Asset", "Fee Value in GBP", "Wallet", "Timestamp", "Note"),
    ),
    {LOAN: "Loan", REPAYMENT: "Loan-Repayment", INTEREST: "Loan-Interest"},
    _bittytax_line,
)
COINTRACKING = Tool(
    "CoinTracking",
    (
        *("Type", "Buy", "Cur.", "Sell", "Cur.", "Fee", "Cur."),
        *("Exchange", "Group", "Comment", "Date", "Tx-ID"),
    ),
    {LOAN: "Receive Loan", REPAYMENT: "Repay Loan", INTEREST: "Borrowing Fee"},
    _cointracking_line,
)
TOOLS = {"bittytax": BITTYTAX, "cointracking": COINTRACKING}


def pieces(tool: Tool, chosen: HistoryFilter, *, interest: str) -> Iterator[str]:
    """The file in pieces of some lines each. `interest` is PAID or CHARGED."""
    lines = (tool.line(tool, movement) for movement in movements(chosen, interest=interest))
    yield from exports.joined(lines, head=list(tool.head))


def movements(chosen: HistoryFilter, *, interest: str) -> Iterator[Movement]:
    """Everything the filter means, oldest first; memory does not grow with its length.

    Left out is what is not known: a principal first seen after repayment, an interest never told.
    """
    oldest_first = replace(chosen, sort="at")
    borrows = chain.from_iterable(
        _of_borrow(row, oldest_first, with_interest=interest == CHARGED)
        for row in history.every_row(Kind.BORROW, oldest_first)
    )
    repays = chain.from_iterable(
        _of_repay(row, oldest_first, with_interest=interest == PAID)
        for row in history.every_row(Kind.REPAY, oldest_first)
    )
    return heapq.merge(borrows, repays, key=lambda movement: movement.at)


def file_name(tool: Tool, chosen: HistoryFilter, *, interest: str) -> str:
    """As the lists are named, with the tool, and which interest. The zone is that of the days."""
    listed = exports.file_name(Kind.BORROW, chosen, ending="csv")
    rest = listed.removeprefix("borrows_").removesuffix(".csv")
    return f"{tool.name}_interest-{interest}_{rest}_times-UTC.csv"


def _of_borrow(row: object, chosen: HistoryFilter, *, with_interest: bool) -> Iterator[Movement]:
    yield from _known(row, LOAN, row.principal, chosen)
    if with_interest:
        yield from _known(row, INTEREST, row.interest, chosen)


def _of_repay(row: object, chosen: HistoryFilter, *, with_interest: bool) -> Iterator[Movement]:
    yield from _known(row, REPAYMENT, row.principal, chosen)
    if with_interest:
        yield from _known(row, INTEREST, row.interest, chosen)


def _known(
    row: object, what: str, amount: Decimal | None, chosen: HistoryFilter
) -> Iterator[Movement]:
    """Tools want amounts above nothing, and the sign told by the type."""
    if amount is not None and amount > 0:
        account = next(one for one in chosen.accounts if one.pk == row.account_id)
        yield Movement(what, amount, row.currency, account, row.symbol, row.record_id, row.at)
