"""Links between page families. A page this installation does not have is never linked to."""

from collections.abc import Callable
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from loans.templatetags.navigation import path_to

_ANY = UUID(int=0)


def href(name: str, *args: object) -> str:
    """The path of a named page; empty where there is none."""
    try:
        return reverse(f"loans:{name}", args=args)
    except NoReverseMatch:
        return ""


def link_to(name: str) -> Callable[[UUID | str], str]:
    """As `href` for the pages of many rows, resolved once."""
    try:
        path = path_to(f"loans:{name}", _ANY)
    except NoReverseMatch:
        path = ""
    before, found, after = path.partition(str(_ANY))
    return lambda pk: f"{before}{pk}{after}" if found else ""
