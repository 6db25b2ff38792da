"""The story of a loan as ready strings: figures, the verdict, the timeline, the ledger.

Presentation only: what happened is told by `services.loan_story`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.utils.html import format_html
from django.utils.safestring import SafeString

from loans import exact, formatting, replay
from loans.services.forecasts import Asked
from loans.services.loan_story import Said, Story
from loans.views.links import href

MOST_CHARGES_SHOWN = 48
READ_PERIOD, SELDOM_READ_PERIOD = 60, 86_400  # of pairs where something is out, and others
TONES = {
    replay.Label.AGREES: "ok",
    replay.Label.DIFFERS: "bad",
    replay.Label.CANNOT_TELL: "",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the timeline; `href` leads to more of it."""

    at: datetime
    title: str
    text: SafeString | str = ""
    tone: str = ""
    href: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One charge as strings."""

    number: int
    at: SafeString
    principal: SafeString
    rate: SafeString
    amount: SafeString
    so_far: SafeString


def present(story: Story) -> dict[str, object]:
    """Everything the page prints."""
    currency = story.record.currency
    return {
        "story": story,
        "left": formatting.amount(story.left, currency),
        "read_period": READ_PERIOD if story.left else SELDOM_READ_PERIOD,
        "replayed": formatting.amount(story.replayed, currency),
        "rate_now": formatting.percent(story.terms.daily_rate if story.terms else None),
        "is_closed": story.closed_at is not None,
        "verdict_tone": TONES[story.verdict.label],
        "verdict_words": _verdict_words(story),
        "timeline": sorted(_timeline(story), key=lambda one: one.at),
        "charges": _charge_rows(story),
        "hidden_charges": max(0, len(story.charges) - MOST_CHARGES_SHOWN),
        "said": [_said_row(one) for one in reversed(story.said)],
        "decided": len(story.verdict.fits) == 1,
        "told_at": max((one.at for one in story.said if not one.refused), default=None),
        "next_in": _next_in(story),
    }


def present_forecast(asked: Asked, currency: str) -> dict[str, object]:
    """The forecast, and the form that asks for it."""
    context: dict[str, object] = {
        "forecast": asked,
        "per_day": formatting.amount(asked.per_day, currency),
        "per_month": formatting.amount(asked.per_month, currency),
    }
    found = asked.found
    if found is None:
        return context
    hours = f"{found.fewest:,}"
    cost = formatting.amount(found.least, currency)
    if found.fewest != found.most:
        hours = f"{hours} or {found.most:,}"
        most = formatting.amount(found.highest, currency)
        cost = format_html("{} or {}", formatting.amount(found.least), most)
    return context | {"forecast_hours": hours, "forecast_cost": cost}


def _next_in(story: Story) -> str:
    """How long until the next charge, in whole minutes: `12 min`, `less than a minute`."""
    if story.next_charge_at is None:
        return ""
    seconds = formatting.whole_seconds(story.next_charge_at, story.now)
    return f"{seconds // 60} min" if seconds >= 60 else "less than a minute"


def _verdict_words(story: Story) -> str:
    verdict = story.verdict
    if verdict.label is replay.Label.DIFFERS and verdict.difference is not None:
        sign = "more" if verdict.difference > 0 else "less"
        figure = formatting.digits(abs(verdict.difference))
        return f"differs by {figure} {story.record.currency} ({sign} was told)"
    return verdict.label.value


def _timeline(story: Story) -> Iterator[Happening]:
    record, currency = story.record, story.record.currency
    if story.instruction:
        yield Happening(
            story.instruction.created_at,
            "Confirmed here",
            f"by {story.instruction.requested_by}",
            href=href("instruction", story.instruction.pk),
            action="See the instruction",
        )
    yield Happening(
        record.at,
        "Borrowed",
        format_html(
            "{} at {} a day",
            formatting.amount(record.principal, currency),
            formatting.percent(record.daily_rate),
        ),
        "ok",
    )
    yield from _charge_spans(story)
    for part in story.parts:
        yield _repaid(story, part)
    for one in story.interest_only:
        text = format_html("{} of this debt, no principal", formatting.amount(one.amount, currency))
        yield Happening(one.at, "Interest repaid", text, "ok")
    yield from _changes(story.said, currency)
    if story.next_charge_at:
        yield Happening(
            story.next_charge_at,
            "Next charge",
            format_html("+ {}", formatting.amount(story.next_charge, currency)),
            "next",
        )


def _repaid(story: Story, part: replay.Part) -> Happening:
    currency = story.record.currency
    whole = story.repayments[part.repayment]
    text = format_html("{} of the principal", formatting.amount(part.principal, currency))
    if whole.principal != part.principal or whole.interest:
        text = format_html(
            "{}, in a repayment of {} ({} of it interest)",
            text,
            formatting.amount(whole.amount, currency),
            formatting.amount(whole.interest),
        )
    is_last = part is story.parts[-1] and story.left == 0
    return Happening(part.at, "Repaid in full" if is_last else "Repaid", text, "ok")


def _charge_spans(story: Story) -> Iterator[Happening]:
    """The charges between two repayments as one entry each."""
    ends = [part.at for part in story.parts] or [story.now]
    if ends[-1] < story.now:
        ends.append(story.now)
    done, so_far = 0, exact.ZERO
    for end in ends:
        count, total = story.charged_by(end)
        if count > done:
            cost = exact.minus(total, so_far)
            yield Happening(
                story.charges[count - 1].at,
                f"{count - done:,} hour{'s' if count - done > 1 else ''} charged",
                format_html("{} by the replay", formatting.amount(cost, story.record.currency)),
            )
        done, so_far = count, total


def _changes(said: Sequence[Said], currency: str) -> Iterator[Happening]:
    """When the exchange took something back that it had said."""
    for one in said:
        if one.refused:
            yield Happening(one.at, "Refused what the exchange said", one.refused, "warn")
    for before, after in pairwise(one for one in said if not one.refused):
        fell = (before.interest or 0) > (after.interest or 0)
        if before.principal == after.principal and not fell:
            continue
        yield Happening(
            after.at,
            "The exchange changed its story",
            format_html(
                "principal {} → {}, interest {} → {}; the first figures are kept",
                formatting.amount(before.principal),
                formatting.amount(after.principal),
                formatting.amount(before.interest),
                formatting.amount(after.interest, currency),
            ),
            "warn",
        )


def _charge_rows(story: Story) -> list[ChargeRow]:
    """The newest part of the ledger, newest first."""
    so_far = exact.total(span.total for span in story.spans)
    rows, number = [], len(story.charges)
    for charge in story.charges[: -MOST_CHARGES_SHOWN - 1 : -1]:
        rows.append(
            ChargeRow(
                number=number,
                at=formatting.instant(charge.at),
                principal=formatting.amount(charge.principal),
                rate=formatting.percent(charge.daily_rate),
                amount=formatting.amount(charge.amount),
                so_far=formatting.amount(so_far),
            )
        )
        number, so_far = number - 1, exact.minus(so_far, charge.amount)
    return rows


def _said_row(said: Said) -> dict[str, str]:
    return {
        "at": formatting.instant(said.at),
        "refused": said.refused,
        "principal": formatting.amount(said.principal),
        "interest": formatting.amount(said.interest),
    }
