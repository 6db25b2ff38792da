"""Rows of the history pages as ready strings: every figure is written once, before the template.

Presentation only: it decides nothing about which rows there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any
from uuid import UUID

from django.utils.html import format_html
from django.utils.safestring import SafeString

from loans import formatting
from loans.formatting import amounts_html, instants_html, numbers_html, unit_html
from loans.models import Account, Coverage, CoverageGap, Kind
from loans.services import held
from loans.services.filters import HistoryFilter
from loans.services.history import Total
from loans.services.loading import Progress
from loans.templatetags.loans import icon, venue_chip
from loans.views.links import ends_of_link

CHANGED = SafeString(
    '<span class="chip chip-warn" title="The exchange later said something else of this record">'
    "changed</span>"
)
NO_REMARK = '<td class="fit"></td>'
CAUSE = format_html(
    ' title="The instruction that caused it">{}<span class="sr">Instruction</span>',
    icon("queue-list", 16),
)


def lines(kind: str, rows: Sequence[Any], chosen: HistoryFilter) -> list[str]:
    """A page's rows, of which there is one at least, as pieces of HTML: a template takes longer
    to walk through fifty rows than all the rest of the page. Texts of others are escaped; the rest
    are digits and words of ours.
    """
    write = _borrow_pieces if kind == Kind.BORROW else _repay_pieces
    return _interleaved(len(rows), write(list(zip(*rows, strict=True)), chosen))


def _interleaved(count: int, pieces: Sequence[str | Sequence[str]]) -> list[str]:
    """Rows, from what each of them says alike and from what stands in between, a column each."""
    found = [""] * (count * len(pieces))
    for place, piece in enumerate(pieces):
        column = [piece] * count if isinstance(piece, str) else piece
        found[place :: len(pieces)] = column  # refuses another length
    return found


# Written column by column: a call for each cell would take as long again as writing it.
def _borrow_pieces(columns: Sequence[Sequence[Any]], chosen: HistoryFilter) -> list[Any]:
    _, accounts, names, pairs, currencies, interests, times, changed, *more = columns
    ids, principals, rates, causes = more
    before, after = ends_of_link("loan")
    texts = _names_of_records(names)
    units = list(map(unit_html, currencies))
    return [
        f'<tr data-opens><th scope="row" class="l2"><a href="{before}',
        held.id_texts(ids),
        f'{after}">',
        instants_html(times, chosen.zone),
        '</a></th><td class="l1 grow">',
        list(map(_escaped, pairs)),
        "</td>",
        _account_cells(accounts, chosen),
        '<td class="n l1">',
        numbers_html(held.figures_in_parts(principals), units),
        '</td><td class="n l2 end" data-label="Interest">',
        numbers_html(held.figures_in_parts(interests), units),
        '</td><td class="n">',
        list(map(_percent, rates)),
        '</td><td><code class="record-id" title="',
        texts,
        '">',
        texts,
        "</code></td>",
        _remarks(changed, causes),
        "</tr>",
    ]


def _repay_pieces(columns: Sequence[Sequence[Any]], chosen: HistoryFilter) -> list[Any]:
    _, accounts, names, pairs, currencies, interests, times, changed, *more = columns
    amounts, principals, causes = more
    texts = _names_of_records(names)
    units = list(map(unit_html, currencies))
    return [
        '<tr><th scope="row" class="l2">',
        instants_html(times, chosen.zone),
        '</th><td class="l1 grow">',
        list(map(_escaped, pairs)),
        "</td>",
        _account_cells(accounts, chosen),
        '<td class="n l1">',
        numbers_html(held.figures_in_parts(amounts), units),
        '</td><td class="n">',
        numbers_html(held.figures_in_parts(principals), units),
        '</td><td class="n l2 end" data-label="Interest">',
        numbers_html(held.figures_in_parts(interests), units),
        '</td><td><code class="record-id" title="',
        texts,
        '">',
        texts,
        "</code></td>",
        _remarks(changed, causes),
        "</tr>",
    ]


def _account_cells(accounts: Sequence[str], chosen: HistoryFilter) -> str | list[str]:
    """Whose each is; nothing for somebody who sees but one."""
    if len(chosen.accounts) < 2:
        return ""
    cells = {
        held.held_id(account.pk): _account_cell(account.label, account.venue)
        for account in chosen.accounts
    }
    return [cells[account] for account in accounts]


def _names_of_records(names: Iterable[str]) -> list[str]:
    # No exchange has sent one yet that needs more.
    return [name if name.isalnum() else escape(name) for name in names]


def _remarks(changed: Iterable[int], causes: Iterable[str | UUID | None]) -> list[str]:
    """The last cells, of which few say anything."""
    return [
        _remark(changed, cause) if changed or cause else NO_REMARK
        for changed, cause in zip(changed, causes, strict=True)
    ]


def _remark(changed: int, cause: str | UUID | None) -> str:
    mark, link = CHANGED if changed else "", ""
    if cause:
        before, after = ends_of_link("instruction")
        link = f'<a href="{before}{held.id_text(cause)}{after}"{CAUSE}</a>'
    return f'<td class="fit l1 aside">{mark}{link}</td>'


@lru_cache(maxsize=1024)
def _account_cell(label: str, venue: str) -> str:
    label = escape(label)
    return f'<td><span class="account-name" title="{label}">{label}</span> {venue_chip(venue)}</td>'


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    return escape(text)


@lru_cache(maxsize=1024)
def _percent(text: str | None) -> str:
    """A rate as it is held; the same few stand on most rows."""
    return f"{formatting.percent(held.figure(text, held.RATE_PLACES))}"


def total_lines(kind: str, totals: Iterable[Total]) -> str:
    """The totals as rows, the most frequent currency first."""
    ordered = sorted(totals, key=lambda total: (-total.count, total.currency))
    return "".join(_borrow_totals(ordered) if kind == Kind.BORROW else _repay_totals(ordered))


def _borrow_totals(totals: Sequence[Total]) -> list[str]:
    units = [unit_html(total.currency) for total in totals]
    principals = amounts_html([total.principal for total in totals], units)
    interests = amounts_html([total.interest for total in totals], units)
    return [
        f"{_total_head(total)}"
        f'<td class="n l2" data-label="Borrowed">{principal}{_unknown(total)}</td>'
        f'<td class="n l2 end" data-label="Interest">{interest}</td></tr>'
        for total, principal, interest in zip(totals, principals, interests, strict=True)
    ]


def _repay_totals(totals: Sequence[Total]) -> list[str]:
    units = [unit_html(total.currency) for total in totals]
    amounts = amounts_html([total.amount for total in totals], units)
    principals = amounts_html([total.principal for total in totals], units)
    interests = amounts_html([total.interest for total in totals], units)
    cells = zip(totals, amounts, principals, interests, strict=True)
    return [
        f"{_total_head(total)}"
        f'<td class="n l2" data-label="Repaid">{amount}</td>'
        f'<td class="n l2" data-label="Principal">{principal}</td>'
        f'<td class="n l2 end" data-label="Interest">{interest}</td></tr>'
        for total, amount, principal, interest in cells
    ]


def _unknown(total: Total) -> str:
    if not total.unknown:
        return ""
    return (
        ' <span class="flag" title="First seen after repayment, when the exchange showed 0">'
        f"+ {total.unknown} unknown</span>"
    )


def _total_head(total: Total) -> str:
    return (
        f'<tr><th scope="row" class="l1">{_escaped(total.currency)}</th>'
        f'<td class="n l1">{total.count:,}<span class="narrow-only caption">rows</span></td>'
    )


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
        """When both kinds had been read without an error; None if one never was."""
        checks = [one.checked_at for one in self.streams.values()]
        return None if None in checks else min(checks, default=None)

    @property
    def fails(self) -> bool:
        """Whether one of its lists could not be read when it was last asked for."""
        return any(stream.failures for stream in self.streams.values())

    @property
    def needs_a_look(self) -> bool:
        """Whether something is not as it should be."""
        return self.complete_to is None or not self.trusted or bool(self.gaps) or self.fails

    @property
    def is_unread(self) -> bool:
        """Whether nobody has asked for it yet."""
        return all(stream.asked_at is None for stream in self.streams.values())

    @property
    def is_quiet(self) -> bool:
        """Whether both lists were read from start to end without finding a record."""
        return not self.needs_a_look and not self.has_rows and self.complete_from is None

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
