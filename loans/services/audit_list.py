"""Which events of the audit trail a person may see, and in which order a page shows them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from loans.models import AuditEvent, Instruction
from loans.services import audit, keys

PAGE_SIZE = 50


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a page was asked for. `ends_at` is exclusive; `before_id` continues a list."""

    account: UUID | None = None
    action: str = ""
    person: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True)
class Page:
    """Some events, newest first. `next_id` is None on the last page."""

    events: Sequence[AuditEvent]
    next_id: int | None


def visible_to(person: User) -> QuerySet[AuditEvent]:
    """What the person did, and what happened to accounts that the person runs; all for staff."""
    if person.is_staff:
        return AuditEvent.objects.all()
    mine = keys.run_by(person, removed_too=True).values("pk")
    return AuditEvent.objects.filter(Q(actor_id=person.pk) | Q(account__in=mine))


def page(person: User, wanted: Wanted) -> Page:
    """One page by keyset, so that new events do not shift it."""
    rows = visible_to(person).filter(_condition(wanted))
    rows = rows.select_related("actor", "account").order_by("-id")
    found = list(rows[: PAGE_SIZE + 1])
    has_more = len(found) > PAGE_SIZE
    return Page(found[:PAGE_SIZE], found[PAGE_SIZE - 1].pk if has_more else None)


def instructions_of(events: Iterable[AuditEvent]) -> dict[str, Instruction]:
    """The instructions that events are about, by their id as the facts hold it."""
    ids = {event.facts["instruction"] for event in events if "instruction" in event.facts}
    return {str(one.pk): one for one in Instruction.objects.filter(pk__in=ids)}


def facts_of(facts: Mapping[str, object]) -> list[tuple[str, str]]:
    """Facts as name and text, ready for people; what is empty is left out."""
    told = ((name.replace("_", " "), _text(value)) for name, value in facts.items())
    return [(name, text) for name, text in told if text]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {_text(inner).replace('_', ' ')}" for name, inner in value.items()
        )
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)


def words(action: str) -> str:
    """What an action is called on pages."""
    return audit.ACTIONS.get(action, action.replace("_", " "))


def _condition(wanted: Wanted) -> Q:
    found = Q()
    if wanted.account is not None:
        found &= Q(account_id=wanted.account)
    if wanted.action:
        found &= Q(action=wanted.action)
    if wanted.person is not None:
        found &= Q(actor_id=wanted.person)
    if wanted.starts_at is not None:
        found &= Q(at__gte=wanted.starts_at)
    if wanted.ends_at is not None:
        found &= Q(at__lt=wanted.ends_at)
    if wanted.before_id is not None:
        found &= Q(pk__lt=wanted.before_id)
    return found
