"""Exchange accounts, the keys that open them, and their balances.

A balance sits in a wallet: "spot", or the symbol of an isolated-margin pair. Functions work inside
the caller's transaction.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from sqlite3 import Connection

from loans.paper import ids
from loans.paper.amounts import ZERO, divide, product
from loans.paper.catalogue import CURRENCIES, PAIRS

SPOT = "spot"
PERMISSIONS = frozenset({"read", "margin"})

_SPOT_START = {"USDT": Decimal(10_000), "BTC": Decimal("0.25"), "ETH": Decimal(4)}
_QUOTE_VALUE = Decimal(2_500)
_BASE_VALUE = Decimal(600)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a key may do, from where, until when. `refusals`: pair or "*" -> code of a refusal."""

    permissions: tuple[str, ...] = ("read", "margin")
    frozen: bool = False
    expires_ms: int | None = None
    ips: tuple[str, ...] = ()
    refusals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """An access key with its secrets and terms."""

    access_key: str
    account: int
    secret: str = field(repr=False)
    memo: str = field(repr=False)
    terms: Terms


def open_account(db: Connection, now_ms: int) -> int:
    """A new account without any balance."""
    found = db.execute("INSERT INTO accounts (opened_ms) VALUES (?)", (now_ms,)).lastrowid
    assert found is not None
    return found


def make_key(db: Connection, account: int, *, memo: str, terms: Terms) -> Key:
    """A new key of an account, with random access key and secret."""
    key = Key(ids.access_key(), account, ids.secret_key(), memo, terms)
    db.execute(
        "INSERT INTO keys VALUES (?, ?, ?, ?, ?)",
        (key.access_key, account, key.secret, memo, json.dumps(asdict(terms))),
    )
    return key


def change_key(db: Connection, key: Key, terms: Terms) -> None:
    """Give a key other terms: frozen, expired, narrower."""
    db.execute(
        "UPDATE keys SET terms = ? WHERE access_key = ?",
        (json.dumps(asdict(terms)), key.access_key),
    )


def find_key(db: Connection, access_key: str) -> Key | None:
    """The key with this access key."""
    row = db.execute("SELECT * FROM keys WHERE access_key = ?", (access_key,)).fetchone()
    if row is None:
        return None
    terms = json.loads(row["terms"])
    terms["permissions"] = tuple(terms["permissions"])
    terms["ips"] = tuple(terms["ips"])
    return Key(access_key, row["account"], row["secret"], row["memo"], Terms(**terms))


def balance(db: Connection, account: int, wallet: str, currency: str) -> Decimal:
    """What is there of a currency in a wallet."""
    row = db.execute(
        "SELECT amount FROM balances WHERE account = ? AND wallet = ? AND currency = ?",
        (account, wallet, currency),
    ).fetchone()
    return Decimal(row["amount"]) if row else ZERO


def balances(db: Connection, account: int) -> dict[tuple[str, str], Decimal]:
    """All balances of an account by (wallet, currency)."""
    rows = db.execute("SELECT * FROM balances WHERE account = ?", (account,))
    return {(row["wallet"], row["currency"]): Decimal(row["amount"]) for row in rows}


def move(db: Connection, account: int, wallet: str, currency: str, change: Decimal) -> None:
    """Add to a balance, or take from it; the caller has checked that it suffices."""
    after = balance(db, account, wallet, currency) + change
    if after < 0:
        raise AssertionError("a balance would fall below zero")
    db.execute(
        "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)",
        (account, wallet, currency, format(after, "f")),
    )


def starting_balances() -> dict[str, dict[str, Decimal]]:
    """What a newcomer is given: coins of both kinds on every open pair, and some in spot."""
    wallets = {SPOT: dict(_SPOT_START)}
    wallets |= {
        symbol: {
            pair.quote: _worth(_QUOTE_VALUE, pair.quote),
            pair.base: _worth(_BASE_VALUE, pair.base),
        }
        for symbol, pair in PAIRS.items()
        if pair.enabled
    }
    return wallets


def _worth(value: Decimal, currency: str) -> Decimal:
    """About this value in coins, to two significant digits (all of it for dollars)."""
    coins = divide(value, CURRENCIES[currency].usual_price)
    unit = Decimal(1).scaleb(coins.adjusted() - 1)
    return product(divide(coins, unit).to_integral_value(), unit)
