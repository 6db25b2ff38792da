"""Whether an exchange's listings without bounds leave out what is older than some span.

One that was seen to do so proves no list from its start: nobody can tell how far back it shows. So
it is kept as a finding about the exchange, for all its accounts, and is not withdrawn by itself.
"""

from datetime import datetime

from loans.models import Account, Probe

SEEN = "Older records exist that a list without bounds does not show."


def note(*, account: Account, now: datetime) -> None:
    """A listing of this account without bounds left out what one with bounds shows."""
    told = {"state": Probe.State.RED, "finding": SEEN, "checked_at": now}
    Probe.objects.update_or_create(account=account, name=Probe.Name.DEFAULT_RANGE, defaults=told)


def is_seen(*, venue: str) -> bool:
    """Whether it was ever seen at this exchange, with whichever key."""
    seen = Probe.objects.filter(name=Probe.Name.DEFAULT_RANGE, state=Probe.State.RED)
    return seen.filter(account__venue=venue).exists()
