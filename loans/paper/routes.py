"""The endpoints, as data: method, path, how they are signed, how often they may be called."""

from types import MappingProxyType

from loans.paper import margin, public, wallets
from loans.paper.gate import Route
from loans.paper.limits import Limit

_ISOLATED = "/spot/v1/margin/isolated"
_SUCCESS = "success"


def _by_key(count: int) -> Limit:
    return Limit(count, 2, "KEY")


def _by_address(count: int, seconds: int = 2) -> Limit:
    return Limit(count, seconds, "IP")


_ROUTES = (
    # Loans
    Route("POST", f"{_ISOLATED}/borrow", "SIGNED", _by_key(2), margin.borrow, "margin"),
    Route("POST", f"{_ISOLATED}/repay", "SIGNED", _by_key(2), margin.repay, "margin"),
    Route("GET", f"{_ISOLATED}/borrow_record", "KEYED", _by_key(150), margin.borrow_record),
    Route("GET", f"{_ISOLATED}/repay_record", "KEYED", _by_key(150), margin.repay_record),
    Route("GET", f"{_ISOLATED}/pairs", "KEYED", _by_key(2), margin.pairs),
    Route("GET", f"{_ISOLATED}/account", "KEYED", _by_key(12), margin.account),
    Route("POST", f"{_ISOLATED}/transfer", "SIGNED", _by_key(2), margin.transfer, "margin"),
    # Wallets, fees, orders
    Route("GET", "/spot/v1/wallet", "KEYED", _by_key(12), wallets.spot_wallet),
    Route("GET", "/account/v1/wallet", "KEYED", _by_key(12), wallets.account_wallet),
    Route("GET", "/spot/v1/trade_fee", "KEYED", _by_key(2), wallets.trade_fee),
    Route("GET", "/spot/v1/user_fee", "KEYED", _by_key(2), wallets.user_fee),
    Route(
        "POST",
        "/spot/v4/query/open-orders",
        "SIGNED",
        _by_key(12),
        wallets.open_orders,
        message=_SUCCESS,
    ),
    # Public
    Route("GET", "/system/time", "NONE", _by_address(10, 1), public.system_time),
    Route("GET", "/system/service", "NONE", _by_address(10, 1), public.system_service),
    Route(
        "GET",
        "/spot/quotation/v3/ticker",
        "NONE",
        _by_address(15),
        public.ticker,
        message=_SUCCESS,
    ),
    Route(
        "GET",
        "/spot/quotation/v3/tickers",
        "NONE",
        _by_address(10),
        public.tickers,
        message=_SUCCESS,
    ),
    Route("GET", "/spot/v1/currencies", "NONE", _by_address(8), public.currencies),
    Route("GET", "/spot/v1/symbols", "NONE", _by_address(8), public.symbols),
    Route("GET", "/spot/v1/symbols/details", "NONE", _by_address(12), public.symbol_details),
    Route("GET", "/account/v1/currencies", "NONE", _by_address(2), public.account_currencies),
    Route("GET", "/contract/public/details", "NONE", _by_address(12), public.contracts),
)

ROUTES = MappingProxyType({route.path: route for route in _ROUTES})
