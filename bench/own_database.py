"""A database of its own for a benchmark."""

import os
from pathlib import Path


def prepare(folder: Path) -> None:
    """Point the settings at a database of our own; before anything of Django is loaded."""
    os.environ["MARGINSITE_DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    url = os.environ.get("BENCH_DATABASE_URL") or f"sqlite:///{folder / 'bench.sqlite3'}"
    os.environ["DATABASE_URL"] = url
    os.environ["LOG_LEVEL"] = "ERROR"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
