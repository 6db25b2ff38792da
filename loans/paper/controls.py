"""The controls under /paper/: keys, faults, clock, switches, books. For this machine only.

A request is obeyed only if it comes from a loopback address, names a loopback host and was not sent
by a web page or through a proxy: a page in somebody's browser must not reach it, not even by making
its own name point here.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from loans.bitmart.codes import CODES
from loans.bitmart.protocol import Malformed, decode_json
from loans.paper import switches
from loans.paper.accounts import PERMISSIONS, SPOT, Key, Terms
from loans.paper.amounts import floor8
from loans.paper.catalogue import CURRENCIES, PAIRS
from loans.paper.messages import Reply, Request, plain

if TYPE_CHECKING:
    from loans.paper.exchange import Exchange

PREFIX = "/paper/"

_KEY_FIELDS = {
    *("history", "permissions", "balances", "seed", "memo", "same_account_as"),
    *("access_key", "frozen", "expired", "ips", "refusals"),
}
_PAGE_HEADERS = ("Origin", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


def answer(exchange: "Exchange", request: Request) -> Reply:
    """Obey, or say why not."""
    if not _is_local(request):
        return plain(403, {"error": "the controls answer on this machine only"})
    control = _CONTROLS.get((request.method, request.path.removeprefix(PREFIX)))
    if control is None:
        return plain(404, {"error": "no such control"})
    try:
        orders = _orders(request)
        return plain(200, control(exchange, orders))
    except ValueError as exc:
        return plain(400, {"error": str(exc)})


def _is_local(request: Request) -> bool:
    if any(request.header(name) for name in _PAGE_HEADERS):
        return False
    host = request.header("Host").lower()
    name = host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
    return _is_loopback(request.client) and (name == "localhost" or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _orders(request: Request) -> dict[str, object]:
    if request.method == "GET":
        return request.query_fields()
    try:
        found = decode_json(request.body or b"{}")
    except Malformed as exc:
        raise ValueError(f"the body is {exc}") from exc
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    return found


# Keys


def _keys(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    unknown = set(orders) - _KEY_FIELDS
    if unknown:
        raise ValueError(f"a key has no {', '.join(sorted(unknown))}")
    now_ms = exchange.clock.now_ms()
    if "access_key" in orders:
        key = _known(exchange, orders["access_key"])
        return _shown(exchange.books.change_key(key, _terms(orders, key.terms, now_ms)))
    sibling = orders.get("same_account_as")
    return _shown(
        exchange.books.new_key(
            wallets=_wallets(orders.get("balances")),
            terms=_terms(orders, Terms(), now_ms),
            memo=_memo(orders.get("memo", "paper")),
            now_ms=now_ms,
            past_seed=_past_seed(exchange, orders),
            account=_known(exchange, sibling).account if sibling is not None else None,
        )
    )


def _shown(key: Key) -> dict[str, str]:
    return {"access_key": key.access_key, "secret": key.secret, "memo": key.memo}


def _known(exchange: "Exchange", access_key: object) -> Key:
    key = exchange.books.find_key(str(access_key))
    if key is None:
        raise ValueError("no such key")
    return key


def _memo(memo: object) -> str:
    if not isinstance(memo, str) or len(memo) > 64:
        raise ValueError("memo is a text of at most 64 characters")
    return memo


def _past_seed(exchange: "Exchange", orders: Mapping[str, object]) -> int | None:
    wanted, seed = orders.get("history", False), orders.get("seed", exchange.seed)
    if not isinstance(wanted, bool) or isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError("history is true or false, seed a whole number")
    return seed if wanted else None


def _wallets(balances: object) -> dict[str, dict[str, Decimal]] | None:
    if balances is None:
        return None
    if not isinstance(balances, dict):
        raise ValueError("balances is an object of wallets, each an object of currencies")
    return {wallet: _coins(wallet, coins) for wallet, coins in balances.items()}


def _coins(wallet: str, coins: object) -> dict[str, Decimal]:
    if wallet == SPOT:
        allowed = set(CURRENCIES)
    elif wallet in PAIRS:
        allowed = {PAIRS[wallet].base, PAIRS[wallet].quote}
    else:
        raise ValueError(f"no such wallet: {wallet}")
    if not isinstance(coins, dict) or not set(coins) <= allowed:
        raise ValueError(f"{wallet} holds {', '.join(sorted(allowed))}")
    return {code: _balance(amount) for code, amount in coins.items()}


def _balance(amount: object) -> Decimal:
    try:
        found = Decimal(str(amount))
    except InvalidOperation as exc:
        raise ValueError(f"{amount} is not an amount") from exc
    if not found.is_finite() or found < 0 or found.adjusted() > 19 or floor8(found) != found:
        raise ValueError(f"{amount} is not an amount")
    return floor8(found)


def _terms(orders: Mapping[str, object], old: Terms, now_ms: int) -> Terms:
    changed = old
    if "permissions" in orders:
        changed = replace(changed, permissions=_texts(orders["permissions"], PERMISSIONS))
    if "frozen" in orders:
        changed = replace(changed, frozen=bool(orders["frozen"]))
    if "expired" in orders:
        changed = replace(changed, expires_ms=now_ms if orders["expired"] else None)
    if "ips" in orders:
        ips = _texts(orders["ips"], None)
        for address in ips:
            ipaddress.ip_address(address)
        changed = replace(changed, ips=ips)
    if "refusals" in orders:
        changed = replace(changed, refusals=_refusals(orders["refusals"]))
    return changed


def _texts(values: object, allowed: frozenset[str] | None) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of texts is wanted")
    if allowed is not None and not set(values) <= allowed:
        raise ValueError(f"only {', '.join(sorted(allowed))}")
    return tuple(values)


def _refusals(found: object) -> dict[str, int]:
    if not isinstance(found, dict) or not all(
        (name == "*" or name in PAIRS) and code in CODES for name, code in found.items()
    ):
        raise ValueError('refusals is an object of pairs (or "*") and known codes')
    return dict(found)


# Faults, clock, switches, books


def _list_faults(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    return {"faults": exchange.faults.listed()}


def _add_fault(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    return exchange.faults.add(orders).shown()


def _clear_faults(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    exchange.faults.clear()
    return {"faults": []}


def _show_clock(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    return {"now_ms": exchange.clock.now_ms()}


def _drive_clock(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    exchange.clock.drive(orders)
    exchange.books.settle(exchange.clock.now_ms())
    return {"now_ms": exchange.clock.now_ms()}


def _show_switches(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    return switches.shown(exchange.books.rules.switches)


def _set_switches(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    exchange.books.change_switches(orders, now_ms=exchange.clock.now_ms())
    exchange.limiter.forgive()
    return switches.shown(exchange.books.rules.switches)


def _reset_switches(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    defaults = dict.fromkeys((*switches.CHOICES, *switches.NUMBERS, *switches.FIGURES))
    return _set_switches(exchange, defaults)


def _books(exchange: "Exchange", orders: Mapping[str, object]) -> object:
    access_key = orders.get("access_key")
    account = _known(exchange, access_key).account if access_key else None
    executed = exchange.books.truth(account)
    return {
        "now_ms": exchange.clock.now_ms(),
        "account": account,
        "counts": {table: len(rows) for table, rows in executed.items()},
        "executed": executed,
        "above_limit": exchange.limiter.above_limit(),
        **exchange.traffic.shown(),
    }


_CONTROLS: Mapping[tuple[str, str], Callable[["Exchange", Mapping[str, object]], object]] = {
    ("POST", "keys"): _keys,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "clock"): _show_clock,
    ("POST", "clock"): _drive_clock,
    ("GET", "switches"): _show_switches,
    ("POST", "switches"): _set_switches,
    ("DELETE", "switches"): _reset_switches,
    ("GET", "books"): _books,
}
