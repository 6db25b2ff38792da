"""Links between page families. A page this installation does not have is never linked to."""

from django.urls import NoReverseMatch, reverse


def href(name: str, *args: object) -> str:
    """The path of a named page; empty where there is none."""
    try:
        return reverse(f"loans:{name}", args=args)
    except NoReverseMatch:
        return ""
