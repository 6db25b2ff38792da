"""The pages of the history that a benchmark asks for, each with its statement written by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from bench.ground import Ground

DEEP = 10_000 * 50
COLUMNS = (
    "id, uuid, account_id, record_id, symbol, currency, principal, interest, daily_rate, at, "
    "story_changed"
)
LOOKUP = "SELECT DISTINCT symbol FROM loans_coverage WHERE symbol LIKE %s"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A page: its query as a browser sends it, how many rows it has, and the statements that have
    to be asked of the database for it, by hand.
    """

    query: str
    statements: Sequence[tuple[str, tuple[Any, ...]]]
    rows: int = 50


def statement(
    ground: Ground, where: str = "", values: tuple[Any, ...] = (), **asked: Any
) -> tuple[str, tuple[Any, ...]]:
    """The keyset statement of one page, by hand: `column` orders it, `beyond` is a row's key and
    id, `accounts` whose rows.
    """
    from django.db import connection

    from loans.models import BorrowRecord

    column, beyond = asked.get("column", "at"), asked.get("beyond")

    def held(name: str, value: object) -> object:
        return BorrowRecord._meta.get_field(name).get_db_prep_value(value, connection)

    conditions = [part for part in (where, f"{column} IS NOT NULL") if part]
    params = list(values)
    if beyond:
        conditions.append(f"({column}, id) < (%s, %s)")
        params += [held(column, beyond[0]), beyond[1]]
    ends = f"ORDER BY {column} DESC, id DESC LIMIT 51"
    one = (
        f"SELECT {COLUMNS} FROM loans_borrowrecord "  # noqa: S608 - our own names
        f"WHERE account_id = %s AND {' AND '.join(conditions)} {ends}"
    )
    accounts = asked.get("accounts") or ground.accounts
    every: list[object] = []
    for account in accounts:
        every += [held("account", account.pk), *params]
    if len(accounts) == 1:
        return one, tuple(every)
    runs = " UNION ALL ".join(f"SELECT * FROM ({one}) AS run" for _ in accounts)  # noqa: S608
    return f"SELECT * FROM ({runs}) AS runs {ends}", tuple(every)  # noqa: S608


def pages_of(ground: Ground) -> dict[str, Asked]:
    """The pages that are asked for: without a filter at three depths, and under each filter."""
    from loans.services.keyset import Cursor

    def place(n: int, key: Any = None) -> tuple[str, tuple[Any, int]]:
        key = ground.at(n) if key is None else key
        return Cursor(key, n + 1).token(), (key, n + 1)

    def page(
        name: str, query: Mapping[str, str], where: str = "", *values: Any, **more: Any
    ) -> None:
        rows, n = more.pop("rows", 50), more.pop("n", deep)
        if n is not None:
            token, more["beyond"] = place(n, more.pop("key", None))
            query = {**query, "after": token}
        # A text is looked up among the pairs first.
        found[name] = Asked(
            query=urlencode(query),
            statements=[
                *([(LOOKUP, (f"%{query['q']}%",))] if "q" in query else []),
                statement(ground, where, values, **more),
            ],
            rows=rows,
        )

    found: dict[str, Asked] = {}
    deep = ground.rows - min(DEEP, ground.rows // 2)
    desk = ground.accounts[0]
    middle = ground.at(deep).date().isoformat()
    from loans.services.filters import day_starts

    start = day_starts(ground.at(deep).date(), UTC)
    from django.db import connection

    start_held = connection.ops.adapt_datetimefield_value(start)
    page("first", {}, n=None)
    page("10,000th" if deep == ground.rows - DEEP else "middle", {})
    page("last", {}, n=50)
    page("account", {"account": str(desk.pk)}, accounts=[desk])
    page("pair", {"symbol": "C7_USDT"}, "symbol = %s", "C7_USDT")
    page("currency", {"currency": "USDT"}, "currency = %s", "USDT")
    page("rare currency", {"currency": "C6"}, "currency = %s", "C6")
    page("from", {"from": middle}, "at >= %s", start_held, n=ground.rows - 1000)
    page("to", {"to": start.isoformat()[:16]}, "at < %s", start_held, n=None)
    page("search: pair", {"q": "C7_"}, "symbol = %s", "C7_USDT")
    record_id = f"B{deep:09d}"
    page("search: record", {"q": record_id}, "record_id = %s", record_id, n=None, rows=1)
    page("by amount", {"sort": "-amount"}, column="principal", key=Decimal(60000))
    page("by interest", {"sort": "-interest"}, column="interest", key=Decimal("0.0005"))
    return found
