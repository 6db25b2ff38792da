"""What the frame of every page tells beside its content: how much waits for the person, and whether
the site is stopped. One query, because every page asks it. Reads only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loans.models import Account, Instruction, SiteState, State
from loans.services.sql import ask, one_of, to_database

UNSETTLED = (str(State.UNKNOWN), str(State.NEEDS_HUMAN))


@dataclass(frozen=True, slots=True)
class Frame:
    """The instructions that need a person, and the site's switch and notice."""

    needs_count: int
    stopped: bool
    stopped_reason: str
    wind_down_notice: str


def frame(accounts: Sequence[Account]) -> Frame:
    """The frame for somebody who sees these accounts."""
    key = to_database(Instruction, "account")
    mine, keys = one_of("account_id", [key(account.pk) for account in accounts])
    open_ones, states = one_of("state", UNSETTLED)
    needs = f"SELECT COUNT(*) FROM loans_instruction WHERE {open_ones} AND {mine}"  # noqa: S608 - our own names
    rows = ask(
        f"SELECT ({needs}), stopped, stopped_reason, wind_down_notice "  # noqa: S608 - as above
        "FROM loans_sitestate WHERE id = %s",
        [*states, *keys, SiteState.ONLY],
    )
    if not rows:
        SiteState.load()
        return frame(accounts)
    [(needs_count, stopped, reason, notice)] = rows
    return Frame(needs_count, bool(stopped), reason, notice)
