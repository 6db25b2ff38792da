"""What the engines hold of records as texts that people can be shown: figures with all their
digits, instants, ids. For long lists, where making a value of each text and a text of it again
would take longer than everything else.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from uuid import UUID

from loans.fields import decode
from loans.services.cells import number_cell
from loans.services.sql import engine

AMOUNT_PLACES, RATE_PLACES = 8, 16
_GROUPS_OF_ID = itemgetter(*map(slice, (0, 8, 12, 16, 20), (8, 12, 16, 20, 32)))


def as_text(name: str) -> str:
    """A column of a `run` as an expression that gives text, a number for `id` and
    `story_changed`.
    """
    if engine() == "sqlite":
        return f"+run.{name}"  # a bare column would be read by its declared type
    if name == "at":
        return "(run.at AT TIME ZONE 'UTC')::text"
    return f"run.{name}" if name in ("id", "story_changed") else f"run.{name}::text"


def held_id(pk: UUID) -> str:
    """An id as the text that is read."""
    return pk.hex if engine() == "sqlite" else str(pk)


def id_texts(held: Iterable[str]) -> list[str]:
    """Ids as everybody writes them."""
    if engine() != "sqlite":
        return list(held)
    return list(map("-".join, map(_GROUPS_OF_ID, held)))


def id_text(held: UUID | str) -> str:
    """One of them; from PostgreSQL it may be an id already."""
    [text] = id_texts([str(held)])
    return text


def figure(text: str | None, places: int = AMOUNT_PLACES) -> Decimal | None:
    """A figure of so many places as a value; an amount, if nothing else is said."""
    if text is None:
        return None
    return decode(text, places=places) if engine() == "sqlite" else Decimal(text)


def figures_in_parts(
    texts: Iterable[str | None], places: int = AMOUNT_PLACES
) -> list[tuple[str, str] | None]:
    """A column of figures of so many places: the digits of each before and behind the point,
    without grouping; a sign is before. None is not known.
    """
    # Where the digits before the point are, zeros in front of them perhaps, and the least text of a
    # figure that is not below zero, whose digits are not there.
    begin, end, least = (1, -places, "1") if engine() == "sqlite" else (0, -places - 1, "0")
    whole, behind = slice(begin, end), slice(-places, None)
    found: list[tuple[str, str] | None] = []
    for text in texts:
        if text is None:
            found.append(None)
        elif text < least:
            plain = number_cell(figure(text, places))
            found.append((plain[: -places - 1], plain[behind]))
        else:
            found.append((text[whole].lstrip("0") or "0", text[behind]))
    return found


def figure_texts(texts: Sequence[str | None], places: int = AMOUNT_PLACES) -> list[str]:
    """A column of figures of so many places with all of these and no grouping; empty where one is
    not known.
    """
    if engine() != "sqlite":
        return [text or "" for text in texts]
    return [".".join(parts) if parts else "" for parts in figures_in_parts(texts, places)]


def instant(text: str) -> datetime:
    """An instant, held as `2026-11-20 12:00:00[.25]` in UTC."""
    return datetime.fromisoformat(f"{text}+00:00")
