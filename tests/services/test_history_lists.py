"""Lists of the history: under every filter and in every order each row once, forwards and back, and
files that say the same as the rows.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loans.models import Account, BorrowRecord, Kind, RepayRecord
from loans.services import csv_lines, exports, history, keyset, record_runs
from loans.services.filters import SORTS, HistoryFilter
from tests import factories
from tests.factories import NOW

SECOND = timedelta(seconds=1)
PAIRS = ("BTC_USDT", "ETH_USDT", "1000SATS_USDT")
ROWS = 48
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"account": "first"},
    {"symbol": "ETH_USDT"},
    {"currency": "USDT"},
    {"from": "2026-11-20T11:59:54"},
    {"to": "2026-11-20T11:59:54"},
    {"from": "2026-11-20T11:59:51", "to": "2026-11-20T11:59:57"},
    {"q": "eth"},
    {"q": "usdt"},
    {"q": "ETH"},  # a part of a pair, and the id of a record on it
    {"q": "X7"},
    {"q": "X7", "symbol": "ETH_USDT"},
    {"q": "nothing"},
    {"account": "first", "symbol": "BTC_USDT", "currency": "BTC", "from": "2026-11-20T11:59:50"},
)


@pytest.fixture
def accounts(db: None) -> list[Account]:
    """Two accounts with rows of both kinds: several an instant, some figures unknown."""
    owner = factories.make_person()
    found = [factories.make_account(owner=owner, label=label) for label in ("first", "second")]
    for n, (account, symbol) in zip(range(ROWS), product(found * ROWS, PAIRS), strict=False):
        fields = {
            "account": account,
            "record_id": {7: "X7", 10: "X7", 13: "ETH"}.get(n, f"X{n}"),
            "symbol": symbol,
            "currency": symbol.split("_")[n % 2],
            "at": NOW - n // 4 * SECOND,
        }
        factories.make_borrow(
            principal=None if n % 7 == 0 else str(n % 5 + 1),
            interest=None if n % 3 == 0 else str(n % 4),
            **fields,
        )
        factories.make_repay(principal=str(n % 5), interest=str(n % 4 - 1), **fields)
    for symbol in PAIRS:
        factories.make_market(symbol=symbol)
    return found


def chosen_by(accounts: list[Account], query: dict[str, str], zone: Any = UTC) -> HistoryFilter:
    by_label = {account.label: str(account.pk) for account in accounts}
    query = {name: by_label.get(text, text) for name, text in query.items()}
    chosen = history.read(query, accounts=accounts, zone=zone)
    assert not chosen.errors
    return chosen


def expected(kind: str, chosen: HistoryFilter) -> list[int]:
    """What the filter means, found without any statement of ours."""
    model, name = (BorrowRecord if kind == Kind.BORROW else RepayRecord), chosen.sort.lstrip("-")
    column = "principal" if (kind, name) == (Kind.BORROW, "amount") else name

    def fits(row: Any) -> bool:
        named = chosen.q.lower() in row.symbol.lower() or row.record_id == chosen.q
        return (
            row.account in chosen.chosen
            and chosen.symbol in ("", row.symbol)
            and chosen.currency in ("", row.currency)
            and (chosen.since is None or row.at >= chosen.since)
            and (chosen.until is None or row.at < chosen.until)
            and (not chosen.q or named)
        )

    def key(row: Any) -> tuple[bool, Any, int]:
        value = getattr(row, column)
        return value is not None, value or 0, row.pk

    rows = [row for row in model.objects.select_related("account") if fits(row)]
    return [row.pk for row in sorted(rows, key=key, reverse=chosen.sort.startswith("-"))]


def id_of(kind: str, row: tuple[Any, ...]) -> int:
    return record_runs.name_held(kind, row).id


def walk(kind: str, chosen: HistoryFilter, way: str, after: str = "") -> Iterator[keyset.Page]:
    while True:
        page = history.list_page(kind, chosen, after=after, size=7)
        yield page
        after = getattr(page, way)
        if not after:
            return


@pytest.mark.parametrize(("kind", "sort"), [*product(Kind, SORTS)])
@pytest.mark.parametrize("most", [24, 1])
def test_every_row_is_listed_once_in_order_forwards_and_back(
    accounts: list[Account], monkeypatch: pytest.MonkeyPatch, kind: str, sort: str, most: int
) -> None:
    monkeypatch.setattr(record_runs, "MOST_MEMBERS", most)
    monkeypatch.setattr(record_runs, "MOST_ACCOUNTS", most)
    for query in FILTERS:
        chosen = chosen_by(accounts, {**query, "sort": sort})
        rows = expected(kind, chosen)

        forwards = list(walk(kind, chosen, "following"))
        back = list(walk(kind, chosen, "preceding", after=forwards[-1].preceding))

        assert [id_of(kind, row) for page in forwards for row in page.rows] == rows, query
        if len(forwards) > 1:
            before = [id_of(kind, row) for page in reversed(back) for row in page.rows]
            assert before == rows[: len(before)], query
            assert len(before) == len(rows) - len(forwards[-1].rows), query
        assert [row.id for row in history.every_row(kind, chosen)] == rows, query


@pytest.mark.parametrize("sort", ["at", "-at"])
def test_a_place_outside_the_filter_shows_nothing_from_outside(
    accounts: list[Account], sort: str
) -> None:
    query = {"from": "2026-11-20T11:59:51", "to": "2026-11-20T11:59:57", "sort": sort}
    chosen = chosen_by(accounts, query)
    rows = expected(Kind.BORROW, chosen)

    for at in (NOW - timedelta(days=1), NOW + timedelta(days=1)):
        for backwards in (False, True):
            token = keyset.Cursor(at, 10**6, backwards).token()
            listed = history.list_page(Kind.BORROW, chosen, after=token, size=100).rows
            assert [id_of(Kind.BORROW, row) for row in listed] in (rows, []), (at, backwards)


@pytest.mark.parametrize(("kind", "sort"), [*product(Kind, ["at", "-amount", "interest"])])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
def test_lines_from_the_database_are_those_of_the_rows(
    accounts: list[Account], monkeypatch: pytest.MonkeyPatch, kind: str, sort: str, zone: str
) -> None:
    nasty = ["=1+1", "-2", "@x", 'say "a, b"', "two\r\nlines", "\tx", " x", "é", "+", "a'b"]
    make = factories.make_borrow if kind == Kind.BORROW else factories.make_repay
    for n, text in enumerate(nasty):
        make(
            account=accounts[n % 2],
            record_id=f"{text}{n}",
            symbol=text,
            currency=text[:20],
            principal="9999999999999999999999.12345678" if n % 2 else "0.00000001",
            interest=f"-{n}.00000001",
            at=datetime(2026, 4, 4, 14, 59, 59, 123456 * (n % 3) + 500_000, tzinfo=UTC),
            story_changed=n % 2 == 0,
        )
    caused = make(account=accounts[0], record_id="caused")
    placed = factories.make_instruction(account=accounts[0], kind=kind)
    type(placed).objects.filter(pk=placed.pk).update(**{f"{kind}_record": caused})
    monkeypatch.setattr(csv_lines, "ROWS_A_RUN", 7)
    monkeypatch.setattr(csv_lines, "LINES_AT_ONCE", 3)
    chosen = chosen_by(accounts, {"sort": sort}, ZoneInfo(zone))
    by_id = {account.pk: account for account in accounts}
    rows = history.every_row(kind, chosen)
    cells = (exports.cells(kind, row, by_id[row.account_id], chosen.zone) for row in rows)

    file = "".join(exports.csv_pieces(kind, chosen))

    assert file == "".join(exports.joined(cells, head=exports.head(kind, chosen)))
    assert str(placed.pk) in file
    assert file.count("9999999999999999999999.12345678") >= len(nasty) // 2


@pytest.mark.parametrize("query", [query for query in FILTERS if query.get("q") != "usdt"])
def test_a_page_never_reads_through_the_table(
    accounts: list[Account], query: dict[str, str]
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by the size of the table, which is small here")
    chosen = chosen_by(accounts, query)
    for sort in SORTS[:2]:
        order = history.order_of(Kind.BORROW, sort)
        with CaptureQueriesContext(connection) as asked:
            record_runs.fetch_held(Kind.BORROW, chosen, order, 7, keyset.Cursor(NOW, 5))
        for one in asked:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {one['sql']}")
                plan = "\n".join(row[3] for row in cursor.fetchall())
            read = re.findall(r"SEARCH run USING (?:COVERING )?INDEX", plan)
            assert len(read) >= len(chosen.chosen), plan
            # Once more by the ids that were found; what is scanned are the places found so far.
            assert len(read) == 1 or "SEARCH run USING INTEGER PRIMARY KEY" in plan, plan


def test_a_page_is_one_query_whatever_is_chosen(
    accounts: list[Account], django_assert_num_queries: Callable
) -> None:
    for query in FILTERS:
        chosen = chosen_by(accounts, query)
        with django_assert_num_queries(1):
            history.list_page(Kind.BORROW, chosen)
    with django_assert_num_queries(0):
        assert history.list_page(Kind.BORROW, chosen_by([], {})).rows == ()


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("query", "size", "is_kept"),
    [
        ({}, 50, True),
        ({"symbol": "ETH_USDT", "from": "2026-11-20T11:59:54"}, 50, True),
        ({"currency": "BTC"}, 50, True),
        ({"q": "eth"}, 50, True),
        ({"sort": "-amount"}, 50, True),
        # Another index is better where most rows of this one are left out, or all are wanted.
        ({"symbol": "ETH_USDT", "currency": "ETH"}, 50, False),
        ({"symbol": "ETH_USDT", "sort": "-amount"}, 50, False),
        ({"to": "2026-11-20T11:59:54", "sort": "amount"}, 50, False),
        ({"sort": "interest"}, 2000, False),
    ],
)
def test_postgresql_keeps_the_statement_of_a_page_that_follows_an_index(
    accounts: list[Account], query: dict[str, str], size: int, is_kept: bool
) -> None:
    chosen = chosen_by(accounts, query)
    with CaptureQueriesContext(connection) as asked:
        history.list_page(Kind.BORROW, chosen, size=size)
    shape = re.sub(r"'[^']*'(::\w+)?|\b\d+\b", "%", asked[0]["sql"])
    for _ in range(8):
        history.list_page(Kind.BORROW, chosen, size=size)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_prepared_statements WHERE statement LIKE %s", [shape]
        )
        assert cursor.fetchone() == (is_kept,)


def plan_of(words: str, *values: object) -> str:
    """How PostgreSQL answers the one statement of such words that it keeps for this connection, for
    these values.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE statement LIKE %s", [words])
        [(name,)] = cursor.fetchall()
        given = ", ".join(f"'{value}'" for value in values)
        cursor.execute(f"EXPLAIN EXECUTE {name}({given})")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.postgresql
