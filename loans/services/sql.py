"""Pieces of the few statements that are written as text, because every page of the history waits
for them and the ORM takes longer to write one than the database to answer it.

What people give only ever goes in as parameters: instants, figures and ids as the engine holds them
(`to_database`), texts as they are. They come out through the fields, or as they are held (`held`).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.models import DateTimeField, Field, JSONField, Model, UUIDField

from loans.fields import ExactDecimalField, encode

Condition = tuple[str, tuple[Any, ...]]
Converter = Callable[[Any], Any]
ALWAYS: Condition = ("TRUE", ())
NEVER: Condition = ("FALSE", ())


def both(*conditions: Condition) -> Condition:
    """All of them at once."""
    if NEVER in conditions:
        return NEVER
    told = [condition for condition in conditions if condition != ALWAYS]
    if not told:
        return ALWAYS
    return " AND ".join(sql for sql, _ in told), tuple(v for _, values in told for v in values)


def one_of(column: str, values: Sequence[Any]) -> Condition:
    """The column is one of some values; of none, nothing holds."""
    if not values:
        return NEVER
    return f"{column} IN ({', '.join(['%s'] * len(values))})", tuple(values)


def ask(sql: str, values: Sequence[Any] = (), *, keep: bool = True) -> list[tuple[Any, ...]]:
    """The rows of a statement that many pages ask for in the same words.

    PostgreSQL keeps such a statement once a connection has asked it a few times, since reading and
    planning it takes longer than answering it. It may then use one plan for all values: say not to
    `keep` a statement whose best plan depends on them. For SQLite the placeholders are rewritten
    once.
    """
    own = connections[DEFAULT_DB_ALIAS]
    if own.vendor != "postgresql" or not keep:
        with own.cursor() as cursor:
            if own.vendor == "sqlite":
                cursor.cursor.convert_query = _with_marks
            cursor.execute(sql, values)
            return cursor.fetchall()
    try:
        return _ask_prepared(own, sql, values)
    except NotSupportedError:
        # A migration beside this process has changed a column's type: what this connection keeps
        # fits no more, and would fail for as long as the pool has it.
        if own.in_atomic_block:
            raise
        own.connection.close()
        own.close()
        return _ask_prepared(own, sql, values)


class Words(NamedTuple):
    """A statement that is written once for all values of some form, with their places among what is
    given in place of them.
    """

    sql: str
    places: tuple[int, ...]

    def ask(self, given: Sequence[Any], *, keep: bool = True) -> list[tuple[Any, ...]]:
        """Its rows, for what is given this time."""
        return ask(self.sql, [given[place] for place in self.places], keep=keep)


@lru_cache(maxsize=256)
def _with_marks(sql: str, *, param_names: None = None) -> str:
    return SQLiteCursorWrapper.convert_query(None, sql, param_names=param_names)


def _ask_prepared(
    own: BaseDatabaseWrapper, sql: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    from psycopg import Cursor  # loaded by nobody who is on SQLite

    with own.cursor() as cursor:
        cursor.cursor = Cursor(cursor.cursor.connection)
        cursor.execute(sql, values)
        return cursor.fetchall()


def set_up(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Keep PostgreSQL from compiling statements: what it takes for long, since it does not know the
    values when it plans, is answered in a fraction of the time that compiling takes. And have it
    write instants as `held` reads them, whatever the server's style is. Once for each connection of
    the pool.
    """
    if connection.vendor == "postgresql" and not hasattr(connection.connection, "is_set_up"):
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off; SET DateStyle = ISO")
        connection.connection.is_set_up = True


@cache
def _unconnected() -> BaseDatabaseWrapper:
    """What knows which engine it is and how it reads values, alike for every connection: to find
    the thread's own takes longer than to convert a value.
    """
    return connections.create_connection(DEFAULT_DB_ALIAS)


def engine() -> str:
    """`sqlite` or `postgresql`, for whoever writes words and needs no connection."""
    return _unconnected().vendor


@cache
def to_database(model: type[Model], column: str) -> Converter:
    """What makes a parameter of a column's value, which is of the type that the field gives; None
    is NULL, of a JSON field its null. The field's own way there leads through a dozen calls.
    """
    field = model._meta.get_field(column)
    target = field.target_field if field.is_relation else field
    if isinstance(target, JSONField):
        return json.dumps
    if engine() != "sqlite":
        return as_it_is
    if isinstance(target, DateTimeField):
        return _instant_text
    if isinstance(target, UUIDField):
        return _id_text
    if isinstance(target, ExactDecimalField):
        digits, places = target.digits, target.places
        return lambda value: None if value is None else encode(value, digits=digits, places=places)
    return as_it_is


def as_it_is(value: Any) -> Any:
    """The value, of a field that the driver of the database understands."""
    return value


def _instant_text(value: datetime | None) -> str | None:
    return None if value is None else str(value.astimezone(UTC).replace(tzinfo=None))


def _id_text(value: UUID | None) -> str | None:
    return None if value is None else value.hex


def from_database(
    rows: Sequence[Sequence[Any]], steps: Iterable[tuple[int, Converter]]
) -> Iterator[tuple[Any, ...]]:
    """The values of rows; the steps are what `converters` gave for their fields."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for place, convert in steps if columns else ():
        columns[place] = [convert(value) for value in columns[place]]
    return zip(*columns, strict=True)


@cache
def converters(
    fields: tuple[Field | None, ...], repeated: frozenset[str] = frozenset()
) -> list[tuple[int, Converter]]:
    """What makes values of what this engine gives, by their place in a row; None is a plain
    number. A column whose values are `repeated` from row to row is read once a value.
    """
    found, own = [], _unconnected()
    for place, field in enumerate(fields):
        if field is None:
            continue
        column = field.get_col(field.model._meta.db_table)
        for convert in [*own.ops.get_db_converters(column), *column.get_db_converters(own)]:
            step = _bound(convert, column)
            found.append((place, lru_cache(1024)(step) if field.name in repeated else step))
    return found


def _bound(convert: Callable[..., Any], column: Any) -> Converter:
    own = _unconnected()
    return lambda value: convert(value, column, own)
