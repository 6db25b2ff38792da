"""Endpoints beside the loans that a key opens: wallets, fees, open orders (there are none)."""

from decimal import Decimal

from loans.paper.amounts import ZERO, product, wire
from loans.paper.catalogue import CURRENCIES
from loans.paper.gate import Call
from loans.paper.lending import known_pair
from loans.paper.refusals import Refusal, invalid, missing

_TAKER = "0.0025"
_MAKER = "0.0020"
_CENT = Decimal("0.01")


def spot_wallet(call: Call) -> object:
    """GET /spot/v1/wallet"""
    held = call.books.wallet(call.account)
    return {
        "wallet": [
            {
                "id": code,
                "name": CURRENCIES[code].name,
                "available": wire(amount),
                "frozen": wire(ZERO),
                "total": wire(amount),
            }
            for code, amount in held.items()
        ]
    }


def account_wallet(call: Call) -> object:
    """GET /account/v1/wallet: one currency or all, with a value in dollars on request"""
    wanted = str(call.fields.get("currency") or "").strip()
    if wanted and wanted not in CURRENCIES:
        raise Refusal(51000)
    held = call.books.wallet(call.account)
    codes = [wanted] if wanted else list(held)
    return {"wallet": [_wallet_row(code, held.get(code, ZERO), call) for code in codes]}


def trade_fee(call: Call) -> object:
    """GET /spot/v1/trade_fee"""
    symbol = str(call.fields.get("symbol") or "").strip()
    if not symbol:
        raise missing("symbol")
    return {
        "symbol": known_pair(symbol).symbol,
        "buy_taker_fee_rate": _TAKER,
        "sell_taker_fee_rate": _TAKER,
        "buy_maker_fee_rate": _MAKER,
        "sell_maker_fee_rate": _MAKER,
    }


def user_fee(call: Call) -> object:
    """GET /spot/v1/user_fee"""
    rates = {f"{side}_fee_rate_{tier}": _TAKER for tier in "ABCD" for side in ("taker", "maker")}
    return {"user_rate_type": 0, "level": "LV1", **rates}


def open_orders(call: Call) -> object:
    """POST /spot/v4/query/open-orders: nobody trades on paper, but the fields are looked at"""
    symbol = call.fields.get("symbol")
    if symbol is not None:
        known_pair(str(symbol).strip())
    if call.fields.get("orderMode") not in (None, "spot", "iso_margin"):
        raise invalid("orderMode")
    times = [call.fields.get(name) for name in ("startTime", "endTime")]
    if all(isinstance(at, int) for at in times) and times[0] > times[1]:
        raise Refusal(52004)
    return []


def _wallet_row(code: str, amount: Decimal, call: Call) -> dict[str, object]:
    value = None
    if str(call.fields.get("needUsdValuation")).lower() == "true":
        price = call.books.rules.market.value(code, call.now_ms)
        value = format(product(amount, price).quantize(_CENT), "f")
    return {
        "currency": code,
        "name": CURRENCIES[code].name,
        "available": wire(amount),
        "frozen": wire(ZERO),
        "available_usd_valuation": value,
    }
