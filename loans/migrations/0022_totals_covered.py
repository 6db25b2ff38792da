"""An index that holds all that totals are added up from, on SQLite.

There a row is found by its number, one after the other, which takes longer than adding it up.
PostgreSQL reads the rows themselves as quickly, and would write the index with every change of one.
What changes or squashes this later must leave it out there, too.
"""

from typing import Any

from django.db import migrations, models


class AddIndexOnSQLite(migrations.AddIndex):
    """Adds an index there; its name stands in the models of both engines."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        """Make it."""
        if schema_editor.connection.vendor == "sqlite":
            super().database_forwards(app_label, schema_editor, *states)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        """Take it away."""
        if schema_editor.connection.vendor == "sqlite":
            super().database_backwards(app_label, schema_editor, *states)


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0021_pepper_proof'),
    ]

    operations = [
        AddIndexOnSQLite(
            model_name='recordtotal',
            index=models.Index(
                fields=['account', 'kind', 'symbol', 'period', 'currency', 'records', 'principals', 'interests', 'principal', 'interest', 'amount'],
                name='record_total_covered',
            ),
        ),
    ]
