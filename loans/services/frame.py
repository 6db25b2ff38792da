"""What the frame of every page tells beside its content: how much waits for the person, and whether
the site is stopped. One query, because every page asks it. Reads only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from loans.models import (
    Account,
    Heartbeat,
    Instruction,
    KeyLight,
    MarginAccount,
    SiteState,
    State,
)
from loans.models.markets import NO_DEBT_RISK_RATE
from loans.services.attention import HIGH_RISK, SILENT_AFTER
from loans.services.sql import Condition, ask, both, one_of, to_database

UNSETTLED = (str(State.UNKNOWN), str(State.NEEDS_HUMAN))


@dataclass(frozen=True, slots=True)
class Frame:
    """The site's switch and notice, and the needs of `attention` that no page may keep quiet: open
    outcomes (alone in `unsettled_count`), high risk, red lights and silent parts.
    """

    urgent_count: int
    unsettled_count: int
    stopped: bool
    stopped_reason: str
    wind_down_notice: str


def frame(accounts: Sequence[Account], *, now: datetime) -> Frame:
    """The frame for somebody who sees these accounts."""
    counts = _counts(accounts, now)
    columns = [
        f"(SELECT COUNT(*) FROM {table} WHERE {sql})"  # noqa: S608 - our own names
        for table, (sql, _) in counts
    ]
    values = [value for _, (_, given) in counts for value in given]
    rows = ask(
        f"SELECT {', '.join(columns)}, stopped, stopped_reason, wind_down_notice "  # noqa: S608 - as above
        "FROM loans_sitestate WHERE id = %s",
        [*values, SiteState.ONLY],
    )
    if not rows:
        SiteState.load()
        return frame(accounts, now=now)
    [(unsettled, risky, red, alive, stopped, reason, notice)] = rows
    urgent = unsettled + risky + red + len(SILENT_AFTER) - alive
    return Frame(urgent, unsettled, bool(stopped), reason, notice)


def _counts(accounts: Sequence[Account], now: datetime) -> list[tuple[str, Condition]]:
    """Instructions, pairs at risk, red lights and parts that live: as `attention` finds them."""
    kept = _of([one for one in accounts if one.status != Account.Status.REMOVED])
    no_debt = to_database(MarginAccount, "risk_rate")(Decimal(NO_DEBT_RISK_RATE))
    at_risk = ("risk_level = %s AND risk_rate < %s", (HIGH_RISK, no_debt))
    used = "account_id IN (SELECT id FROM loans_account WHERE NOT disabled)"
    is_red = (f"state = %s AND {used}", (str(KeyLight.State.RED),))
    at = to_database(Heartbeat, "at")
    lives = " OR ".join(["name = %s AND at >= %s"] * len(SILENT_AFTER))
    since = [value for name, limit in SILENT_AFTER.items() for value in (name, at(now - limit))]
    return [
        ("loans_instruction", both(one_of("state", UNSETTLED), _of(accounts))),
        ("loans_marginaccount", both(at_risk, kept)),
        ("loans_keylight", both(is_red, kept)),
        ("loans_heartbeat", (lives, tuple(since))),
    ]


def _of(accounts: Sequence[Account]) -> Condition:
    key = to_database(Instruction, "account")
    return one_of("account_id", [key(account.pk) for account in accounts])
