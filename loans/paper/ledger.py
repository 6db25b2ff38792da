"""Rows of the books: loans, repayments and what is lent out of each pool, read and written.

No rule of lending lives here. Functions work inside the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from sqlite3 import Connection, Row

from loans.paper.amounts import ZERO
from loans.paper.interest import Loan, Part

_LOAN_AMOUNTS = ("principal", "outstanding", "charged", "paid", "daily_rate")


@dataclass(frozen=True, slots=True)
class Repayment:
    """One repayment and how it was split."""

    id: int
    account: int
    symbol: str
    currency: str
    answer_id: str
    record_id: str
    amount: Decimal
    principal: Decimal
    interest: Decimal
    made_ms: int
    visible_ms: int


def read_loan(row: Row) -> Loan:
    """A loan out of its row."""
    return Loan(**{**dict(row), **{name: Decimal(row[name]) for name in _LOAN_AMOUNTS}})


def read_repayment(row: Row) -> Repayment:
    """A repayment out of its row."""
    amounts = {name: Decimal(row[name]) for name in ("amount", "principal", "interest")}
    return Repayment(**{**dict(row), **amounts})


def open_loans(db: Connection, account: int | None = None) -> list[Loan]:
    """Loans not closed, oldest first, of one account or of all."""
    if account is None:
        rows = db.execute("SELECT * FROM loans WHERE closed_ms IS NULL ORDER BY id")
    else:
        rows = db.execute(
            "SELECT * FROM loans WHERE account = ? AND closed_ms IS NULL ORDER BY opened_ms, id",
            (account,),
        )
    return [read_loan(row) for row in rows]


def open_loans_of(db: Connection, account: int, symbol: str, currency: str) -> list[Loan]:
    """Loans of one side of one pair that are not closed, oldest first."""
    rows = db.execute(
        "SELECT * FROM loans WHERE account = ? AND symbol = ? AND currency = ?"
        " AND closed_ms IS NULL ORDER BY opened_ms, id",
        (account, symbol, currency),
    )
    return [read_loan(row) for row in rows]


def add_loan(db: Connection, loan: Loan) -> None:
    """Write a new loan; its id is set."""
    cursor = db.execute(
        "INSERT INTO loans (account, symbol, currency, answer_id, record_id, principal,"
        " outstanding, charged, paid, daily_rate, opened_ms, charged_until_ms, closed_ms,"
        " visible_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(loan.account, loan.symbol, loan.currency, loan.answer_id, loan.record_id),
            *(format(getattr(loan, name), "f") for name in _LOAN_AMOUNTS),
            *(loan.opened_ms, loan.charged_until_ms, loan.closed_ms, loan.visible_ms),
        ),
    )
    assert cursor.lastrowid is not None
    loan.id = cursor.lastrowid


def save_loan(db: Connection, loan: Loan) -> None:
    """Write what changes in a loan's life."""
    db.execute(
        "UPDATE loans SET outstanding = ?, charged = ?, paid = ?, charged_until_ms = ?,"
        " closed_ms = ? WHERE id = ?",
        (
            *(format(figure, "f") for figure in (loan.outstanding, loan.charged, loan.paid)),
            *(loan.charged_until_ms, loan.closed_ms, loan.id),
        ),
    )


def add_repayment(db: Connection, repayment: Repayment, parts: Sequence[Part]) -> None:
    """Write a repayment and what it paid of each loan."""
    repayment_id = db.execute(
        "INSERT INTO repayments (account, symbol, currency, answer_id, record_id, amount,"
        " principal, interest, made_ms, visible_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(repayment.account, repayment.symbol, repayment.currency),
            *(repayment.answer_id, repayment.record_id),
            *(
                format(figure, "f")
                for figure in (repayment.amount, repayment.principal, repayment.interest)
            ),
            *(repayment.made_ms, repayment.visible_ms),
        ),
    ).lastrowid
    db.executemany(
        "INSERT INTO repayment_parts VALUES (?, ?, ?, ?)",
        [
            (repayment_id, part.loan.id, format(part.principal, "f"), format(part.interest, "f"))
            for part in parts
        ],
    )


def lent(db: Connection, currency: str) -> Decimal:
    """What is out of a currency's pool."""
    row = db.execute("SELECT lent FROM pools WHERE currency = ?", (currency,)).fetchone()
    return Decimal(row["lent"]) if row else ZERO


def all_lent(db: Connection) -> dict[str, Decimal]:
    """What is out of every pool that ever lent."""
    return {row["currency"]: Decimal(row["lent"]) for row in db.execute("SELECT * FROM pools")}


def lend(db: Connection, currency: str, change: Decimal) -> None:
    """Take out of a pool, or bring back."""
    after = lent(db, currency) + change
    db.execute("INSERT OR REPLACE INTO pools VALUES (?, ?)", (currency, format(after, "f")))
