"""`manage.py paper_exchange`: serve the paper exchange until told to stop. Touches no database."""

import os
import sys
from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import BaseCommand

from loans.paper.__main__ import add_arguments


class Command(BaseCommand):
    """Hands over to `python -m loans.paper` in the same process, which is then free of Django."""

    help = "Serve the paper exchange, with a state file of its own."
    requires_system_checks: ClassVar[list[str]] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        handed = [
            f"--{name.replace('_', '-')}={options[name]}"
            for name in ("port", "bind", "state", "seed", "expiry_seconds")
        ]
        command = [sys.executable, "-m", "loans.paper", *handed]
        os.execv(sys.executable, command)  # noqa: S606 (our own module, no shell wanted)
