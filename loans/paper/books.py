"""The books: every operation of the exchange as one durable transaction, with `now_ms` passed in.

The rules are in `lending`, `interest`, `positions` and `records`; this is their door. HTTP, keys'
signatures and limits are none of its business.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from sqlite3 import Connection

from loans.paper import accounts, lending, records, switches
from loans.paper.accounts import Key, Terms
from loans.paper.amounts import ZERO
from loans.paper.catalogue import PAIRS, Pair
from loans.paper.interest import Loan
from loans.paper.ledger import (
    Repayment,
    all_lent,
    open_loans,
    read_loan,
    read_repayment,
    save_loan,
)
from loans.paper.lending import Ask
from loans.paper.market import Market
from loans.paper.past import write_past
from loans.paper.positions import PairAccount, borrowable, pair_accounts
from loans.paper.records import Query
from loans.paper.rules import Rules
from loans.paper.store import Store

Wallets = Mapping[str, Mapping[str, Decimal]]


class Books:
    """Accounts, loans and repayments in one file, under one market and one setting of switches."""

    def __init__(self, store: Store, *, seed: int, expiry_seconds: int | None = None) -> None:
        self._store = store
        self._seed = seed
        self._apply(switches.load(store, expiry_seconds=expiry_seconds))

    @property
    def rules(self) -> Rules:
        """The market and switches in force."""
        return self._rules

    def _apply(self, chosen: switches.Switches) -> None:
        market = Market(self._seed, prices=chosen.prices, rates=chosen.rates)
        self._rules = Rules(market, chosen)

    def change_switches(self, changes: Mapping[str, object], *, now_ms: int) -> None:
        """Set switches from now on: hours already started are charged under the old ones first."""
        chosen = switches.merged(self._store, changes)
        built = switches.build(chosen)
        self.settle(now_ms)
        self._store.save_setting("switches", chosen)
        self._apply(built)

    def settle(self, now_ms: int) -> None:
        """Write down the interest of every open loan up to now."""
        with self._store.writing() as db:
            for loan in open_loans(db):
                self._rules.accrue(loan, now_ms)
                save_loan(db, loan)

    # Accounts and keys

    def new_key(
        self,
        *,
        wallets: Wallets | None,
        terms: Terms,
        memo: str,
        now_ms: int,
        past_seed: int | None = None,
        account: int | None = None,
    ) -> Key:
        """A key of a new account (or of `account`), funded, and with a past if there is a seed."""
        with self._store.writing() as db:
            if account is None:
                account = accounts.open_account(db, now_ms)
                _fund(db, account, accounts.starting_balances() if wallets is None else wallets)
                if past_seed is not None:
                    write_past(db, account, seed=past_seed, rules=self._rules, now_ms=now_ms)
            return accounts.make_key(db, account, memo=memo, terms=terms)

    def find_key(self, access_key: str) -> Key | None:
        """The key with this access key."""
        with self._store.reading() as db:
            return accounts.find_key(db, access_key)

    def change_key(self, key: Key, terms: Terms) -> Key:
        """Give a key other terms."""
        with self._store.writing() as db:
            accounts.change_key(db, key, terms)
        return replace(key, terms=terms)

    def wallet(self, account: int) -> dict[str, Decimal]:
        """Spot balances by currency."""
        with self._store.reading() as db:
            held = accounts.balances(db, account)
        return {code: amount for (wallet, code), amount in held.items() if wallet == accounts.SPOT}

    # Money

    def borrow(self, ask: Ask, *, now_ms: int) -> Loan:
        """Borrow. Raises: Refusal."""
        with self._store.writing() as db:
            return lending.borrow(db, ask, rules=self._rules, now_ms=now_ms)

    def repay(self, ask: Ask, *, now_ms: int) -> Repayment:
        """Repay. Raises: Refusal."""
        with self._store.writing() as db:
            return lending.repay(db, ask, rules=self._rules, now_ms=now_ms)

    def transfer(self, ask: Ask, side: str, *, now_ms: int) -> str:
        """Move between spot and a pair's account; the transfer's id. Raises: Refusal."""
        with self._store.writing() as db:
            return lending.transfer(db, ask, side, rules=self._rules, now_ms=now_ms)

    # Reading

    def borrow_records(self, query: Query, *, now_ms: int) -> list[Loan]:
        """Loans of a pair, interest charged up to now."""
        with self._store.reading() as db:
            rows = records.list_rows(
                db,
                query,
                table="loans",
                time_column="opened_ms",
                switches=self._rules.switches,
                now_ms=now_ms,
            )
            loans = [read_loan(row) for row in rows]
        for loan in loans:
            self._rules.accrue(loan, now_ms)
        return loans

    def repay_records(self, query: Query, *, now_ms: int) -> list[Repayment]:
        """Repayments of a pair."""
        with self._store.reading() as db:
            rows = records.list_rows(
                db,
                query,
                table="repayments",
                time_column="made_ms",
                switches=self._rules.switches,
                now_ms=now_ms,
            )
            return [read_repayment(row) for row in rows]

    def standing(self, account: int, pairs: list[Pair], *, now_ms: int) -> list[PairAccount]:
        """What the account has and owes on these pairs."""
        with self._store.reading() as db:
            return pair_accounts(db, account, pairs, rules=self._rules, now_ms=now_ms)

    def terms(
        self, account: int, pairs: list[Pair], *, now_ms: int
    ) -> list[tuple[PairAccount, Decimal, Decimal]]:
        """The standing on each pair, with what is borrowable of base and quote."""
        with self._store.reading() as db:
            entries = pair_accounts(db, account, pairs, rules=self._rules, now_ms=now_ms)
            lent = all_lent(db)
        return [
            (
                entry,
                borrowable(entry, entry.pair.base, lent, self._rules),
                borrowable(entry, entry.pair.quote, lent, self._rules),
            )
            for entry in entries
        ]

    def truth(self, account: int | None = None) -> dict[str, list[dict[str, object]]]:
        """Every executed operation, for tests to compare with what was told."""
        with self._store.reading() as db:
            return {
                table: _listed(db, table, account)
                for table in ("loans", "repayments", "repayment_parts", "transfers", "pools")
            }


def _fund(db: Connection, account: int, wallets: Wallets) -> None:
    for wallet, coins in wallets.items():
        if wallet != accounts.SPOT and wallet not in PAIRS:
            raise ValueError(f"no such wallet: {wallet}")
        for currency, amount in coins.items():
            if amount < ZERO:
                raise ValueError("a balance is not negative")
            accounts.move(db, account, wallet, currency, amount)


def _listed(db: Connection, table: str, account: int | None) -> list[dict[str, object]]:
    if account is None or table in ("repayment_parts", "pools"):
        rows = db.execute(f"SELECT * FROM {table}")  # noqa: S608 (a name of ours)
    else:
        rows = db.execute(f"SELECT * FROM {table} WHERE account = ? ORDER BY id", (account,))  # noqa: S608
    return [dict(row) for row in rows]
