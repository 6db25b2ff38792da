"""Whether an exchange's listings without bounds leave out what is older than some span.

One that was seen to do so proves no list from its start: nobody can tell how far back it shows. So
it is kept as a finding about the exchange, for all its accounts, and is not withdrawn by itself.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from loans.bitmart.errors import Refused
from loans.bitmart.responses import Listing
from loans.models import Account, Probe
from loans.services.served import is_out_of_range
from loans.services.windows import SECOND, Ask, Row, control, instant_of

# So far before the oldest record of a listing without bounds it is asked whether there is more.
PROBED = timedelta(days=90)
SEEN = "Older records exist that a list without bounds does not show."


def note(*, account: Account, now: datetime) -> None:
    """A listing of this account without bounds left out what one with bounds shows."""
    told = {"state": Probe.State.RED, "finding": SEEN, "checked_at": now}
    Probe.objects.update_or_create(account=account, name=Probe.Name.DEFAULT_RANGE, defaults=told)


def is_seen(*, venue: str) -> bool:
    """Whether it was ever seen at this exchange, with whichever key."""
    seen = Probe.objects.filter(name=Probe.Name.DEFAULT_RANGE, state=Probe.State.RED)
    return seen.filter(account__venue=venue).exists()


class Older(NamedTuple):
    """What bounds show that a listing without them does not: whether there is something, whether a
    record among it could be read, and whether bounds are heeded, without which it is nothing.
    """

    is_older: bool = False
    is_record: bool = False
    is_heeded: bool = True


def find_older(
    page: Listing[Row], *, symbol: str, ask: Ask, begin: datetime, end: datetime
) -> Older:
    """What bounds show before the oldest row of a listing without, and before `end`, up to which it
    will prove something.

    All time is asked for in one span, and 90 days, as the exchange may refuse or cut one so long.
    For a list without a row the long one is enough, unless it is refused. Raises: ReadError; among
    them Refused as out of range, if not all time is served.
    """
    last = min([end + 2 * SECOND, *map(instant_of, page.rows)]) - 2 * SECOND
    for start in (last - PROBED, begin) if page.rows else (begin, last - PROBED):
        try:
            older = ask(start, last, None)
        except Refused as exc:
            if not is_out_of_range(exc) or start != begin:
                raise
            ask(begin, begin + PROBED, None)  # or was it the length alone?
            continue
        if any(row.symbol != symbol or instant_of(row) > last + SECOND for row in older.rows):
            return Older(is_heeded=False)
        if older.received:
            # Where a row was listed without bounds, they were tried on it.
            is_heeded = bool(page.rows) or not older.rows or control(older.rows[0], ask=ask)
            return Older(is_heeded, is_heeded and bool(older.rows), is_heeded)
        if not page.rows:
            break
    return Older()
