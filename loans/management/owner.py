"""Whom the data directory belongs to; commands that write there must be run by that user."""

import os
from pathlib import Path

from django.core.management.base import CommandError


def must_be_owner(place: Path) -> None:
    """What another user makes there, and be it root, is closed to the site."""
    owner = place.stat().st_uid if place.exists() else os.geteuid()
    if os.geteuid() != owner:
        raise CommandError(f"Run this as the user to whom {place} belongs (number {owner}).")
