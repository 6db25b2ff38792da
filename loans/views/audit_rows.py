"""Events of the audit trail as their page shows them: in the words of the pages they are about."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from loans.models import AuditEvent, Instruction, KeyLight
from loans.services import audit_list, words
from loans.templatetags.loans import LIGHTS

# What an instruction's own words tell.
TOLD = frozenset({"instruction", "kind", "symbol", "currency", "amount"})


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event; `deed` is what the instruction was about, `href` its page, empty for nobody's."""

    event: AuditEvent
    words: str
    deed: str
    href: str
    facts: list[tuple[str, str]]


def rows(events: Sequence[AuditEvent], *, seen: Collection[UUID]) -> list[AuditRow]:
    """The events in their order; instructions of the accounts `seen` are linked."""
    found = audit_list.instructions_of(events)
    return [_row(event, found.get(event.facts.get("instruction")), seen) for event in events]


def _row(event: AuditEvent, instruction: Instruction | None, seen: Collection[UUID]) -> AuditRow:
    facts, deed, href = dict(event.facts), "", ""
    if instruction:
        facts = {name: fact for name, fact in facts.items() if name not in TOLD}
        deed = words.deed_of(instruction)
        if instruction.account_id in seen:
            href = reverse("loans:instruction", args=[instruction.pk])
    lights = facts.pop("lights", {})
    shown = [
        (str(name.label), LIGHTS.get(lights[name], LIGHTS["not_known"])[1])
        for name in KeyLight.Name
        if name in lights
    ]
    told = [*shown, *audit_list.facts_of(facts)]
    return AuditRow(event, audit_list.words(event.action), deed, href, told)
