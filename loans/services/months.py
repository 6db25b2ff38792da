"""Months as people in a zone count them. Pure: texts and dates in, instants out."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from loans.services.filters import EARLIEST_YEAR, LATEST_YEAR, Unreadable, day_starts

_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month of the calendar."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return self.next.first_day - timedelta(days=1)

    @property
    def next(self) -> "Month":
        """The month after."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> "Month":
        """The month before."""
        return month_of_day(self.first_day - timedelta(days=1))

    @property
    def words(self) -> str:
        """`November 2026`."""
        return f"{self.first_day:%B %Y}"

    def starts_at(self, zone: tzinfo) -> datetime:
        """Its first instant in a zone, in UTC."""
        return day_starts(self.first_day, zone)

    def ends_at(self, zone: tzinfo) -> datetime:
        """The first instant after it in a zone, in UTC."""
        return self.next.starts_at(zone)


def month_of_day(day: date) -> Month:
    """The month a day lies in."""
    return Month(day.year, day.month)


def month_of(at: datetime, zone: tzinfo) -> Month:
    """The month an instant lies in, in a zone."""
    return month_of_day(at.astimezone(zone).date())


def read_month(text: str, *, now: datetime, zone: tzinfo) -> Month:
    """A month as typed. Raises: Unreadable, also for one that has not begun."""
    found = _MONTH.fullmatch(text)
    if not found or not 1 <= int(found[2]) <= 12:
        raise Unreadable("Write a month as 2026-11.")
    month = Month(int(found[1]), int(found[2]))
    if not EARLIEST_YEAR <= month.year <= LATEST_YEAR:
        raise Unreadable(f"Choose a year from {EARLIEST_YEAR} to {LATEST_YEAR}.")
    if month.starts_at(zone) >= now:
        raise Unreadable("This month has not begun yet.")
    return month


def months_between(first: Month, last: Month) -> list[Month]:
    """Every month from the first to the last, newest first; none if the last is before it."""
    found, month = [], last
    while month >= first:
        found.append(month)
        month = month.previous
    return found
