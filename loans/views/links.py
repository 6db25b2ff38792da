"""Links between page families."""

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


def ends_of_link(name: str) -> tuple[str, str]:
    """What stands before and after the id in the path of the page of a row.

    Raises: NoReverseMatch.
    """
    before, _, after = path_to(f"loans:{name}", _ANY).partition(str(_ANY))
    return before, after
