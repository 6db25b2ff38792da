"""The books keep value: lent is repaid plus outstanding, to the last digit, under any history."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loans.paper.accounts import Key, Terms, move, open_account
from loans.paper.books import Books
from loans.paper.catalogue import PAIRS
from loans.paper.lending import Ask
from loans.paper.refusals import Refusal
from loans.paper.store import StateInUse, Store

START_MS = 1_795_334_000_000
SIDES = [("BTC_USDT", "USDT"), ("BTC_USDT", "BTC"), ("ETH_BTC", "BTC"), ("SHIB_USDT", "SHIB")]


@dataclass(frozen=True)
class Move:
    """One thing somebody does, after a while; `share` is of what is possible."""

    kind: str
    person: int
    side: tuple[str, str]
    share: Decimal
    wait_ms: int


moves = st.builds(
    Move,
    kind=st.sampled_from(["borrow", "borrow", "repay", "repay", "in", "out"]),
    person=st.integers(0, 1),
    side=st.sampled_from(SIDES),
    share=st.one_of(st.just(Decimal(1)), st.decimals("0.00000001", "1.2", places=8)),
    wait_ms=st.integers(0, 30 * 3_600_000),
)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    store = Store(tmp_path / "paper.sqlite3")
    yield Books(store, seed=1)
    store.close()


def new_key(books: Books) -> Key:
    return books.new_key(wallets=None, terms=Terms(), memo="", now_ms=START_MS)


def act(books: Books, account: int, move: Move, now_ms: int) -> None:
    """Do it with an amount that is possible, or a little more; a refusal is fine."""
    symbol, currency = move.side
    [(entry, *free)] = books.terms(account, [PAIRS[symbol]], now_ms=now_ms)
    side = entry.side(currency)
    at_most = {
        "borrow": free[0 if currency == PAIRS[symbol].base else 1],
        "repay": side.debt,
        "in": books.wallet(account).get(currency, Decimal(0)),
        "out": side.available,
    }[move.kind]
    amount = (at_most * move.share).quantize(Decimal("0.00000001"))
    if amount <= 0:
        return
    ask = Ask(account, symbol, currency, amount)
    with suppress(Refusal):
        if move.kind == "borrow":
            books.borrow(ask, now_ms=now_ms)
        elif move.kind == "repay":
            books.repay(ask, now_ms=now_ms)
        else:
            books.transfer(ask, move.kind, now_ms=now_ms)


def total(rows: list[dict[str, Any]], column: str, **where: Any) -> Decimal:
    return sum(
        (
            Decimal(row[column])
            for row in rows
            if all(row[name] == value for name, value in where.items())
        ),
        Decimal(0),
    )


def assert_value_is_kept(truth: dict[str, list[dict[str, Any]]]) -> None:
    loans, repayments, parts = truth["loans"], truth["repayments"], truth["repayment_parts"]
    for account, (symbol, code) in (
        (row["account"], (row["symbol"], row["currency"])) for row in loans
    ):
        where = {"account": account, "symbol": symbol, "currency": code}
        lent = total(loans, "principal", **where)
        assert lent == total(repayments, "principal", **where) + total(
            loans, "outstanding", **where
        )
        assert total(loans, "paid", **where) == total(repayments, "interest", **where)
    for row in loans:
        assert Decimal(row["paid"]) == total(parts, "interest", loan=row["id"])
        assert Decimal(row["principal"]) - Decimal(row["outstanding"]) == total(
            parts, "principal", loan=row["id"]
        )
        assert 0 <= Decimal(row["paid"]) <= Decimal(row["charged"])
        is_settled = Decimal(row["outstanding"]) == 0 and row["paid"] == row["charged"]
        assert (row["closed_ms"] is not None) == is_settled
    for row in repayments:
        assert Decimal(row["amount"]) == Decimal(row["principal"]) + Decimal(row["interest"])
    for row in truth["pools"]:
        assert Decimal(row["lent"]) == total(loans, "outstanding", currency=row["currency"])


def coins(books: Books, accounts: list[int], currency: str) -> Decimal:
    """What all wallets hold of a currency."""
    pairs = [pair for pair in PAIRS.values() if currency in (pair.base, pair.quote)]
    held = Decimal(0)
    for account in accounts:
        held += books.wallet(account).get(currency, Decimal(0))
        held += sum(
            entry.side(currency).available
            for entry in books.standing(account, pairs, now_ms=START_MS)
        )
    return held


@settings(max_examples=60, deadline=None)
@given(
    history=st.lists(moves, max_size=25),
    order=st.sampled_from(["interest_first", "loan_by_loan", "principal_first"]),
)
def test_value_is_kept_under_random_histories(history: list[Move], order: str) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "paper.sqlite3")
        books = Books(store, seed=1)
        books.change_switches({"repay_order": order}, now_ms=START_MS)
        accounts = [new_key(books).account for _ in range(2)]
        at_start = {code: coins(books, accounts, code) for _, code in SIDES}
        now_ms = START_MS
        for move in history:
            now_ms += move.wait_ms
            act(books, accounts[move.person], move, now_ms)
            assert_value_is_kept(books.truth())
        truth = books.truth()
        for code, before in at_start.items():
            borrowed = total(truth["loans"], "principal", currency=code)
            repaid = total(truth["repayments"], "amount", currency=code)
            assert coins(books, accounts, code) == before + borrowed - repaid
        store.close()


def test_what_is_shown_as_borrowable_can_be_borrowed_and_not_a_satoshi_more(books: Books) -> None:
    account = new_key(books).account
    [(_, _, quote)] = books.terms(account, [PAIRS["BTC_USDT"]], now_ms=START_MS)

    with pytest.raises(Refusal, match="51004"):
        books.borrow(
            Ask(account, "BTC_USDT", "USDT", quote + Decimal("0.00000001")), now_ms=START_MS
        )
    books.borrow(Ask(account, "BTC_USDT", "USDT", quote), now_ms=START_MS)


def test_a_loan_whose_principal_is_back_stays_open_for_its_interest(books: Books) -> None:
    books.change_switches({"repay_order": "principal_first"}, now_ms=START_MS)
    account = new_key(books).account
    ask = Ask(account, "BTC_USDT", "USDT", Decimal(100))
    books.borrow(ask, now_ms=START_MS)
    [opened] = books.truth()["loans"]

    books.repay(ask, now_ms=START_MS)
    [emptied] = books.truth()["loans"]
    books.repay(Ask(account, "BTC_USDT", "USDT", Decimal("0.00229166")), now_ms=START_MS)
    [closed] = books.truth()["loans"]

    assert opened["charged"] == "0.00229166"
    assert (emptied["closed_ms"], Decimal(emptied["outstanding"])) == (None, 0)
    assert closed["closed_ms"] == START_MS


def test_the_maximum_of_a_pair_counts_what_is_out_already(books: Books) -> None:
    wallets = {"BTC_USDT": {"USDT": Decimal(1_000_000)}}
    key = books.new_key(wallets=wallets, terms=Terms(), memo="", now_ms=START_MS)
    books.borrow(Ask(key.account, "BTC_USDT", "USDT", Decimal(49_999)), now_ms=START_MS)

    [(_, _, quote)] = books.terms(key.account, [PAIRS["BTC_USDT"]], now_ms=START_MS)

    assert quote == 1
    with pytest.raises(Refusal, match="51004"):
        books.borrow(Ask(key.account, "BTC_USDT", "USDT", Decimal(2)), now_ms=START_MS)


def test_a_balance_never_falls_below_zero(tmp_path: Path) -> None:
    store = Store(tmp_path / "paper.sqlite3")
    with store.writing() as db:
        account = open_account(db, START_MS)
        with pytest.raises(AssertionError):
            move(db, account, "spot", "USDT", Decimal("-0.00000001"))
    store.close()


def test_a_refused_operation_leaves_no_trace(books: Books) -> None:
    account = new_key(books).account
    before = books.truth()

    with pytest.raises(Refusal):
        books.borrow(Ask(account, "BTC_USDT", "USDT", Decimal(10**9)), now_ms=START_MS)

    assert books.truth() == before


def test_changed_switches_do_not_reach_back_into_hours_already_started(books: Books) -> None:
    account = new_key(books).account
    books.borrow(Ask(account, "BTC_USDT", "USDT", Decimal(100)), now_ms=START_MS)
    later = START_MS + 3 * 3_600_000

    books.change_switches({"rates": {"BTC_USDT": {"USDT": "0.024"}}}, now_ms=later)
    [entry] = books.standing(account, [PAIRS["BTC_USDT"]], now_ms=later + 3_600_000)

    assert entry.quote.interest == 4 * Decimal("0.00229166") + Decimal("0.1")


def test_the_rate_of_a_loan_moves_with_the_market_unless_it_is_fixed(books: Books) -> None:
    for rate, hour_costs in (("current", "0.1"), ("at_borrow", "0.00229166")):
        books.change_switches({"rates": None, "interest_rate": rate}, now_ms=START_MS)
        account = new_key(books).account
        books.borrow(Ask(account, "BTC_USDT", "USDT", Decimal(100)), now_ms=START_MS)
        books.change_switches({"rates": {"BTC_USDT": {"USDT": "0.024"}}}, now_ms=START_MS)

        [entry] = books.standing(account, [PAIRS["BTC_USDT"]], now_ms=START_MS + 3_600_000)

        assert entry.quote.interest == Decimal("0.00229166") + Decimal(hour_costs)


def test_a_state_file_belongs_to_one_exchange_at_a_time(tmp_path: Path) -> None:
    first = Store(tmp_path / "paper.sqlite3")

    with pytest.raises(StateInUse):
        Store(tmp_path / "paper.sqlite3")

    first.close()
    Store(tmp_path / "paper.sqlite3").close()


def test_the_state_file_is_private_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "paper.sqlite3"
    store = Store(path)

    assert path.stat().st_mode & 0o777 == 0o600
    with store.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_past_is_long_busy_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    stories = []
    for name in ("one", "two"):
        store = Store(tmp_path / name)
        books = Books(store, seed=1)
        key = books.new_key(wallets=None, terms=Terms(), memo="", now_ms=START_MS, past_seed=5)
        truth = books.truth(key.account)
        assert_value_is_kept(truth)
        stories.append([(row["principal"], row["opened_ms"]) for row in truth["loans"]])
        store.close()

    assert stories[0] == stories[1]
    per_pair = [row["symbol"] for row in truth["loans"]]
    assert max(map(per_pair.count, set(per_pair))) > 100
    assert len(set(per_pair)) >= 6
    assert any(row["closed_ms"] is None for row in truth["loans"])
    assert min(row["opened_ms"] for row in truth["loans"]) <= START_MS - 85 * 86_400_000
    assert max(row["made_ms"] for row in truth["repayments"]) <= START_MS
    repaid = [row["symbol"] for row in truth["repayments"]]
    assert max(map(repaid.count, set(repaid))) > 100
