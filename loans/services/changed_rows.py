"""Writing only what changed: one statement prepared once, run for each changed row.

An ORM upsert of a whole table costs fifty times as much as comparing in memory and writing the few
rows that differ.
"""

from collections.abc import Mapping, Sequence

from django.db import connection, models

from loans.fields import ExactDecimalField


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


def unfit(model: type[models.Model], values: Mapping[str, object]) -> str:
    """Why the values do not fit the table; empty if they do. Databases would refuse the batch."""
    for name, value in values.items():
        field = model._meta.get_field(name)
        if not all_fit(field, [value]):
            is_text = isinstance(value, str)
            return (
                f"{name} is longer than {field.max_length} characters"
                if is_text
                else (f"{name} does not fit")
            )
    return ""


def all_fit(field: models.Field, values: Sequence[object]) -> bool:
    """Whether a column takes all of these values."""
    if isinstance(field, ExactDecimalField):
        return field.all_fit(values)
    limit = field.max_length
    if limit is None:
        return True
    return all(len(value) <= limit for value in values if isinstance(value, str))
