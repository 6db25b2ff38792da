"""What every page shows around its content: the paper or live band, what needs the person, the stop
switch.
"""

from django.http import HttpRequest

from loans.models import Account, Instruction, SiteState, State, Venue


def shell(request: HttpRequest) -> dict[str, object]:
    """Context for base.html; empty for people who are not signed in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    venues = set(Account.objects.kept().visible_to(user).values_list("venue", flat=True))
    site = SiteState.load()
    needs = Instruction.objects.visible_to(user).filter(
        state__in=[State.UNKNOWN, State.NEEDS_HUMAN]
    )
    return {
        "shell": {
            "band": _band(venues),
            "needs_count": needs.count(),
            "wind_down": site.wind_down_notice if Venue.BITMART in venues else "",
            "stopped": site.stopped,
            "stopped_reason": site.stopped_reason,
        }
    }


def _band(venues: set[str]) -> str:
    """`paper`, `live`, `both`, or nothing for a person without a key."""
    live, paper = Venue.BITMART in venues, Venue.PAPER in venues
    if live and paper:
        return "both"
    return "live" if live else "paper" if paper else ""
