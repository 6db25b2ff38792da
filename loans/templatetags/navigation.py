"""The way around: which pages the frame links to, with their icons and keys.

A page that this installation does not have is left out, never linked to nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from django import template
from django.conf import settings
from django.template import Context
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

register = template.Library()


@dataclass(frozen=True, kw_only=True)
class Place:
    """One link of the frame; `keys` is what opens it, `section` groups it in the rail."""

    name: str
    label: str
    symbol: str
    keys: str = ""
    section: str = "loans"
    on_phone: bool = False
    href: str = ""
    current: bool = False


PLACES = (
    Place(name="loans:overview", label="Overview", symbol="home", keys="g o", on_phone=True),
    Place(name="loans:rates", label="Rates", symbol="chart-bar", keys="g r", on_phone=True),
    Place(name="loans:borrow", label="Borrow", symbol="arrow-down-tray", keys="b", on_phone=True),
    Place(name="loans:repay", label="Repay", symbol="arrow-up-tray", keys="r", on_phone=True),
    Place(name="loans:loans", label="Loans", symbol="scale", keys="g l", on_phone=True),
    Place(name="loans:history", label="History", symbol="clock", keys="g h"),
    Place(name="loans:files", label="Files", symbol="archive-box", keys="g f"),
    Place(name="loans:instructions", label="Instructions", symbol="queue-list", keys="g i"),
    Place(name="loans:keys", label="Keys", symbol="key", keys="g k", section="house"),
    Place(name="loans:alerts", label="Alerts", symbol="bell", keys="g a", section="house"),
    Place(name="loans:team", label="Team", symbol="user-group", keys="g t", section="house"),
    Place(name="loans:audit", label="Audit", symbol="shield-check", section="house"),
    Place(name="loans:status", label="Status", symbol="signal", keys="g s", section="house"),
    Place(name="admin:index", label="Admin", symbol="wrench-screwdriver", section="staff"),
)


def _resolve(place: Place, path: str) -> Place | None:
    try:
        href = reverse(place.name)
    except NoReverseMatch:
        return None
    current = path == href if place.name == "loans:overview" else path.startswith(href)
    fields = {**vars(place), "href": href, "current": current}
    return Place(**fields)


@register.simple_tag(takes_context=True)
def places(context: Context) -> list[Place]:
    """The pages this person can go to, the present one marked."""
    request = context["request"]
    staff = request.user.is_authenticated and request.user.is_staff
    found = (_resolve(place, request.path) for place in PLACES if staff or place.section != "staff")
    return [place for place in found if place is not None]


@register.simple_tag
def draw_places(name: str, pages: Sequence[Place], needs_count: int = 0) -> SafeString:
    """A part of the frame that shows these pages and nothing else but how many instructions need
    the person; drawn once for each such state.
    """
    draw = _draw if settings.DEBUG else _drawn
    return draw(name, tuple(pages), needs_count)


def _draw(name: str, pages: tuple[Place, ...], needs_count: int) -> SafeString:
    return render_to_string(name, {"pages": pages, "shell": {"needs_count": needs_count}})


_drawn = lru_cache(maxsize=256)(_draw)
