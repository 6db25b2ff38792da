"""The history as lists: which rows a filter means, pages of them, their totals, and what proves
them complete.

Reads only. Every list starts from the accounts in the filter, which are the ones its reader sees.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from django.db import connection

from loans.models import Account, Coverage, Kind
from loans.services import every_record, keyset, record_runs, spans
from loans.services.certificates import certify
from loans.services.filters import HistoryFilter, read_filter
from loans.services.sql import ask, both, one_of, to_database

PAGE_SIZE = 50
CHUNK = 2000


class Total(NamedTuple):
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
    if (chosen.symbol + chosen.currency).upper() != chosen.symbol + chosen.currency:
        chosen = _as_listed(chosen)
    if not chosen.q:
        return chosen
    return replace(chosen, matching=_pairs_with(chosen.q, chosen.chosen))


def _as_listed(chosen: HistoryFilter) -> HistoryFilter:
    """Names with small letters: as they stand where there is such a pair or currency (`stETH`),
    else somebody typed those of large ones. One query.
    """
    pairs = certify(chosen.accounts, pairs_of=chosen.accounts).pairs
    currencies = {part for pair in pairs for part in pair.rsplit("_", 1)}
    symbol, currency = chosen.symbol, chosen.currency
    return replace(
        chosen,
        symbol=symbol if symbol in pairs else symbol.upper(),
        currency=currency if currency in currencies else currency.upper(),
    )


def _pairs_with(text: str, accounts: tuple[Account, ...]) -> tuple[str, ...]:
    """The pairs that are listed for these accounts, or known of them, whose name holds the text."""
    key = to_database(Coverage, "account")
    listed = one_of("venue", sorted({account.venue for account in accounts}))
    kept = one_of("account_id", [key(account.pk) for account in accounts])
    holds = (
        r"UPPER(symbol) LIKE UPPER(%s) ESCAPE '\'",
        (f"%{connection.ops.prep_for_like_query(text)}%",),
    )
    (in_markets, some), (in_coverage, others) = both(listed, holds), both(kept, holds)
    rows = ask(
        f"SELECT symbol FROM loans_market WHERE {in_markets} "  # noqa: S608 - our own names
        f"UNION SELECT symbol FROM loans_coverage WHERE {in_coverage}",
        [*some, *others],
    )
    return tuple(sorted(symbol for (symbol,) in rows))


def list_page(
    kind: str, chosen: HistoryFilter, *, after: str = "", size: int = PAGE_SIZE
) -> keyset.Page:
    """One page of a filter's rows as the database holds them (`record_runs.name_held` names one),
    in its order; a token that cannot be read gives the first.
    """
    return keyset.page(
        partial(record_runs.fetch_held, kind, chosen),
        order_of(kind, chosen.sort),
        size=size,
        name=partial(record_runs.name_held, kind),
        after=after,
    )


def every_row(kind: str, chosen: HistoryFilter) -> Iterator[Any]:
    """All rows of a filter in its order, fetched in runs so that memory stays constant, each once
    whatever is written meanwhile.
    """
    order = order_of(kind, chosen.sort)
    for run in every_record.runs(
        kind,
        chosen,
        order,
        CHUNK,
        select=[f"run.{name}" for name in record_runs.columns_of(kind)],
        cursor_after=lambda row: keyset.cursor_of(row, order),
        make=partial(record_runs.named, kind),
    ):
        yield from run


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
