"""What every page shows around its content: the paper or live band, what needs the person, the stop
switch.
"""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from loans.models import Account, Venue
from loans.views.who import accounts_of, frame_of


def shell(request: HttpRequest) -> dict[str, object]:
    """Context for base.html; empty for people who are not signed in. A fragment, which shows
    nothing of it, does not ask for it.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"shell": SimpleLazyObject(lambda: _shell(request))}


def _shell(request: HttpRequest) -> dict[str, object]:
    told = frame_of(request)  # first, for after a change it reads the accounts anew, too
    accounts = accounts_of(request)
    venues = {account.venue for account in accounts if account.status != Account.Status.REMOVED}
    return {
        "band": _band(venues),
        "urgent_count": told.urgent_count,
        "unsettled_count": told.unsettled_count,
        "wind_down": told.wind_down_notice if Venue.BITMART in venues else "",
        "stopped": told.stopped,
        "stopped_reason": told.stopped_reason,
    }


def _band(venues: set[str]) -> str:
    """`paper`, `live`, `both`, or nothing for a person without a key."""
    live, paper = Venue.BITMART in venues, Venue.PAPER in venues
    if live and paper:
        return "both"
    return "live" if live else "paper" if paper else ""
