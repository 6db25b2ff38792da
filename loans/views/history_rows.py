"""Rows of the history pages as ready strings: every figure is written once, before the template.

Presentation only: it decides nothing about which rows there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from loans import formatting
from loans.models import Account, Coverage, CoverageGap, Kind
from loans.services.filters import HistoryFilter
from loans.services.history import Total
from loans.services.loading import Progress
from loans.views.links import href


@dataclass(frozen=True, slots=True)
class Row:
    """One record as the table prints it."""

    href: str
    at: SafeString
    symbol: str
    currency: str
    account: Account
    record_id: str
    amount: SafeString
    principal: SafeString
    interest: SafeString
    rate: SafeString
    instruction: str
    story_changed: bool


def present(kind: str, rows: Sequence[Any], chosen: HistoryFilter) -> list[Row]:
    """The page's rows as strings."""
    accounts = {account.pk: account for account in chosen.accounts}
    return [_row(kind, row, accounts[row.account_id], chosen) for row in rows]


def _row(kind: str, row: Any, account: Account, chosen: HistoryFilter) -> Row:
    is_borrow = kind == Kind.BORROW
    instruction = row.instruction__id
    return Row(
        href=href("loan", row.uuid) if is_borrow else "",
        at=formatting.instant(row.at, zone=chosen.zone),
        symbol=row.symbol,
        currency=row.currency,
        account=account,
        record_id=row.record_id,
        amount=formatting.amount(row.principal if is_borrow else row.amount, row.currency),
        principal=formatting.amount(row.principal, row.currency),
        interest=formatting.amount(row.interest, row.currency),
        rate=formatting.percent(row.daily_rate) if is_borrow else SafeString(""),
        instruction=href("instruction", instruction) if instruction else "",
        story_changed=row.story_changed,
    )


@dataclass(frozen=True, slots=True)
class TotalRow:
    """The totals of one currency as strings."""

    currency: str
    count: str
    amount: SafeString
    principal: SafeString
    interest: SafeString
    unknown: int


def present_totals(totals: Iterable[Total]) -> list[TotalRow]:
    """Totals as strings, the most frequent currency first."""
    ordered = sorted(totals, key=lambda total: (-total.count, total.currency))
    return [
        TotalRow(
            currency=total.currency,
            count=f"{total.count:,}",
            amount=formatting.amount(total.amount, total.currency),
            principal=formatting.amount(total.principal, total.currency),
            interest=formatting.amount(total.interest, total.currency),
            unknown=total.unknown,
        )
        for total in ordered
    ]


@dataclass(slots=True)
class StreamRow:
    """What is proven of one account's pair, both kinds together."""

    account: Account
    symbol: str
    streams: dict[str, Coverage] = field(default_factory=dict)

    @property
    def has_rows(self) -> bool:
        """Whether anything was ever borrowed or repaid here."""
        return any(stream.has_rows for stream in self.streams.values())

    @property
    def gaps(self) -> list[CoverageGap]:
        """The spans that could not be proven."""
        return [gap for stream in self.streams.values() for gap in stream.gaps.all()]

    @property
    def trusted(self) -> bool:
        """Whether no listing contradicted another."""
        return all(stream.trusted for stream in self.streams.values())

    @property
    def late(self) -> int:
        """Records that came later than they should have."""
        return sum(stream.late_records for stream in self.streams.values())

    @property
    def doubts(self) -> list[str]:
        """What speaks against these lists, as sentences."""
        return [_doubt(stream) for stream in self.streams.values() if not stream.trusted]

    @property
    def audited_at(self) -> datetime | None:
        """The older of the last audits of the lists with records; None if one has had none."""
        known = [one.audited_at for one in self._audited()]
        return None if None in known else min(known, default=None)

    @property
    def audit_words(self) -> str:
        """What the last audit found, or how far the one under way is."""
        audited = self._audited()
        running = [one.audit_reached for one in audited if one.audit_reached]
        if running:
            return f"under way, read again back to {formatting.local_text(max(running))}"
        if not audited or self.audited_at is None:
            return "none yet" if audited else ""
        names = ("missing", "late", "differing", "contradictions")
        sums = [sum(getattr(one, f"audit_{name}") for one in audited) for name in names]
        words = ("not listed any more", "late", "with other figures", "contradictions")
        found = [f"{count} {word}" for count, word in zip(sums, words, strict=True) if count]
        rows = sum(one.audit_rows for one in audited)
        return f"{rows:,} read again: {', '.join(found) or 'all as kept'}"

    def _audited(self) -> list[Coverage]:
        return [stream for stream in self.streams.values() if stream.has_rows]

    @property
    def complete_from(self) -> datetime | None:
        """Both kinds are complete from here; None is the start."""
        known = [one.complete_from for one in self.streams.values() if one.complete_from]
        return max(known, default=None)

    @property
    def complete_to(self) -> datetime | None:
        """Both kinds are complete up to here; None if one is not proven at all."""
        ends = [one.complete_to for one in self.streams.values()]
        if len(ends) < len(Kind) or None in ends:
            return None
        return min(end for end in ends if end)

    @property
    def checked_at(self) -> datetime | None:
        """The older of the last checks."""
        known = [one.checked_at for one in self.streams.values() if one.checked_at]
        return min(known, default=None)

    @property
    def needs_a_look(self) -> bool:
        """Whether something is not as it should be."""
        return self.complete_to is None or not self.trusted or bool(self.gaps)

    @property
    def is_unread(self) -> bool:
        """Whether nobody has asked for it yet."""
        return all(stream.checked_at is None for stream in self.streams.values())

    @property
    def is_shown(self) -> bool:
        """Whether it has a row of its own."""
        return self.has_rows or (self.needs_a_look and not self.is_unread)


def _doubt(stream: Coverage) -> str:
    reason = stream.doubt or "a listing did not follow the pair and the times it was asked for"
    name = "borrows" if stream.kind == Kind.BORROW else "repayments"
    return f"{name.capitalize()}: {reason}. No outcome is concluded from its windows."


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One first load as strings."""

    account: Account
    streams: str
    loaded: str
    records: str
    percent: int
    back_to: datetime | None
    speed: str
    time_left: str


def load_rows(loads: Iterable[Progress]) -> list[LoadRow]:
    """First loads as strings; what cannot be told honestly is not."""
    return [
        LoadRow(
            account=load.account,
            streams=f"{load.streams:,}",
            loaded=f"{load.loaded:,}",
            records=f"{load.records:,}",
            percent=load.percent,
            back_to=load.back_to,
            speed=_speed(load.steps_a_minute),
            time_left=_time_left(load),
        )
        for load in loads
    ]


def _speed(steps_a_minute: int | None) -> str:
    if steps_a_minute is None:
        return "not measured yet"
    return f"{steps_a_minute:,} weeks of history a minute"


def _time_left(load: Progress) -> str:
    if load.time_left is None:
        return "cannot be told yet"
    seconds = max(5, int(load.time_left.total_seconds()))
    return f"about {formatting.duration_words(seconds)}"


def stream_rows(streams: Iterable[Coverage]) -> list[StreamRow]:
    """Streams gathered by account and pair, in their order."""
    rows: dict[tuple[object, str], StreamRow] = {}
    for stream in streams:
        key = (stream.account_id, stream.symbol)
        row = rows.setdefault(key, StreamRow(stream.account, stream.symbol))
        row.streams[stream.kind] = stream
    return list(rows.values())
