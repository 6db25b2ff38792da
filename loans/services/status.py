"""How the site is doing: feeds with their ages, workers, what is undecided, what was refused.

Read from our own tables only; what belongs to somebody else's account is left out.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Min

from loans.models import (
    OPEN,
    UNDECIDED,
    Account,
    Feed,
    Heartbeat,
    Instruction,
    RefusedRow,
    State,
)
from loans.services import attention

REFUSED_SHOWN = 100
PACKAGES = ("Django", "celery", "requests", "cryptography", "django-allauth", "django-htmx")


@dataclass(frozen=True)
class FeedRow:
    """One repeated call, ready to show. `problem` is empty while all is well."""

    feed: Feed
    of: str
    is_stale: bool
    problem: str


@dataclass(frozen=True)
class Part:
    """One part of the site and when it last showed life. `at` None: never."""

    name: str
    words: str
    at: datetime | None
    is_silent: bool
    allowed_seconds: int


@dataclass(frozen=True)
class UndecidedRow:
    """An instruction that may have happened; only who sees its account may open its page."""

    instruction: Instruction
    can_open: bool


def feed_rows(person: User, now: datetime) -> list[FeedRow]:
    """Feeds of the accounts a person sees, and of their venues; every feed for staff."""
    feeds = Feed.objects.select_related("account", "account__owner")
    if not person.is_staff:
        accounts = Account.objects.visible_to(person).kept()
        feeds = feeds.filter(account__in=accounts) | feeds.filter(
            account=None, venue__in=accounts.values("venue")
        )
    return [
        FeedRow(
            feed,
            feed.account.label if feed.account else "everybody",
            feed.is_stale(now),
            feed.error if feed.failures else "",
        )
        for feed in feeds.order_by("venue", "account__label", "name")
    ]


def parts(now: datetime) -> list[Part]:
    """The parts of the site and their last sign of life."""
    beats = dict(Heartbeat.objects.values_list("name", "at"))
    silent = attention.silent_parts(now)
    return [
        Part(name, words, beats.get(name), name in silent, _allowed(name))
        for name, words in attention.PARTS.items()
    ]


def undecided(person: User) -> list[UndecidedRow]:
    """Instructions that may have happened, the oldest first; of everybody for staff."""
    mine = Instruction.objects.visible_to(person).filter(state__in=UNDECIDED)
    rows = Instruction.objects.filter(state__in=UNDECIDED) if person.is_staff else mine
    visible = set(mine.values_list("pk", flat=True))
    found = rows.select_related("account", "requested_by").order_by("created_at")
    return [UndecidedRow(row, row.pk in visible) for row in found]


def refused_rows() -> Sequence[RefusedRow]:
    """The rows last refused, with their reasons; for administrators."""
    rows = RefusedRow.objects.select_related("account").order_by("-last_seen_at", "-pk")
    return rows[:REFUSED_SHOWN]


def versions() -> dict[str, str]:
    """What runs here."""
    found = {"Python": platform.python_version(), connection.display_name: _database_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def gauges(now: datetime) -> dict[str, list[tuple[dict[str, str], int]]]:
    """Figures for machines: name -> rows of labels and a whole number. Seconds, or counts."""
    feeds = Feed.objects.exclude(last_success_at=None)
    oldest = Instruction.objects.filter(state=State.UNKNOWN).aggregate(at=Min("created_at"))["at"]
    return {
        "feed_age_seconds": [
            (_feed_labels(feed), _seconds(now, feed.last_success_at)) for feed in feeds
        ],
        "feed_failures": [(_feed_labels(feed), feed.failures) for feed in Feed.objects.all()],
        "heartbeat_age_seconds": [
            ({"part": beat.name}, _seconds(now, beat.at)) for beat in Heartbeat.objects.all()
        ],
        "instructions": [
            ({"state": str(state)}, Instruction.objects.filter(state=state).count())
            for state in OPEN
        ],
        "oldest_unknown_seconds": [({}, _seconds(now, oldest) if oldest else 0)],
        "refused_rows": [({}, RefusedRow.objects.count())],
    }


def _feed_labels(feed: Feed) -> dict[str, str]:
    labels = {"venue": feed.venue, "feed": feed.name}
    return labels | ({"account": str(feed.account_id)} if feed.account_id else {})


def _seconds(now: datetime, at: datetime) -> int:
    return max(0, int((now - at).total_seconds()))


def _allowed(name: str) -> int:
    return int(attention.SILENT_AFTER[name].total_seconds())


def _database_version() -> str:
    found = connection.get_database_version() or ()
    return ".".join(str(number) for number in found)
