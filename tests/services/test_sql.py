"""Statements that are written as text, asked of the engine in use."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from django.db.models import Model
from psycopg.types.json import Jsonb

from loans.models import (
    Account,
    BorrowRecord,
    Coverage,
    Observation,
    RecordTotal,
    RepayRecord,
)
from loans.services import held
from loans.services.sql import ask, one_of, to_database
from tests.factories import make_account, make_coverage

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


def kept_statements(words: str) -> int:
    [(count,)] = ask("SELECT COUNT(*) FROM pg_prepared_statements WHERE statement LIKE %s", [words])
    return count


def test_values_go_in_and_come_out_as_the_models_give_them(account: Account) -> None:
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    make_coverage(account=account, symbol="A_USDT", complete_to=begin)
    make_coverage(account=account, symbol="100%_USDT", complete_to=None)
    key, at = to_database(Coverage, "account"), to_database(Coverage, "complete_to")
    mine, keys = one_of("account_id", [key(account.pk)])

    found = ask(
        f"SELECT symbol, late_records FROM loans_coverage "
        f"WHERE {mine} AND complete_to >= %s AND symbol LIKE %s",
        [*keys, at(begin), "A%"],
    )

    assert found == [("A_USDT", 0)]
    assert ask("SELECT symbol FROM loans_coverage WHERE complete_to IS NULL") == [("100%_USDT",)]


# By the kind of field, what they may hold.
VALUES: dict[str, tuple[object, ...]] = {
    "AmountField": (Decimal("9999999999999999999999.99999999"), Decimal("-0.00000001"), None),
    "RateField": (Decimal("0.00055"), None),
    "TotalField": (Decimal(10) ** 31,),
    "DateTimeField": (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 3, 0, 0, 250_000, ZoneInfo("Europe/Berlin")),
        None,
    ),
    "UUIDField": (UUID(int=255), None),
    "JSONField": ({"borrow_id": "1", "amount": None}, [], None),
    "CharField": ("A_USDT", ""),
    "TextField": ("A text.",),
    "BooleanField": (True, False),
    "AutoField": (7,),
    "BigAutoField": (7,),
    "PositiveIntegerField": (7,),
    "PositiveBigIntegerField": (2**40,),
}


@pytest.mark.parametrize(
    "model", [Account, Coverage, BorrowRecord, RepayRecord, Observation, RecordTotal]
)
def test_a_parameter_is_what_the_field_would_make_of_the_value(model: type[Model]) -> None:
    for field in model._meta.concrete_fields:
        target = field.target_field if field.is_relation else field
        for value in VALUES[type(target).__name__]:
            made = to_database(model, field.name)(value)
            own = field.get_db_prep_value(value, connection)
            if isinstance(own, Jsonb):  # which the driver writes as text later
                own = json.dumps(own.obj)
            assert made == own, (field, value)
            assert isinstance(own, type(made)), (field, value)


def test_an_error_among_the_rows_is_one_of_django(account: Account) -> None:
    words = "SELECT ABS(n) FROM (SELECT 1 AS n UNION ALL SELECT CAST(%s AS bigint)) AS listed"
    assert ask(words, [-2]) == [(1,), (2,)]

    with pytest.raises(DatabaseError, match=r"overflow|out of range"), transaction.atomic():
        ask(words, [-(2**63)])


def test_no_row_is_no_row() -> None:
    assert ask("SELECT symbol FROM loans_coverage WHERE symbol = %s", ["none"]) == []


@pytest.mark.postgresql
def test_postgresql_keeps_a_statement_that_is_asked_often(account: Account) -> None:
    make_coverage(account=account, symbol="A_USDT")
    for symbol in ("A_USDT", "B_USDT") * 4:
        rows = ask("SELECT symbol FROM loans_coverage WHERE symbol = %s", [symbol])
        assert rows == ([("A_USDT",)] if symbol == "A_USDT" else [])

    assert kept_statements("SELECT symbol FROM loans_coverage WHERE symbol = $1") == 1


@pytest.mark.postgresql
def test_a_kept_statement_outlives_an_error(account: Account) -> None:
    words = "SELECT symbol FROM loans_coverage WHERE late_records / %s > 0"
    for _ in range(8):
        ask(words, [1])
    savepoint = connection.savepoint()
    with pytest.raises(Exception, match="division by zero"):
        ask("SELECT 1 / %s", [0])
    connection.savepoint_rollback(savepoint)

    assert ask(words, [2]) == []


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_migration_beside_a_running_site_breaks_no_page(account: Account) -> None:
    words = "SELECT label FROM loans_account WHERE status = %s"
    for _ in range(8):
        ask(words, ["ready"])
    try:
        change_type("varchar(80)")

        assert ask(words, ["ready"]) == [(account.label,)]
    finally:
        change_type("varchar(60)")


def change_type(column: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE loans_account ALTER label TYPE {column}")


def test_no_statement_is_compiled() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite compiles nothing")
    assert ask("SHOW jit") == [("off",)]


def test_a_servers_own_style_of_dates_changes_no_page() -> None:
    """PostgreSQL writes an instant as the server, the database or the role says."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one style")
    other = connections.create_connection(DEFAULT_DB_ALIAS)
    style = {"options": "-c DateStyle=SQL,DMY"}
    other.settings_dict = other.settings_dict | {"OPTIONS": style}
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT ('2026-11-20 12:00:00.25+00' AT TIME ZONE 'UTC')::text")
            [text] = cursor.fetchone()
    finally:
        other.close()

    assert held.instant(text) == datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
