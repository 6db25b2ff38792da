"""Files of the history: exactly the rows of the view, every digit, nothing a spreadsheet runs."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from loans.models import Account
from tests import factories
from tests.factories import NOW
from tests.views.lists import ids_on


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


def lines_of(response: Any) -> list[dict[str, str]]:
    body = b"".join(response.streaming_content).decode()
    assert body.count("\n") == body.count("\r\n")
    return list(csv.DictReader(io.StringIO(body, newline=""), strict=True))


def fill(account: Account, count: int, **fields: Any) -> None:
    factories.keep(
        "borrow",
        [
            factories.borrow_row(
                account=account, record_id=f"L{n}", at=NOW - timedelta(minutes=n // 3), **fields
            )
            for n in range(count)
        ],
    )


def test_a_file_holds_exactly_the_rows_of_the_view(client: Client, desk: Account) -> None:
    fill(desk, 60)
    query = {"from": (NOW - timedelta(minutes=12)).isoformat(), "sort": "at"}

    file = client.get("/history/borrows.csv", query)
    rows = lines_of(file)
    shown = client.get("/history/borrows/", query)

    assert [row["record_id"] for row in rows] == ids_on(shown)
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_round_trips_every_digit_and_defuses_formulas(client: Client, owner: User) -> None:
    payloads = ['=HYPERLINK("http://x","y")', "@SUM(A1)", "\tx", "-2+3", "+1", 'say "a, b"\r\nc']
    expected = []
    for n, label in enumerate(payloads):
        account = factories.make_account(owner=owner, label=label)
        loan = factories.make_repay(
            account=account,
            principal="99999999999999999999.12345678",
            interest="-0.00000001",
            at=NOW - timedelta(minutes=n),
        )
        expected.append((label, loan))

    rows = lines_of(client.get("/history/repays.csv"))

    for row, (label, loan) in zip(rows, expected, strict=True):
        assert row["account"] == (label if label.startswith("say") else f"'{label}")
        assert row["interest"] == "-0.00000001"
        assert Decimal(row["principal"]) == loan.principal
        assert datetime.fromisoformat(row["repaid_at"]) == loan.at


def test_a_file_names_its_filter_range_and_zone(db: None) -> None:
    person = factories.make_person(zone="Europe/Berlin")
    account = factories.make_account(owner=person, label="Desk 1/é")
    factories.make_borrow(account=account, at=datetime(2026, 7, 1, 10, tzinfo=UTC))
    client = Client()
    client.force_login(person)

    file = client.get(
        "/history/borrows.csv",
        {
            "account": str(account.pk),
            "symbol": "BTC_USDT",
            "from": "2026-07-01",
            "to": "2026-07-31",
        },
    )
    rows = lines_of(file)

    assert file.headers["Content-Disposition"] == (
        'attachment; filename="borrows_Desk-1_BTC_USDT_from-2026-07-01_to-2026-07-31'
        '_Europe-Berlin.csv"'
    )
    assert rows[0]["borrowed_at"] == "2026-07-01T12:00:00.000+02:00"
    assert list(rows[0])[-1] == (
        "rows: Desk 1/é, BTC_USDT, from 2026-07-01, to 2026-07-31; times in Europe/Berlin"
    )


def test_a_file_is_made_in_runs(
    client: Client, desk: Account, django_assert_max_num_queries: Callable
) -> None:
    fill(desk, 4100)

    with django_assert_max_num_queries(13):
        rows = lines_of(client.get("/history/borrows.csv"))

    assert len({row["record_id"] for row in rows}) == 4100
