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


_COINS = """
BTC Bitcoin 97250|ETH Ethereum 3412|SOL Solana 192.4|BNB BNB 684|XRP XRP 2.31|ADA Cardano 0.782
DOGE Dogecoin 0.2174|TRX TRON 0.2462|AVAX Avalanche 32.6|LINK Chainlink 19.35|DOT Polkadot 6.42
LTC Litecoin 104.8|BCH Bitcoin_Cash 441|UNI Uniswap 11.2|AAVE Aave 281|ATOM Cosmos 7.14
ETC Ethereum_Classic 25.9|FIL Filecoin 5.21|NEAR NEAR_Protocol 5.03|APT Aptos 8.62
ARB Arbitrum 0.721|OP Optimism 1.63|INJ Injective 21.1|SUI Sui 4.08|SEI Sei 0.411|TIA Celestia 4.37
ALGO Algorand 0.358|XLM Stellar 0.402|HBAR Hedera 0.291|VET VeChain 0.0462
ICP Internet_Computer 10.4|SAND The_Sandbox 0.523|MANA Decentraland 0.481|AXS Axie_Infinity 5.87|THETA Theta_Network 2.12
EGLD MultiversX 31.9|GRT The_Graph 0.209|CRV Curve_DAO 0.884|LDO Lido_DAO 1.76|MKR Maker 1604|SNX Synthetix 1.92
COMP Compound 73.1|1INCH 1inch 0.374|ENS Ethereum_Name_Service 30.8|DYDX dYdX 1.31|FET Fetch.ai 1.24
RENDER Render 7.05|IMX Immutable 1.29|GALA Gala 0.0338|CHZ Chiliz 0.0817|APE ApeCoin 1.12
KAS Kaspa 0.1143|PEPE Pepe 0.00001748|SHIB Shiba_Inu 0.00002154|BONK Bonk 0.00002793
1000SATS SATS_(1000) 0.0002107|WIF dogwifhat 1.79|ORDI Ordinals 23.2|BMX BitMart_Token 0.3182
USDC USD_Coin 1|USDT Tether_USD 1
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
    for entry in _COINS.replace("\n", "|").strip("|").split("|"):
        code, name, price = entry.split()
        usual = Decimal(price)
        found[code] = Currency(code, name.replace("_", " "), usual, _round(_POOL_VALUE, usual))
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