@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
def test_a_kept_statement_never_sorts_a_pair_with_many_rows(
    accounts: list[Account], mode: str
) -> None:
    (desk, other), few = accounts, [f"P{n}_USDT" for n in range(60)]
    rows = [
        factories.borrow_row(account=desk, record_id=f"M{n}", symbol=symbol, at=NOW - n * SECOND)
        for n, symbol in enumerate([*few, *["BTC_USDT"] * 4000])
    ]
    factories.keep("borrow", rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE loans_borrowrecord")
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
    for symbol in few[:20]:  # by which a plan for all of them would be chosen
        for query in ({"account": "first", "symbol": symbol}, {"symbol": symbol}):
            history.list_page(Kind.BORROW, chosen_by(accounts, query))

    one = "WHERE run.account_id = $1 AND run.symbol = $2 ORDER%LIMIT"
    plan = plan_of(f"SELECT run.id%{one} $3", desk.pk, "BTC_USDT", 51)
    assert "Index Scan using borrow_by_pair" in plan
    assert "Sort" not in plan

    plan = plan_of(f"SELECT run.id%{one} 51%", desk.pk, "BTC_USDT", other.pk, "BTC_USDT")
    assert "using borrow_by_pair" in plan
    assert "Bitmap" not in plan
    assert plan.count("Sort  (") == 1  # of the few that were found


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("span", "mode"),
    [
        ({}, "auto"),
        ({}, "force_generic_plan"),
        ({"from": "2026-11-19"}, "auto"),
        ({"from": "2026-11-19", "to": "2026-11-22"}, "auto"),
        ({"from": "2026-11-19", "to": "2026-11-22"}, "force_generic_plan"),
    ],
)
def test_a_kept_statement_never_sorts_an_account_with_many_rows(
    owner: User, span: dict[str, str], mode: str
) -> None:
    few = [factories.make_account(owner=owner, label=f"Few {n}") for n in range(60)]
    for account in few:
        factories.make_borrow(account=account, at=NOW)
    desk = factories.make_account(owner=owner, label="Many")
    rows = [
        factories.borrow_row(account=desk, record_id=f"M{n}", at=NOW - n * SECOND)
        for n in range(4000)
    ]
    factories.keep("borrow", rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE loans_borrowrecord")
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
    for account in few[:20]:  # by which a plan for all of them would be chosen
        history.list_page(Kind.BORROW, chosen_by([account], span))

    where = " AND ".join(["run.account_id = $1", "run.at >= $2", "run.at < $3"][: len(span) + 1])
    limit, told = ("$4", [51]) if "to" in span else ("51", [])
    words = f"SELECT run.id%WHERE {where} ORDER%LIMIT {limit}"
    plan = plan_of(words, desk.pk, *span.values(), *told)
    assert "Index Scan using borrow_by_time" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("query", [{"symbol": "stETH_USDT"}, {"currency": "stETH"}])
def test_names_with_small_letters_are_found_as_they_are(db: None, query: dict) -> None:
    account = factories.make_account(owner=factories.make_person())
    factories.make_coverage(account=account, symbol="stETH_USDT")
    factories.make_borrow(account=account, symbol="stETH_USDT", currency="stETH")
    factories.make_borrow(account=account, symbol="BTC_USDT", currency="BTC")

    for asked, found in ((query, "stETH"), ({"symbol": "btc_usdt", "currency": "btc"}, "BTC")):
        chosen = chosen_by([account], asked)
        assert [total.currency for total in history.totals(Kind.BORROW, chosen)] == [found]
        assert len(history.list_page(Kind.BORROW, chosen).rows) == 1


def test_a_currency_with_small_letters_and_a_mark_in_it_is_found(db: None) -> None:
    account = factories.make_account(owner=factories.make_person())
    factories.make_coverage(account=account, symbol="st_ETH_USDT")

    assert chosen_by([account], {"currency": "st_ETH"}).currency == "st_ETH"
