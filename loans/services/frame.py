"""What the frame of every page tells beside its content: how much waits for the person, and whether
the site is stopped. Columns of the one statement that every page asks (`loans.views.who`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from loans.models import Account, Heartbeat, KeyLight, MarginAccount, SiteState, State
from loans.models.instructions import OPEN
from loans.models.markets import NO_DEBT_RISK_RATE
from loans.services.attention import HIGH_RISK, SILENT_AFTER
from loans.services.sql import to_database

# Told first that it is open, both engines find the few in the index of these, among however many.
_OPEN, _WAITING = (tuple(map(str, states)) for states in (OPEN, (State.UNKNOWN, State.NEEDS_HUMAN)))
_UNSETTLED = f"state IN {_OPEN} AND state IN {_WAITING}"
_KEPT = f"account_id IN (SELECT id FROM seen WHERE status <> '{Account.Status.REMOVED}')"  # noqa: S608 - our own names
_IS_RED = f"state = '{KeyLight.State.RED}'"
_USED = "account_id IN (SELECT id FROM loans_account WHERE NOT disabled)"
_ALIVE = " OR ".join(["name = %s AND at >= %s"] * len(SILENT_AFTER))
# Of the accounts in `seen`: instructions, pairs at risk and red lights; then the parts that live,
# and the site's row. As `attention` finds them.
COLUMNS = (
    "(SELECT COUNT(*) FROM loans_instruction "  # noqa: S608 - our own names
    f"WHERE {_UNSETTLED} AND account_id IN (SELECT id FROM seen)), "
    "(SELECT COUNT(*) FROM loans_marginaccount "
    f"WHERE risk_level = '{HIGH_RISK}' AND risk_rate < %s AND {_KEPT}), "
    f"(SELECT COUNT(*) FROM loans_keylight WHERE {_IS_RED} AND {_USED} AND {_KEPT}), "
    f"(SELECT COUNT(*) FROM loans_heartbeat WHERE {_ALIVE}), "
    "site.stopped, site.stopped_reason, site.wind_down_notice"
)
WIDTH = 7  # columns
SITE = f"LEFT JOIN loans_sitestate AS site ON site.id = {SiteState.ONLY}"


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


def values(now: datetime) -> list[Any]:
    """The parameters of the columns."""
    at = to_database(Heartbeat, "at")
    no_debt = to_database(MarginAccount, "risk_rate")(Decimal(NO_DEBT_RISK_RATE))
    since = (value for name, limit in SILENT_AFTER.items() for value in (name, at(now - limit)))
    return [no_debt, *since]


def read(columns: Sequence[Any]) -> Frame:
    """What the columns tell. Makes the site's row if there is none yet."""
    unsettled, risky, red, alive, stopped, reason, notice = columns
    if stopped is None:
        site = SiteState.load()
        stopped, reason, notice = site.stopped, site.stopped_reason, site.wind_down_notice
    urgent = unsettled + risky + red + len(SILENT_AFTER) - alive
    return Frame(urgent, unsettled, bool(stopped), reason, notice)
