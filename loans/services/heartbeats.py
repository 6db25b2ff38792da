"""Signs of life of the site's parts: `beat`, `sync`, `money`."""

from datetime import datetime

from loans.models import Heartbeat


def beat(*, name: str, now: datetime) -> None:
    """Note that a part is alive."""
    if not Heartbeat.objects.filter(name=name).update(at=now):
        Heartbeat.objects.update_or_create(name=name, defaults={"at": now})
