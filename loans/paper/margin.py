"""The isolated-margin endpoints: fields to the books, and the books to the exchange's JSON."""

from decimal import Decimal

from loans.paper import risk
from loans.paper.amounts import ZERO, divide, floor8, parse_amount, product, round8, wire
from loans.paper.catalogue import PAIRS, Pair
from loans.paper.gate import Call
from loans.paper.interest import HOURS_A_DAY, Loan
from loans.paper.ledger import Repayment
from loans.paper.lending import Ask, known_pair
from loans.paper.positions import PairAccount, Side
from loans.paper.records import Query
from loans.paper.refusals import Refusal, invalid, missing

_LARGEST_PAGE = 100
_USUAL_PAGE = 50


def borrow(call: Call) -> object:
    """POST /spot/v1/margin/isolated/borrow"""
    loan = call.books.borrow(_ask(call), now_ms=call.now_ms)
    return {"borrow_id": loan.answer_id}


def repay(call: Call) -> object:
    """POST /spot/v1/margin/isolated/repay"""
    repayment = call.books.repay(_ask(call), now_ms=call.now_ms)
    return {"repay_id": repayment.answer_id}


def transfer(call: Call) -> object:
    """POST /spot/v1/margin/isolated/transfer"""
    ask = _ask(call)
    side = _text(call, "side")
    return {"transfer_id": call.books.transfer(ask, side, now_ms=call.now_ms)}


def borrow_record(call: Call) -> object:
    """GET /spot/v1/margin/isolated/borrow_record"""
    query = _query(call, "borrow_id", by_currency=False)
    loans = call.books.borrow_records(query, now_ms=call.now_ms)
    return {"records": [_borrow_row(loan, call) for loan in loans]}


def repay_record(call: Call) -> object:
    """GET /spot/v1/margin/isolated/repay_record"""
    query = _query(call, "repay_id", by_currency=True)
    repayments = call.books.repay_records(query, now_ms=call.now_ms)
    return {"records": [_repay_row(repayment, call) for repayment in repayments]}


def pairs(call: Call) -> object:
    """GET /spot/v1/margin/isolated/pairs"""
    terms = call.books.terms(call.account, _listed_pairs(call), now_ms=call.now_ms)
    return {"symbols": [_pair_row(entry, base, quote, call) for entry, base, quote in terms]}


def account(call: Call) -> object:
    """GET /spot/v1/margin/isolated/account"""
    entries = call.books.standing(call.account, _listed_pairs(call), now_ms=call.now_ms)
    return {"symbols": [_account_row(entry, call) for entry in entries]}


# Reading fields


def _text(call: Call, name: str) -> str:
    value = call.fields.get(name)
    if value is None or value == "":
        raise missing(name)
    if not isinstance(value, str):
        raise invalid(name)
    return value.strip()


def _ask(call: Call) -> Ask:
    symbol, currency = _text(call, "symbol"), _text(call, "currency")
    amount = parse_amount(call.fields.get("amount"))
    assert call.key is not None
    refused = call.key.terms.refusals
    code = refused.get(symbol, refused.get("*"))
    if code is not None:
        raise Refusal(code)
    return Ask(call.account, symbol, currency, amount, call.late_ms)


def _query(call: Call, id_name: str, *, by_currency: bool) -> Query:
    symbol = known_pair(_text(call, "symbol")).symbol
    start, end = _time(call, "start_time"), _time(call, "end_time")
    if start is not None and end is not None and start > end:
        raise Refusal(52004)
    served_ms = call.switches["served_seconds"] * 1000
    if served_ms and start is not None and start < call.now_ms - served_ms:
        raise Refusal(50041)
    currency = call.fields.get("currency") or None
    return Query(
        account=call.account,
        symbol=symbol,
        record_id=_optional(call, id_name),
        currency=str(currency).strip() if by_currency and currency else None,
        start_ms=start,
        end_ms=end,
        count=_count(call),
    )


def _optional(call: Call, name: str) -> str | None:
    value = call.fields.get(name)
    return str(value).strip() if value else None


def _time(call: Call, name: str) -> int | None:
    text = _optional(call, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise invalid(name)
    return int(text) * (1000 if call.switches["query_unit"] == "seconds" else 1)


def _count(call: Call) -> int:
    text = _optional(call, "N")
    if text is None:
        return _USUAL_PAGE
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) <= 9):
        raise invalid("N")
    count = int(text)
    if 1 <= count <= _LARGEST_PAGE:
        return count
    if call.switches["out_of_range_n"] == "refuse":
        raise invalid("N")
    return min(max(count, 1), _LARGEST_PAGE)


