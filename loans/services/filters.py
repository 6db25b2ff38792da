"""What a person asked to see of the history, read from the query of a page.

Pure reading: texts in, a frozen filter out, with a sentence beside each field that could not be
read. Such a field is left out of the filter, and the page says so. Which rows that gives is
`history`'s work.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property, lru_cache
from urllib.parse import urlencode
from uuid import UUID

from loans.models import Account

SORTS = ("at", "-at", "amount", "-amount", "interest", "-interest")
NEWEST_FIRST = "-at"
EARLIEST_YEAR, LATEST_YEAR = 2009, 2199
LONGEST_TEXT = 80
_NAME = re.compile(r"(?=.*\w)[\w.$-]{1,40}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII)
# A plus sign in a query is a space once decoded.
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")

# What a field is read into, and by what.
READERS: dict[str, tuple[str, Callable[[str, tuple[Account, ...], tzinfo], object]]] = {
    "q": ("q", lambda text, known, zone: read_words(text)),
    "account": ("account", lambda text, known, zone: read_account(text, known)),
    "symbol": ("symbol", lambda text, known, zone: read_name(text)),
    "currency": ("currency", lambda text, known, zone: read_name(text)),
    "from": ("since", lambda text, known, zone: read_start(text, zone)),
    "to": ("until", lambda text, known, zone: read_end(text, zone)),
    "sort": ("sort", lambda text, known, zone: read_sort(text)),
}
NAMES = tuple(READERS)
# Fields as a query; page after page of a list carries the same ones along.
encode_query = lru_cache(maxsize=256)(urlencode)


class Unreadable(ValueError):
    """The typed text is no such thing; the text is a sentence for the person."""


@dataclass(frozen=True, kw_only=True)
class HistoryFilter:
    """Which rows, and in which order. `since` is inclusive, `until` exclusive, both in UTC.

    `matching` are the pairs that the free text means, once looked up; None without free text.
    """

    accounts: tuple[Account, ...]
    account: Account | None = None
    q: str = ""
    symbol: str = ""
    currency: str = ""
    since: datetime | None = None
    until: datetime | None = None
    matching: tuple[str, ...] | None = None
    sort: str = NEWEST_FIRST
    zone: tzinfo = UTC
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[Account, ...]:
        """The accounts it covers: the one asked for, or all that the person sees."""
        return (self.account,) if self.account else self.accounts

    @property
    def symbols(self) -> tuple[str, ...] | None:
        """The pairs it covers; None for all of them."""
        if not self.symbol:
            return self.matching
        if self.matching is None or self.symbol in self.matching:
            return (self.symbol,)
        return ()

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the order was asked for."""
        return bool(
            self.q or self.account or self.symbol or self.currency or self.since or self.until
        )

    @cached_property
    def query(self) -> str:
        """The readable part as a query again, so that a link shows exactly the same rows."""
        kept = {
            name: text
            for name, text in self.typed.items()
            if text and name not in self.errors and (name, text) != ("sort", NEWEST_FIRST)
        }
        return encode_query(tuple(kept.items()))

    @property
    def words(self) -> str:
        """The filter in words, for exports and totals: `BTC_USDT, from 2026-11-01`."""
        parts = [self.account.label if self.account else "all accounts"]
        parts += [part for part in (self.symbol, self.currency) if part]
        parts += [f"matching “{self.q}”"] if self.q else []
        parts += [f"from {self.typed['from']}"] if self.since else []
        parts += [f"to {self.typed['to']}"] if self.until else []
        return ", ".join(parts)


def read_filter(
    query: Mapping[str, str], *, accounts: Iterable[Account], zone: tzinfo
) -> HistoryFilter:
    """Read the query of a history page. What cannot be read becomes an error of its field."""
    typed = {name: query[name].strip() if name in query else "" for name in NAMES}
    known = tuple(accounts)
    found: dict[str, object] = {}
    errors: dict[str, str] = {}
    for name, text in typed.items():
        if text:
            target, read = READERS[name]
            try:
                found[target] = read(text, known, zone)
            except Unreadable as exc:
                errors[name] = str(exc)
    since, until = found.get("since"), found.get("until")
    if isinstance(since, datetime) and isinstance(until, datetime) and since >= until:
        errors["to"] = "This is before the beginning; nothing lies between."
        del found["until"]
    return HistoryFilter(accounts=known, zone=zone, typed=typed, errors=errors, **found)


def read_account(text: str, known: Iterable[Account]) -> Account:
    """The account of that id among those the person sees. Raises: Unreadable."""
    try:
        wanted = UUID(text)
    except ValueError:
        wanted = None
    for account in known:
        if account.pk == wanted:
            return account
    raise Unreadable("You have no such account.")


def read_words(text: str) -> str:
    """Free text. Raises: Unreadable if it is absurdly long or holds a null character."""
    if len(text) > LONGEST_TEXT or "\x00" in text:
        raise Unreadable(f"Search for at most {LONGEST_TEXT} characters.")
    return text


def read_name(text: str) -> str:
    """A pair or a currency as it is typed. Raises: Unreadable."""
    if not _NAME.fullmatch(text):
        raise Unreadable("This is not the name of a pair or a currency.")
    return text


def read_sort(text: str) -> str:
    """One of SORTS. Raises: Unreadable."""
    if text not in SORTS:
        raise Unreadable("The list cannot be sorted by this; it shows the newest first.")
    return text


def read_start(text: str, zone: tzinfo) -> datetime:
    """The first instant of a date in the zone, or an instant itself. Raises: Unreadable."""
    if _DATE.fullmatch(text):
        return day_starts(read_date(text), zone)
    return _read_instant(text, zone)


def read_end(text: str, zone: tzinfo) -> datetime:
    """The first instant after a date in the zone (the day is included), or an instant, which is
    not. Raises: Unreadable.
    """
    if _DATE.fullmatch(text):
        return day_starts(read_date(text) + timedelta(days=1), zone)
    return _read_instant(text, zone)


def day_starts(day: date, zone: tzinfo) -> datetime:
    """The first instant of a day as people in the zone count it, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def read_date(text: str) -> date:
    """A day. Raises: Unreadable."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Unreadable("There is no such day. Write a date as 2026-11-30.") from None
    _must_be_in_range(day.year)
    return day


def _read_instant(text: str, zone: tzinfo) -> datetime:
    hint = "Write a date as 2026-11-30, or an instant as 2026-11-30T14:05."
    if not _INSTANT.fullmatch(text):
        raise Unreadable(hint)
    date_part, time_part = text[:10], text[11:]
    try:
        at = datetime.fromisoformat(f"{date_part}T{_LOST_PLUS.sub('+', time_part)}")
    except ValueError:
        raise Unreadable(hint) from None
    _must_be_in_range(at.year)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _must_be_in_range(year: int) -> None:
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        raise Unreadable(f"Choose a year from {EARLIEST_YEAR} to {LATEST_YEAR}.")
