"""The way around: which pages the frame links to, with their icons and keys.

A page that this installation does not have is left out, never linked to nowhere.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from django import template
from django.conf import settings
from django.template import Context
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, get_script_prefix, reverse
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


@register.simple_tag
def path_to(name: str, *args: object) -> str:
    """`{% path_to "loans:keys" %}`: the path of a named page. Raises: NoReverseMatch."""
    return _path_to(get_script_prefix(), name, *args)


@lru_cache(maxsize=256)
def _path_to(prefix: str, name: str, *args: object) -> str:
    """Found once below a prefix: every page is full of links, and looking one up is slow."""
    return reverse(name, args=args)


@lru_cache(maxsize=8)
def _known_places(prefix: str) -> tuple[Place, ...]:
    """The places that this installation has."""
    found = []
    for place in PLACES:
        with suppress(NoReverseMatch):
            found.append(replace(place, href=_path_to(prefix, place.name)))
    return tuple(found)


def _marked(place: Place, path: str) -> Place:
    exact = place.name == "loans:overview"
    is_current = path == place.href if exact else path.startswith(place.href)
    return replace(place, current=True) if is_current else place


@register.simple_tag(takes_context=True)
def places(context: Context) -> list[Place]:
    """The pages this person can go to, the present one marked."""
    request = context["request"]
    staff = request.user.is_authenticated and request.user.is_staff
    known = _known_places(get_script_prefix())
    return [_marked(place, request.path) for place in known if staff or place.section != "staff"]


@register.simple_tag
def draw_places(
    name: str, pages: Sequence[Place], urgent_count: int = 0, unsettled_count: int = 0
) -> SafeString:
    """A part of the frame that shows these pages and nothing else but how much is urgent, and how
    many instructions are among it; drawn once for each such state.
    """
    draw = _draw if settings.DEBUG else _drawn
    return draw(get_script_prefix(), name, tuple(pages), urgent_count, unsettled_count)


@register.simple_tag
def draw_once(name: str) -> SafeString:
    """A part of the frame that is the same on every page for everybody."""
    draw = _draw if settings.DEBUG else _drawn
    return draw(get_script_prefix(), name)


def _draw(
    prefix: str,
    name: str,
    pages: tuple[Place, ...] = (),
    urgent_count: int = 0,
    unsettled_count: int = 0,
) -> SafeString:
    """Below a prefix, with which every link begins."""
    counts = {"urgent_count": urgent_count, "unsettled_count": unsettled_count}
    return render_to_string(name, {"pages": pages, "shell": counts})


_drawn = lru_cache(maxsize=256)(_draw)
