"""The application: what each database connection begins with, and the start-up checks."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class LoansConfig(AppConfig):
    """Registered as `loans`."""

    name = "loans"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give each new SQLite connection the exact sum (the backend offers no other hook), set
        up each of PostgreSQL, and load the checks.
        """
        from loans import checks  # noqa: F401 (registers them)
        from loans.fields import register_exact_sum
        from loans.services.sql import set_up

        connection_created.connect(register_exact_sum, dispatch_uid="exact_sum")
        connection_created.connect(set_up, dispatch_uid="set_up")
