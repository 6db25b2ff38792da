"""Links between page families."""

from functools import lru_cache
from uuid import UUID

from django.urls import NoReverseMatch, get_script_prefix, reverse

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
    return _ends_of_link(get_script_prefix(), name)


@lru_cache(maxsize=8)
def _ends_of_link(prefix: str, name: str) -> tuple[str, str]:
    """Found once below a prefix."""
    before, _, after = reverse(f"loans:{name}", args=[_ANY]).partition(str(_ANY))
    return before, after
