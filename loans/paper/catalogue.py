"""The pairs that the paper exchange lists: currencies with a usual price, pairs with their terms.

Data only. What moves (prices, rates) is in `market`; what is lent is in the books.
"""

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from loans.paper.amounts import SATOSHI, divide


@dataclass(frozen=True, slots=True)
class Currency:
    """A coin, its usual price in USDT, and how much of it the platform has to lend."""

    code: str
    name: str
    usual_price: Decimal
    pool: Decimal


@dataclass(frozen=True, slots=True)
class Pair:
    """An isolated-margin pair; its limits are the (minimum, maximum) of one side's borrow."""

    symbol: str
    symbol_id: int
    base: str
    quote: str
    max_leverage: int
    liquidate_rate: Decimal
    enabled: bool
    base_limits: tuple[Decimal, Decimal]
    quote_limits: tuple[Decimal, Decimal]

    def limits(self, currency: str) -> tuple[Decimal, Decimal]:
        """Minimum and maximum borrow of one of the two currencies."""
        return self.base_limits if currency == self.base else self.quote_limits


# Code, usual price in USDT, name.
_COINS = """
BTC      97250       Bitcoin
ETH      3412        Ethereum
SOL      192.4       Solana
BNB      684         BNB
XRP      2.31        XRP
ADA      0.782       Cardano
DOGE     0.2174      Dogecoin
TRX      0.2462      TRON
AVAX     32.6        Avalanche
LINK     19.35       Chainlink
DOT      6.42        Polkadot
LTC      104.8       Litecoin
BCH      441         Bitcoin Cash
UNI      11.2        Uniswap
AAVE     281         Aave
ATOM     7.14        Cosmos
ETC      25.9        Ethereum Classic
FIL      5.21        Filecoin
NEAR     5.03        NEAR Protocol
APT      8.62        Aptos
ARB      0.721       Arbitrum
OP       1.63        Optimism
INJ      21.1        Injective
SUI      4.08        Sui
SEI      0.411       Sei
TIA      4.37        Celestia
ALGO     0.358       Algorand
XLM      0.402       Stellar
HBAR     0.291       Hedera
VET      0.0462      VeChain
ICP      10.4        Internet Computer
SAND     0.523       The Sandbox
MANA     0.481       Decentraland
AXS      5.87        Axie Infinity
THETA    2.12        Theta Network
EGLD     31.9        MultiversX
GRT      0.209       The Graph
CRV      0.884       Curve DAO
LDO      1.76        Lido DAO
MKR      1604        Maker
SNX      1.92        Synthetix
COMP     73.1        Compound
1INCH    0.374       1inch
ENS      30.8        Ethereum Name Service
DYDX     1.31        dYdX
FET      1.24        Fetch.ai
RENDER   7.05        Render
IMX      1.29        Immutable
GALA     0.0338      Gala
CHZ      0.0817      Chiliz
APE      1.12        ApeCoin
KAS      0.1143      Kaspa
PEPE     0.00001748  Pepe
SHIB     0.00002154  Shiba Inu
BONK     0.00002793  Bonk
1000SATS 0.0002107   SATS (1000)
WIF      1.79        dogwifhat
ORDI     23.2        Ordinals
BMX      0.3182      BitMart Token
USDC     1           USD Coin
USDT     1           Tether USD
"""

_DISABLED = {"ENS_USDT", "1INCH_USDT", "APE_USDT", "LINK_ETH"}
_FIVE_TIMES = {"BTC", "ETH", "SOL", "BNB", "XRP", "DOGE", "ADA", "LTC"}
_CROSSES = ("ETH_BTC", "SOL_BTC", "XRP_BTC", "LTC_BTC", "LINK_ETH")
_DOLLAR_CROSSES = ("BTC_USDC", "ETH_USDC", "SOL_USDC")

_POOL_VALUE = Decimal(25_000_000)
_LARGEST_LOAN_VALUE = Decimal(50_000)
# Seen live on BTC_USDT, 2022-07-14.
_BTC_LIMITS = (SATOSHI, Decimal(2))
_USDT_LIMITS = (SATOSHI, Decimal(50_000))


def _currencies() -> dict[str, Currency]:
    found = {}
    for line in _COINS.strip().splitlines():
        code, price, name = line.split(maxsplit=2)
        usual = Decimal(price)
        found[code] = Currency(code, name, usual, _round(_POOL_VALUE, usual))
    return found


def _round(value: Decimal, price: Decimal) -> Decimal:
    """How many coins `value` buys, as a round figure: one digit, then zeros."""
    coins = divide(value, price)
    return Decimal(coins.as_tuple().digits[0]).scaleb(coins.adjusted()).quantize(SATOSHI)


def _limits(code: str) -> tuple[Decimal, Decimal]:
    """Live figures for BTC and USDT; for other coins, about 5 and 50,000 USDT worth of it."""
    if code == "BTC":
        return _BTC_LIMITS
    price = CURRENCIES[code].usual_price
    return _round(Decimal(5), price), _round(_LARGEST_LOAN_VALUE, price)


def _pair(symbol: str, symbol_id: int) -> Pair:
    base, quote = symbol.split("_")
    leverage, liquidate = (5, "1.15") if base in _FIVE_TIMES else (3, "1.20")
    if base == "USDC":
        leverage, liquidate = 10, "1.10"
    return Pair(
        symbol=symbol,
        symbol_id=symbol_id,
        base=base,
        quote=quote,
        max_leverage=leverage,
        liquidate_rate=Decimal(liquidate),
        enabled=symbol not in _DISABLED,
        base_limits=_limits(base),
        quote_limits=_USDT_LIMITS if quote == "USDT" and base in _FIVE_TIMES else _limits(quote),
    )


def _pairs() -> dict[str, Pair]:
    against_usdt = [f"{code}_USDT" for code in CURRENCIES if code != "USDT"]
    symbols = [*against_usdt, *_CROSSES, *_DOLLAR_CROSSES]
    return {symbol: _pair(symbol, 53 + place * 7) for place, symbol in enumerate(symbols)}


CURRENCIES = MappingProxyType(_currencies())
PAIRS = MappingProxyType(_pairs())
