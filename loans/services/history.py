"""The history as lists: which rows a filter means, pages of them, their totals, and what proves
them complete.

Reads only. Every list starts from the accounts in the filter, which are the ones its reader sees.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from loans.models import Account, BorrowRecord, Coverage, Kind, Market, RepayRecord
from loans.services import keyset, spans
from loans.services.filters import HistoryFilter, read_filter

PAGE_SIZE = 50
CHUNK = 2000
# More members than this cost more than filtering a run of the time index.
MOST_MEMBERS = 24
COMMON = ("id", "account_id", "record_id", "symbol", "currency", "interest", "at", "story_changed")
BORROW_COLUMNS = (*COMMON, "uuid", "principal", "daily_rate", "hourly_rate", "instruction__id")
REPAY_COLUMNS = (*COMMON, "amount", "principal", "instruction__id")


@dataclass(frozen=True, slots=True)
class Total:
    """What the rows of one currency add up to. `unknown` of them have no known principal."""

    currency: str
    count: int
    principal: Decimal | None
    interest: Decimal | None
    amount: Decimal | None
    unknown: int = 0


def read(query: Mapping[str, str], *, accounts: Iterable[Account], zone: tzinfo) -> HistoryFilter:
    """Read a page's query; free text is looked up among the pairs, never among the rows."""
    chosen = read_filter(query, accounts=accounts, zone=zone)
    if not chosen.q:
        return chosen
    venues = {account.venue for account in chosen.chosen}
    listed = Market.objects.filter(venue__in=venues, symbol__icontains=chosen.q)
    kept = Coverage.objects.filter(account__in=chosen.chosen, symbol__icontains=chosen.q)
    found = listed.order_by().values_list("symbol").union(kept.values_list("symbol"))
    return replace(chosen, matching=tuple(sorted(symbol for (symbol,) in found)))


def rows_of(kind: str, chosen: HistoryFilter) -> list[QuerySet]:
    """The rows a filter means, as querysets that together hold each exactly once.

    Each follows one index in time order: an account's, or one of its pairs' if few are meant.
    """
    records = _records(kind).filter(_within(chosen))
    if chosen.currency:
        records = records.filter(currency=chosen.currency)
    accounts, symbols = chosen.chosen, chosen.symbols
    if symbols is None:
        return [records.filter(account=account) for account in accounts]
    if len(symbols) * len(accounts) > MOST_MEMBERS:
        members = [records.filter(account=account, symbol__in=symbols) for account in accounts]
    else:
        members = [
            records.filter(account=account, symbol=symbol)
            for account in accounts
            for symbol in symbols
        ]
    if chosen.q:
        others = _by_record_id(chosen)
        members += [records.filter(others, account=account) for account in accounts]
    return members


def list_page(
    kind: str, chosen: HistoryFilter, *, after: str = "", size: int = PAGE_SIZE
) -> keyset.Page:
    """One page of a filter's rows, in its order; a token that cannot be read gives the first."""
    order = order_of(kind, chosen.sort)
    return keyset.page(
        rows_of(kind, chosen),
        order,
        columns=columns_of(kind),
        size=size,
        cursor=order.read(after),
    )


def every_row(kind: str, chosen: HistoryFilter) -> Iterator[Any]:
    """All rows of a filter in its order, fetched in runs so that memory stays constant."""
    members, order = rows_of(kind, chosen), order_of(kind, chosen.sort)
    cursor = None
    while members:
        run = keyset.run(members, order, limit=CHUNK, cursor=cursor)
        rows = list(run.values_list(*columns_of(kind), named=True))
        yield from rows
        if len(rows) < CHUNK:
            return
        cursor = keyset.cursor_of(rows[-1], order)


def totals(kind: str, chosen: HistoryFilter) -> list[Total]:
    """What exactly the filtered rows add up to, per currency."""
    found = spans.by_currency(
        spans.Wanted(
            kind=kind,
            accounts=chosen.chosen,
            symbols=chosen.symbols,
            currency=chosen.currency,
            since=chosen.since,
            until=chosen.until,
            named=chosen.q,
            symbol=chosen.symbol,
        )
    )
    return [
        Total(
            currency=currency,
            count=figures.records,
            principal=figures.principal if figures.principals else None,
            interest=figures.interest if figures.interests else None,
            amount=figures.amount if kind == Kind.REPAY else None,
            unknown=figures.records - figures.principals,
        )
        for currency, figures in found.items()
    ]


def order_of(kind: str, sort: str) -> keyset.Order:
    """What a sort field means for a kind of record."""
    name = sort.removeprefix("-")
    column = "principal" if name == "amount" and kind == Kind.BORROW else name
    return keyset.Order(column, descending=sort.startswith("-"), is_instant=name == "at")


def columns_of(kind: str) -> tuple[str, ...]:
    """What a row holds."""
    return BORROW_COLUMNS if kind == Kind.BORROW else REPAY_COLUMNS


def _records(kind: str) -> QuerySet:
    return BorrowRecord.objects.all() if kind == Kind.BORROW else RepayRecord.objects.all()


def _within(chosen: HistoryFilter) -> Q:
    span = Q()
    if chosen.since:
        span &= Q(at__gte=chosen.since)
    if chosen.until:
        span &= Q(at__lt=chosen.until)
    return span


def _by_record_id(chosen: HistoryFilter) -> Q:
    """Rows whose id is the free text, as far as they are not meant by their pair already."""
    named = Q(record_id=chosen.q) & ~Q(symbol__in=chosen.symbols or ())
    return named & Q(symbol=chosen.symbol) if chosen.symbol else named
