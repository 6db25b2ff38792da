"""What needs a person now, each with a way out: one list for the overview and the alerts page.

Everything is read from our own tables, and a person is told only of what that person may see.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loans.models import (
    BEFORE_SENDING,
    Account,
    Feed,
    Heartbeat,
    Instruction,
    KeyLight,
    MarginAccount,
    Person,
    SiteState,
    State,
    Venue,
)

# How long each part may be silent before it is said. Money ticks every 2 s.
SILENT_AFTER = {
    "money": timedelta(seconds=30),
    "sync": timedelta(seconds=150),
    "beat": timedelta(seconds=150),
}
PARTS = {
    "money": "The worker that sends borrows and repays",
    "sync": "The worker that reads the exchange",
    "beat": "The clock that starts the regular work",
}
FIRST_READS = timedelta(minutes=3)  # a new key is not called stale before that
HIGH_RISK = "3"


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing to look at. `view` and `key` name the page that is the way out.

    `kind` is a word for programs, `tone` one of `bad`, `warn`, `info`; `since` is None where the
    moment it began is not known.
    """

    kind: str
    tone: str
    title: str
    text: str
    view: str
    action: str
    key: str = ""
    since: datetime | None = None
    account: Account | None = None


def needs(person: Person, now: datetime) -> list[Need]:
    """Everything that needs this person now, the most urgent first."""
    accounts = Account.objects.visible_to(person).kept()
    found = [
        *_instructions(person, now),
        *_silence(now),
        *_risk(accounts),
        *_switches(accounts),
        *_keys(accounts, now),
        *_feeds(accounts, now),
    ]
    order = {"bad": 0, "warn": 1, "info": 2}
    return sorted(found, key=lambda need: order[need.tone])


def silent_parts(now: datetime) -> dict[str, int | None]:
    """Parts of the site that show no life, with the seconds since they last did; None: never."""
    beats = dict(Heartbeat.objects.values_list("name", "at"))
    ages = {name: now - beats[name] if name in beats else None for name in SILENT_AFTER}
    return {
        name: None if age is None else int(age.total_seconds())
        for name, age in ages.items()
        if age is None or age > SILENT_AFTER[name]
    }


def _silence(now: datetime) -> Iterator[Need]:
    for name, seconds in silent_parts(now).items():
        how_long = "has never shown life" if seconds is None else f"is silent for {seconds:,} s"
        meaning = (
            "What you confirm waits, and expires if it waits too long."
            if name == "money"
            else "Figures are as old as their age says."
        )
        yield Need(
            kind="silent",
            tone="bad",
            title=f"{PARTS[name]} {how_long}",
            text=f"{meaning} An administrator can start it again.",
            view="loans:status",
            action="See the status",
        )


def _instructions(person: Person, now: datetime) -> Iterator[Need]:
    rows = Instruction.objects.visible_to(person).open().select_related("account")
    for row in rows.order_by("created_at"):
        where = f"{row} with {row.account.label}"
        common: dict[str, Any] = {
            "view": "loans:instruction",
            "key": str(row.pk),
            "since": row.created_at,
            "account": row.account,
        }
        if row.state == State.NEEDS_HUMAN:
            yield Need(
                kind="needs_human",
                tone="bad",
                title=f"Decide what happened: {where}",
                text="The exchange's records do not show whether it happened. Look at the "
                "exchange, then settle it here.",
                action="Settle it",
                **common,
            )
        elif row.state == State.UNKNOWN:
            yield Need(
                kind="unknown",
                tone="warn",
                title=f"May have happened: {where}",
                text="Its outcome is being looked up. Do not repeat it elsewhere meanwhile.",
                action="Follow it",
                **common,
            )
        elif row.state in BEFORE_SENDING and row.is_late(now):
            yield Need(
                kind="late",
                tone="warn",
                title=f"Waits too long: {where}",
                text="It was not taken up in time and will not be sent.",
                action="Look at it",
                **common,
            )
    yield from _contradicted(person)


