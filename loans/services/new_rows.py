"""Writing many rows at once: a statement prepared once on SQLite, COPY on PostgreSQL.

The ORM's bulk_create costs six times as much. What it would fill in (defaults, checks of Python) is
the caller's work; constraints are the database's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, repeat
from types import MappingProxyType

from django.db import connection, models

from loans.fields import ExactDecimalField
from loans.services.sql import as_it_is, to_database

MOST_AT_ONCE = 1000  # rows of one statement that names them all


def insert(
    model: type[models.Model],
    names: Sequence[str],
    rows: Collection[Sequence],
    *,
    same: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write rows of these fields, all of them new, and `same` for every row.

    Every column without a default of the database is named. Raises: IntegrityError if one breaks a
    constraint; then none is written.
    """
    if not rows:
        return
    table, columns = _quoted(model, (*same, *names))
    converted = zip(
        *(repeat(_convert(model, name, [value])[0]) for name, value in same.items()),
        *_columns(model, names, rows),
        strict=False,
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with connection.wrap_database_errors, cursor.copy(statement) as copy:
                for row in converted:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names
            cursor.executemany(statement, converted)


def add_up(
    model: type[models.Model], key: Sequence[str], names: Sequence[str], rows: Sequence[Sequence]
) -> None:
    """Add figures to those of the row with the same key, or begin one with them.

    A row is the key's values, then the figures; `key` has a unique constraint, and no two rows the
    same one.
    """
    table, columns = _quoted(model, (*key, *names))
    plus = [_plus(model._meta.get_field(name), table) for name in names]
    for first in range(0, len(rows), MOST_AT_ONCE):
        given = _columns(model, (*key, *names), rows[first : first + MOST_AT_ONCE])
        source, values = _listed(model, (*key, *names), given)
        statement = (
            f"INSERT INTO {table} ({', '.join(columns)}) {source} "
            f"ON CONFLICT ({', '.join(columns[: len(key)])}) DO UPDATE SET {', '.join(plus)}"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, values)


def _listed(
    model: type[models.Model], names: Sequence[str], given: Sequence[Sequence]
) -> tuple[str, list]:
    """Rows, from their columns, as the source of an INSERT: a few arrays on PostgreSQL, where
    reading thousands of values takes longer than writing their rows.
    """
    if connection.vendor == "postgresql":
        types = [model._meta.get_field(name).db_type(connection) for name in names]
        arrays = ", ".join(f"%s::{type_}[]" for type_ in types)
        return f"SELECT * FROM unnest({arrays})", [list(column) for column in given]  # noqa: S608 - our own types
    marks = f"({', '.join(['%s'] * len(names))})"
    return f"VALUES {', '.join([marks] * len(given[0]))}", list(
        chain.from_iterable(zip(*given, strict=True))
    )


def count_once(*models_: type[models.Model]) -> None:
    """Let PostgreSQL count tables that it never counted: until it does so by itself, it takes them
    for empty, and reads all of an account for each of its records.
    """
    if connection.vendor != "postgresql":
        return
    tables = [model._meta.db_table for model in models_]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE oid = ANY(%s::regclass[]) AND reltuples < 0",
            [tables],
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"ANALYZE {connection.ops.quote_name(table)}")


def _quoted(model: type[models.Model], names: Sequence[str]) -> tuple[str, list[str]]:
    """The table and the columns of these fields, as they stand in a statement."""
    quote = connection.ops.quote_name
    return quote(model._meta.db_table), [quote(model._meta.get_field(n).column) for n in names]


def _plus(field: models.Field, table: str) -> str:
    """The assignment that adds a figure to the one that is there."""
    column = connection.ops.quote_name(field.column)
    if connection.vendor == "sqlite" and isinstance(field, ExactDecimalField):
        return f"{column} = EXACT_PLUS({table}.{column}, excluded.{column})"
    return f"{column} = {table}.{column} + excluded.{column}"


def _columns(
    model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence]
) -> list[Sequence]:
    """The columns of rows, as the driver wants them."""
    columns = zip(*rows, strict=True)
    return [_convert(model, name, some) for name, some in zip(names, columns, strict=True)]


def _convert(model: type[models.Model], name: str, values: Sequence) -> Sequence:
    convert = to_database(model, name)
    return values if convert is as_it_is else list(map(convert, values))
