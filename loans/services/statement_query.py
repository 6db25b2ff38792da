"""Which statement a person asked for, read from the query of its page.

Texts in, a frozen request out, with a sentence beside each field that could not be read. A
statement of another month than the one asked for would mislead, so with an error there is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loans.models import Account
from loans.services.filters import Unreadable, read_account, read_start
from loans.services.months import Month, month_of, read_month

NAMES = ("zone", "account", "month", "as_of")
# Records are dated when whoever writes has its turn, and stand in the database once that has been
# committed: of a moment as long ago as this, all that is dated before it does.
SETTLED = timedelta(seconds=30)
MOST_NAMED = 60  # characters of a zone that does not exist; every other has fewer


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The account, the month as people in a zone count it, and how far knowledge reaches;
    `account` None if there is none.

    `is_fixed` says that `as_of` was asked for, so that the same digits come again.
    """

    account: Account | None
    month: Month
    as_of: datetime
    zone: tzinfo
    is_fixed: bool = False
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def beside_no_field(self) -> list[str]:
        """What is wrong with the parts that a link alone carries."""
        return [self.errors[name] for name in ("zone", "as_of") if name in self.errors]


def read_wanted(
    query: Mapping[str, str], *, accounts: Sequence[Account], now: datetime, zone: tzinfo
) -> Wanted:
    """Read the query. Without one: the first account, the last complete month in `zone`, as known
    when all that was heard had been written. A zone that is named counts instead, so that a link
    means the same to everybody.
    """
    typed = {name: str(query.get(name, "")).strip() for name in NAMES}
    found: dict[str, Any] = {
        "zone": zone,
        "account": accounts[0] if accounts else None,
        "as_of": now.replace(microsecond=0) - SETTLED,
    }
    readers: dict[str, Callable[[str], Any]] = {
        "zone": _read_zone,
        "account": lambda text: read_account(text, accounts),
        "month": lambda text: read_month(text, now=now, zone=found["zone"]),
        "as_of": lambda text: _read_knowledge(text, found["month"], now=now, zone=found["zone"]),
    }
    errors: dict[str, str] = {}
    for name, read in readers.items():
        if name == "month":
            found["month"] = month_of(now, found["zone"]).previous
        if not typed[name]:
            continue
        try:
            found[name] = read(typed[name])
        except Unreadable as exc:
            errors[name] = str(exc)
    if not typed["as_of"]:  # a month that has just begun has nothing that could be missing yet
        found["as_of"] = max(found["as_of"], found["month"].starts_at(found["zone"]))
    return Wanted(**found, is_fixed=bool(typed["as_of"]), typed=typed, errors=errors)


def link_text(at: datetime) -> str:
    """An instant as the query takes it again, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _read_zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unreadable(f"There is no time zone “{text[:MOST_NAMED]}”.") from None


def _read_knowledge(text: str, month: Month, *, now: datetime, zone: tzinfo) -> datetime:
    at = read_start(text, zone)
    if at > now:
        raise Unreadable("Nothing is known of a time to come.")
    if at > now - SETTLED:
        raise Unreadable("What was just heard may still be on its way. Ask again in 30 seconds.")
    if at <= month.starts_at(zone):
        raise Unreadable("The month had not begun by then.")
    return at