def _contradicted(person: Person) -> Iterator[Need]:
    rows = Instruction.objects.visible_to(person).filter(contradicted_at__isnull=False)
    for row in rows.select_related("account").order_by("-contradicted_at")[:20]:
        yield Need(
            kind="contradicted",
            tone="bad",
            title=f"The records contradict its outcome: {row} with {row.account.label}",
            text=row.explanation or "What the exchange lists does not fit what it answered.",
            view="loans:instruction",
            key=str(row.pk),
            action="Look at it",
            since=row.contradicted_at,
            account=row.account,
        )


def _risk(accounts: Any) -> Iterator[Need]:
    rows = MarginAccount.objects.filter(account__in=accounts, risk_level=HIGH_RISK)
    for row in rows.select_related("account", "market"):
        if not row.has_debt:
            continue
        yield Need(
            kind="risk",
            tone="bad",
            title=f"High risk on {row.market.symbol} with {row.account.label}",
            text=f"The exchange gives a risk rate of {row.risk_rate.normalize():f}. Repay, or move "
            "collateral into this pair's margin account at the exchange.",
            view="loans:loans",
            action="See the loans",
            since=row.as_of,
            account=row.account,
        )


def _switches(accounts: Any) -> Iterator[Need]:
    site = SiteState.load()
    if site.stopped or site.repay_only:
        what = "Everything is stopped" if site.stopped else "Everything is set to repay only"
        yield Need(
            kind="stopped",
            tone="warn",
            title=what,
            text=site.stopped_reason or "An administrator has thrown the switch for all.",
            view="loans:keys",
            action="See the switches",
        )
    for account in accounts.filter(stopped=True):
        yield Need(
            kind="stopped",
            tone="warn",
            title=f"{account.label} is stopped",
            text="Nothing is sent with it until its switch is off.",
            view="loans:key",
            key=str(account.pk),
            action="See the switch",
            account=account,
        )


def _keys(accounts: Any, now: datetime) -> Iterator[Need]:
    red = KeyLight.objects.filter(
        account__in=accounts.filter(disabled=False), state=KeyLight.State.RED
    )
    for light in red.select_related("account"):
        yield _key_need(
            light.account,
            kind="red_light",
            tone="bad",
            title=f"{light.get_name_display()}: not in order for {light.account.label}",
            text=light.detail,
            since=light.checked_at,
        )
    for account in accounts.filter(status=Account.Status.FAILED):
        yield _key_need(
            account,
            kind="not_connected",
            tone="warn",
            title=f"{account.label} could not be connected",
            text=account.status_reason,
        )
    overdue = accounts.filter(check_requested_at__lt=now - FIRST_READS)
    for account in overdue.exclude(status=Account.Status.FAILED):
        if account.is_checking and not account.disabled:
            yield _key_need(
                account,
                kind="unchecked",
                tone="warn",
                title=f"The check of {account.label} has not ended",
                text="No worker has taken it up. It will be made as soon as one does.",
                since=account.check_requested_at,
            )


def _key_need(account: Account, **fields: Any) -> Need:
    return Need(
        view="loans:key", key=str(account.pk), action="Open the key", account=account, **fields
    )


def _feeds(accounts: Any, now: datetime) -> Iterator[Need]:
    """Reads that are late or fail: an account's own, and those of the venues it is on."""
    used = accounts.filter(disabled=False, status=Account.Status.READY)
    old_enough = used.filter(created_at__lt=now - FIRST_READS)
    venues = old_enough.values("venue")
    mine = Feed.objects.filter(account__in=old_enough)
    shared = Feed.objects.filter(account=None, venue__in=venues)
    for feed in (mine | shared).select_related("account").order_by("venue", "name"):
        if not feed.is_stale(now):
            continue
        of = feed.account.label if feed.account else Venue(feed.venue).label
        yield Need(
            kind="stale",
            tone="warn",
            title=f"{feed.get_name_display()} of {of}: stale",
            text=feed.error or "The last good answer is older than it should be.",
            view="loans:status",
            action="See the status",
            since=feed.last_success_at,
            account=feed.account,
        )