def _listed_pairs(call: Call) -> list[Pair]:
    """All pairs, or those named: separated by commas, blanks around them do not matter."""
    names = [name.strip() for name in str(call.fields.get("symbol") or "").split(",")]
    wanted = dict.fromkeys(name for name in names if name)
    return [known_pair(name) for name in wanted] if wanted else list(PAIRS.values())


# Writing rows


def _amount(value: Decimal, call: Call) -> str:
    return wire(value, trimmed=call.switches["amounts"] == "trimmed")


def _record_time(at_ms: int, call: Call) -> int:
    return at_ms // 1000 if call.switches["record_time"] == "seconds" else at_ms


def _shown_hourly(daily_rate: Decimal, call: Call) -> Decimal:
    """What is shown is coarser than what is charged: 8 places."""
    return round8(divide(daily_rate, HOURS_A_DAY), call.switches["hourly_display"])


def _borrow_row(loan: Loan, call: Call) -> dict[str, object]:
    emptied = loan.closed_ms is not None and call.switches["repaid_records"] == "zero"
    interest: str | None = _amount(ZERO if emptied else loan.charged, call)
    if not loan.is_booked or call.switches["interest_amount"] == "null":
        interest = None
    return {
        "borrow_id": loan.record_id,
        "symbol": loan.symbol,
        "currency": loan.currency,
        "borrow_amount": _amount(ZERO if emptied else loan.principal, call),
        "daily_interest": _amount(loan.daily_rate, call),
        "hourly_interest": _amount(_shown_hourly(loan.daily_rate, call), call),
        "interest_amount": interest,
        "create_time": _record_time(loan.opened_ms, call),
    }


def _repay_row(repayment: Repayment, call: Call) -> dict[str, object]:
    return {
        "repay_id": repayment.record_id,
        "repay_time": _record_time(repayment.made_ms, call),
        "symbol": repayment.symbol,
        "currency": repayment.currency,
        "repaid_amount": _amount(repayment.amount, call),
        "repaid_principal": _amount(repayment.principal, call),
        "repaid_interest": _amount(repayment.interest, call),
    }


def _pair_row(entry: PairAccount, base: Decimal, quote: Decimal, call: Call) -> dict[str, object]:
    pair = entry.pair
    return {
        "symbol": pair.symbol,
        "max_leverage": str(pair.max_leverage),
        "symbol_enabled": call.books.rules.is_enabled(pair),
        "base": _terms_row(pair, pair.base, base, call),
        "quote": _terms_row(pair, pair.quote, quote, call),
    }


def _terms_row(pair: Pair, currency: str, borrowable: Decimal, call: Call) -> dict[str, object]:
    daily = call.books.rules.market.daily_rate(pair.symbol, currency, call.now_ms)
    smallest, largest = pair.limits(currency)
    return {
        "currency": currency,
        "daily_interest": _amount(daily, call),
        "hourly_interest": _amount(_shown_hourly(daily, call), call),
        "max_borrow_amount": _amount(largest, call),
        "min_borrow_amount": _amount(smallest, call),
        "borrowable_amount": _amount(borrowable, call),
    }


def _account_row(entry: PairAccount, call: Call) -> dict[str, object]:
    pair, position = entry.pair, entry.position
    is_enabled = call.books.rules.is_enabled(pair)
    price = risk.liquidate_price(position, pair.liquidate_rate)
    return {
        "symbol": pair.symbol,
        "risk_rate": risk.rate_text(position),
        "risk_level": risk.level(position, pair.liquidate_rate),
        "buy_enabled": is_enabled,
        "sell_enabled": is_enabled,
        "liquidate_price": None if price is None else _amount(price, call),
        "liquidate_rate": str(pair.liquidate_rate),
        "base": _side_row(entry, entry.base, call),
        "quote": _side_row(entry, entry.quote, call),
    }


def _side_row(entry: PairAccount, side: Side, call: Call) -> dict[str, object]:
    market = call.books.rules.market
    net = side.available - side.borrowed
    in_usdt = product(net, market.value(side.currency, call.now_ms))
    in_btc = floor8(divide(in_usdt, market.value("BTC", call.now_ms)))
    return {
        "currency": side.currency,
        "borrow_enabled": call.books.rules.is_enabled(entry.pair),
        "borrowed": _amount(side.borrowed, call),
        "available": _amount(side.available, call),
        "frozen": _amount(ZERO, call),
        "net_asset": _amount(net, call),
        "net_assetBTC": _amount(in_btc, call),
        "total_asset": _amount(side.available, call),
        "borrow_unpaid": _amount(side.borrowed, call),
        "interest_unpaid": _amount(side.interest, call),
    }
