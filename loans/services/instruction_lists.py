"""The list of instructions a person sees: filtered, newest first, a page at a time by keyset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from loans.models import FINAL, HAPPENED, OPEN, UNDECIDED, Instruction, Kind, Person, State

PAGE_SIZE = 50
# What the state filter offers beside the single states.
GROUPS: Mapping[str, tuple[str, tuple[State, ...]]] = {
    "open": ("Open", OPEN),
    "undecided": ("May have happened", UNDECIDED),
    "happened": ("Happened", HAPPENED),
    "ended": ("Ended without effect", tuple(state for state in FINAL if state not in HAPPENED)),
}


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the list is narrowed to; empty texts narrow nothing."""

    state: str = ""
    account: str = ""
    kind: str = ""
    symbol: str = ""
    after: str = ""

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Filters":
        """Take what makes sense of a query and leave out the rest."""
        state = fields.get("state", "")
        kind = fields.get("kind", "")
        return cls(
            state=state if state in GROUPS or state in State.values else "",
            account=_uuid_text(fields.get("account", "")),
            kind=kind if kind in Kind.values else "",
            symbol=fields.get("symbol", "").strip().upper()[:40],
            after=fields.get("after", "")[:100],
        )

    @property
    def are_set(self) -> bool:
        """Whether anything is narrowed."""
        return bool(self.state or self.account or self.kind or self.symbol)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows of one page, and the cursor of the next (empty on the last)."""

    rows: list[Instruction]
    next_cursor: str


def page(*, person: Person, filters: Filters, size: int = PAGE_SIZE) -> Page:
    """One page of what this person may see."""
    rows = _narrow(Instruction.objects.visible_to(person), filters)
    rows = rows.select_related("account", "requested_by").order_by("-created_at", "-id")
    cursor = _read_cursor(filters.after)
    if cursor is not None:
        at, pk = cursor
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=pk))
    found = list(rows[: size + 1])
    shown = found[:size]
    return Page(rows=shown, next_cursor=_cursor(shown[-1]) if len(found) > size else "")


def _narrow(rows: QuerySet[Instruction], filters: Filters) -> QuerySet[Instruction]:
    if filters.state:
        states = GROUPS[filters.state][1] if filters.state in GROUPS else (filters.state,)
        rows = rows.filter(state__in=states)
    exact = {
        "account_id": filters.account,
        "kind": filters.kind,
        "symbol": filters.symbol,
    }
    return rows.filter(**{name: value for name, value in exact.items() if value})


def _cursor(instruction: Instruction) -> str:
    return f"{instruction.created_at.isoformat()}_{instruction.pk}"


def _read_cursor(text: str) -> tuple[datetime, UUID] | None:
    """An unreadable cursor is the first page."""
    at, _, pk = text.partition("_")
    try:
        instant = datetime.fromisoformat(at.replace(" ", "+"))
        key = UUID(pk)
        return (instant.astimezone(UTC), key) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _uuid_text(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
