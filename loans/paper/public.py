"""Endpoints that need no key: time, service, tickers, currencies, symbols."""

from decimal import Decimal
from functools import lru_cache

from loans.paper.amounts import EXACT, divide, floor8, product
from loans.paper.catalogue import CURRENCIES, PAIRS, Pair
from loans.paper.gate import Call
from loans.paper.market import DAY_MS, HOUR_MS, Market, draw
from loans.paper.refusals import Refusal

_MINUTE_MS = 60_000
_THIRTY_PLACES = Decimal(1).scaleb(-30)
_SPREAD = Decimal("0.0004")


def system_time(call: Call) -> object:
    """GET /system/time"""
    return {"server_time": call.now_ms}


def system_service(call: Call) -> object:
    """GET /system/service: maintenance jobs; status 2 is a finished one, so all is well."""
    working = call.switches["maintenance"]
    status: object = 1 if working else 2
    if call.switches["service_status"] == "string":
        status = str(status)
    start_ms = call.now_ms // DAY_MS * DAY_MS - 7 * DAY_MS
    end_ms = call.now_ms + HOUR_MS if working else start_ms + 2 * HOUR_MS
    return {
        "service": [
            {
                "title": f"{kind.capitalize()} API Stop",
                "service_type": kind,
                "status": status,
                "start_time": start_ms,
                "end_time": end_ms,
            }
            for kind in ("spot", "contract", "account")
        ]
    }


def ticker(call: Call) -> object:
    """GET /spot/quotation/v3/ticker: an object"""
    symbol = str(call.fields.get("symbol") or "").strip()
    if not symbol:
        raise Refusal(70001)
    if symbol not in PAIRS:
        raise Refusal(70002)
    return _ticker(PAIRS[symbol], call)


def tickers(call: Call) -> object:
    """GET /spot/quotation/v3/tickers: the same values as bare lists"""
    return [list(_ticker(pair, call).values()) for pair in PAIRS.values() if pair.enabled]


def currencies(call: Call) -> object:
    """GET /spot/v1/currencies"""
    return {
        "currencies": [
            {"id": coin.code, "name": coin.name, "withdraw_enabled": True, "deposit_enabled": True}
            for coin in CURRENCIES.values()
        ]
    }


def account_currencies(call: Call) -> object:
    """GET /account/v1/currencies: all, or those named, separated by commas"""
    named = {name.strip() for name in str(call.fields.get("currencies") or "").split(",")} - {""}
    return {
        "currencies": [
            {
                "currency": coin.code,
                "name": coin.name,
                "contract_address": None,
                "network": coin.code,
                "withdraw_enabled": False,
                "deposit_enabled": False,
                "withdraw_minsize": "0.00000001",
                "withdraw_minfee": "0",
                "withdraw_fee_estimate": "0",
                "withdraw_fee": "0",
                "recharge_minsize": "0.00000001",
            }
            for coin in CURRENCIES.values()
            if not named or coin.code in named
        ]
    }


def symbols(call: Call) -> object:
    """GET /spot/v1/symbols"""
    return {"symbols": list(PAIRS)}


def symbol_details(call: Call) -> object:
    """GET /spot/v1/symbols/details"""
    return {"symbols": [_details(pair) for pair in PAIRS.values()]}


def contracts(call: Call) -> object:
    """GET /contract/public/details: there are no futures here"""
    return {"symbols": []}


def _details(pair: Pair) -> dict[str, object]:
    places = price_places(pair)
    step = _amount_step(pair)
    return {
        "symbol": pair.symbol,
        "symbol_id": pair.symbol_id,
        "base_currency": pair.base,
        "quote_currency": pair.quote,
        "quote_increment": format(step, "f"),
        "base_min_size": _thirty(step),
        "base_max_size": _thirty(Decimal(100_000_000)),
        "price_min_precision": places - 3,
        "price_max_precision": places,
        "expiration": "NA",
        "min_buy_amount": _thirty(Decimal(5)),
        "min_sell_amount": _thirty(Decimal(5)),
        "trade_status": "trading" if pair.enabled else "pre-trade",
    }


def price_places(pair: Pair) -> int:
    """Decimal places of a price: five significant digits, two places at least."""
    usual = divide(CURRENCIES[pair.base].usual_price, CURRENCIES[pair.quote].usual_price)
    return max(2, 4 - usual.adjusted())


def _amount_step(pair: Pair) -> Decimal:
    """The step of an order's size, worth about a cent."""
    return Decimal(1).scaleb(-max(0, CURRENCIES[pair.base].usual_price.adjusted() + 1))


def _thirty(value: Decimal) -> str:
    return format(value.quantize(_THIRTY_PLACES, context=EXACT), "f")


def _ticker(pair: Pair, call: Call) -> dict[str, str]:
    market = call.books.rules.market
    last = market.price(pair.symbol, call.now_ms)
    day = _day(market, pair, call.now_ms, last)
    volume = _volume(market, pair)
    half = product(last, divide(_SPREAD, Decimal(2)))

    def price(value: Decimal) -> str:
        return format(value.quantize(Decimal(1).scaleb(-price_places(pair)), context=EXACT), "f")

    size = format(floor8(divide(volume, Decimal(9_000))), "f")
    return {
        "symbol": pair.symbol,
        "last": price(last),
        "v_24h": format(volume, "f"),
        "qv_24h": format(floor8(product(volume, last)), "f"),
        "open_24h": price(day[0]),
        "high_24h": price(max(*day, last)),
        "low_24h": price(min(*day, last)),
        "fluctuation": format(divide(last - day[0], day[0]).quantize(Decimal("0.00001")), "f"),
        "bid_px": price(last - half),
        "bid_sz": size,
        "ask_px": price(last + half),
        "ask_sz": size,
        "ts": str(call.now_ms),
    }


def _day(market: Market, pair: Pair, now_ms: int, last: Decimal) -> tuple[Decimal, ...]:
    """The price a day ago, and every hour since."""
    if pair.base in market.prices or pair.quote in market.prices:
        return (last,) * 2
    return _hours(market.seed, pair.symbol, now_ms // _MINUTE_MS)


@lru_cache(maxsize=256)
def _hours(seed: int, symbol: str, minute: int) -> tuple[Decimal, ...]:
    market = Market(seed)
    now_ms = minute * _MINUTE_MS
    return tuple(
        market.price(symbol, at_ms) for at_ms in range(now_ms - DAY_MS, now_ms + 1, HOUR_MS)
    )


def _volume(market: Market, pair: Pair) -> Decimal:
    """A day's turnover in base, between 0.2 and 20 million USDT worth, steady for a pair."""
    dollars = Decimal(200_000 + draw(market.seed, "volume", pair.symbol) % 19_800_000)
    return floor8(divide(dollars, CURRENCIES[pair.base].usual_price))
