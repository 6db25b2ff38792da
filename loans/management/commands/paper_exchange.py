"""`manage.py paper_exchange`: serve the paper exchange until told to stop. Touches no database."""

import os
import sys
from argparse import ArgumentParser
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand

from loans.paper.__main__ import add_arguments


class Command(BaseCommand):
    """Hands over to `python -m loans.paper` in the same process, which is then free of Django."""

    help = "Serve the paper exchange, with a state file of its own."
    requires_system_checks: ClassVar[list[str]] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)
        parser.set_defaults(port=settings.PAPER_PORT, state=settings.DATA_DIR / "paper.sqlite3")

    def handle(self, *args: Any, **options: Any) -> None:
        options["state"] = options["state"].absolute()
        handed = [
            f"--{name.replace('_', '-')}={options[name]}"
            for name in ("port", "bind", "state", "seed", "expiry_seconds")
        ]
        path = [str(settings.BASE_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-m", "loans.paper", *handed]
        os.execve(sys.executable, command, environment)  # noqa: S606 (our own module, no shell)
