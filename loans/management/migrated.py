"""What commands on the database have in common: they refuse one with another version's tables."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class MigratedCommand(BaseCommand):
    """A command on a database that is as this version needs it.

    Raises: CommandError where it is not, an older snapshot perhaps, instead of breaking half-way.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Look first."""
        executor = MigrationExecutor(connection)
        loader = executor.loader
        unknown = loader.applied_migrations.keys() - loader.disk_migrations.keys()
        if any(app == "loans" for app, _ in unknown):
            raise CommandError("The database is of a newer version. Put that version back first.")
        if executor.migration_plan(loader.graph.leaf_nodes()):
            raise CommandError(
                "The database is empty or of an older version. Run `.venv/bin/python manage.py "
                "migrate` first, with `--skip-checks` if its secrets.env is lost."
            )
        return super().execute(*args, **options)
