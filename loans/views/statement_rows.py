"""A statement as ready strings for its page, and as lines of a file. Presentation only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loans import formatting
from loans.models import Account, BorrowRecord, Kind
from loans.services import exports
from loans.services.month_replay import Replayed
from loans.services.months import Month
from loans.services.statement import Doubt, Entry, Line, Movement, Statement
from loans.services.statement_query import link_text
from loans.views.links import href
from loans.views.loan_rows import signed

MOST_DOUBTS = 8
FIGURES_PERIOD = 60
FILE_HEAD = (
    *("account", "venue", "month", "from", "to", "as_of", "symbol", "currency"),
    *("principal_opening", "borrowed", "principal_repaid", "principal_closing"),
    *("interest_opening", "interest_charged", "interest_repaid", "interest_closing"),
    *("reconciles", "interest_by_replay", "unknown_principals"),
)


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of the summary. `rest` is empty where it reconciles."""

    label: str
    added_by: str
    opening: SafeString
    added: SafeString
    repaid: SafeString
    closing: SafeString
    rest: str


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One debt's month."""

    title: str
    lines: tuple[LineRow, LineRow]
    unknown: int
    incomplete: str
    replay: SafeString
    exchange: SafeString


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One borrow or repayment."""

    at: SafeString
    what: str
    href: str
    pair: str
    record_id: str
    principal: SafeString
    interest: SafeString
    running: SafeString
    is_unknown: bool


def present(statement: Statement, *, now: datetime, reader_zone: str) -> dict[str, object]:
    """Everything the page prints of a statement."""
    proof = statement.proof
    return {
        "entries": [_entry(one, now, is_read=proof.is_read) for one in statement.entries],
        "totals": [
            (currency, _lines(principal, interest, currency))
            for currency, principal, interest in statement.totals
        ],
        "doubts": [_doubt_words(one) for one in proof.doubts[:MOST_DOUBTS]],
        "more_doubts": max(0, len(proof.doubts) - MOST_DOUBTS),
        "movements": [_movement(one) for one in statement.movements],
        "fixed_href": _fixed(statement, "loans:history_statement"),
        "file_href": _fixed(statement, "loans:history_statement_csv"),
        "lists": _lists(statement, reader_zone),
        "previous_href": _page(statement.account, statement.month.previous),
        "next_href": "" if statement.is_running else _page(statement.account, statement.month.next),
    }


def _entry(entry: Entry, now: datetime, *, is_read: bool) -> EntryRow:
    slot = entry.slot
    return EntryRow(
        title=f"{slot.currency} on {slot.symbol}",
        lines=_lines(entry.principal, entry.interest, slot.currency),
        unknown=entry.unknown,
        incomplete=entry.incomplete_because,
        replay=_replay_words(entry.replay, entry.interest.added, slot.currency, is_read=is_read),
        exchange=_exchange_words(entry, now),
    )


def _lines(principal: Line, interest: Line, currency: str) -> tuple[LineRow, LineRow]:
    return (
        _line("Principal", "borrowed", principal, currency),
        _line("Interest", "charged", interest, currency),
    )


def _line(label: str, added_by: str, line: Line, currency: str) -> LineRow:
    figures = (line.opening, line.added, line.repaid, line.closing)
    shown = [formatting.amount(figure, currency) for figure in figures]
    return LineRow(label, added_by, *shown, rest=signed(line.rest) if line.rest else "")


def _replay_words(
    replayed: Replayed | None, told: Decimal, currency: str, *, is_read: bool
) -> SafeString:
    """What the replay makes of the month, beside the exchange's word."""
    if replayed is None:
        return SafeString("")
    if replayed.reason:
        return format_html("Not replayed: {}.", replayed.reason)
    if replayed.charged is None:
        return SafeString(_no_sum(replayed, is_read=is_read))
    figure = formatting.amount(replayed.charged, currency)
    if replayed.charged == told:
        return format_html("By the replay, which agrees with the exchange: {} too.", figure)
    return format_html(
        "By the replay, which agrees with the exchange on every loan: {} charged within the month.",
        figure,
    )


def _no_sum(replayed: Replayed, *, is_read: bool) -> str:
    """What became of each loan where they have no sum together. As long as a list is not read, a
    repayment may be missing, and nothing differs.
    """
    loans, agreeing = replayed.loans, replayed.agreeing
    untold = replayed.untold if is_read else loans - agreeing
    every = f"all {loans} loans" if loans > 1 else "the one loan"
    some = f"{agreeing} of {loans} loan{'' if loans == 1 else 's'}"
    told = [
        "The replay agrees with the exchange on "
        f"{every if agreeing == loans else some} out in this month"
    ]
    if differing := loans - agreeing - untold:
        told.append(f"differs on {differing}")
    if untold:
        why = "" if is_read else ", as not every list is read yet"
        told.append(f"cannot tell on {untold}{why}")
    if replayed.two_sums:
        told.append(
            "its two readings of the hours come to different sums at the end of this statement"
        )
    return f"{'; '.join(told)}. So it gives no sum."


def _exchange_words(entry: Entry, now: datetime) -> SafeString:
    """The exchange's own figures of now, and how far the statement's are from them."""
    side, currency = entry.exchange, entry.slot.currency
    if side is None:
        return SafeString("")
    return format_html(
        "The exchange says now: principal {} {}, interest {} {} {}",
        formatting.amount(side.borrow_unpaid, currency),
        _drift(entry.principal_drift),
        formatting.amount(side.interest_unpaid, currency),
        _drift(entry.interest_drift),
        formatting.age(
            side.as_of,
            now=now,
            period_seconds=FIGURES_PERIOD,
            source="isolated account, by the exchange",
            focusable=True,
        ),
    )


def _drift(value: Decimal | None) -> SafeString:
    if not value:
        return SafeString('<span class="caption">(the same)</span>')
    return format_html('<span class="caption num">(difference {})</span>', signed(value))


def _doubt_words(one: Doubt) -> SafeString:
    """What lacks, where and why, in the person's zone."""
    starts = formatting.local_text(one.starts_at) if one.starts_at else ""
    ends = formatting.local_text(one.ends_at) if one.ends_at else ""
    span = {
        (True, True): f"from {starts} to {ends}",
        (True, False): f"after {starts}",
        (False, True): f"before {ends}",
        (False, False): "",
    }[bool(starts), bool(ends)]
    where = " ".join(part for part in (f"{one.symbol}, {one.kind} records", span) if part)
    words = ": ".join(part for part in (where, one.reason) if part)
    return format_html('<span class="flag">{}:</span> {}.', one.lack.capitalize(), words)


def _movement(one: Movement) -> MovementRow:
    record, is_borrow = one.record, one.kind == Kind.BORROW
    return MovementRow(
        at=formatting.instant(record.at),
        what="Borrowed" if is_borrow else "Repaid",
        href=href("loan", record.uuid) if isinstance(record, BorrowRecord) else "",
        pair=f"{record.currency} on {record.symbol}",
        record_id=record.record_id,
        principal=formatting.amount(record.principal, record.currency),
        interest=SafeString("") if is_borrow else formatting.amount(record.interest),
        running=formatting.amount(one.running, record.currency),
        is_unknown=record.principal is None,
    )


def _page(account: Account, month: Month) -> str:
    query = {"account": str(account.pk), "month": str(month)}
    return f"{reverse('loans:history_statement')}?{urlencode(query)}"


def _fixed(statement: Statement, name: str) -> str:
    """Where the same digits come again, whoever asks: in this zone, with what is known now."""
    query = {
        "account": str(statement.account.pk),
        "month": str(statement.month),
        "as_of": link_text(statement.as_of),
        "zone": str(statement.zone),
    }
    return f"{reverse(name)}?{urlencode(query)}"


def _lists(statement: Statement, reader_zone: str) -> Sequence[tuple[str, str]]:
    """The month's records as filtered lists: of its days, or from instant to instant where its zone
    is not the reader's.
    """
    month, zone = statement.month, statement.zone
    ends = month.first_day.isoformat(), month.last_day.isoformat()
    if str(zone) != reader_zone:
        ends = link_text(month.starts_at(zone)), link_text(month.ends_at(zone))
    query = urlencode(
        {
            "account": str(statement.account.pk),
            "from": ends[0],
            "to": ends[1],
            "sort": "at",
        }
    )
    names = (("Borrows", "history_borrows"), ("Repayments", "history_repays"))
    return [(words, f"{reverse(f'loans:{name}')}?{query}") for words, name in names]


def file_head(statement: Statement) -> list[str]:
    """The column names. The last one has no cells: it says what the file rests on."""
    proof = "proven complete" if statement.proof.is_whole else "not proven complete"
    return [*FILE_HEAD, f"statement of {statement.month}; times in {statement.zone}; {proof}"]


def file_lines(statement: Statement) -> Iterator[list[str]]:
    """One line for each debt."""
    zone, account = statement.zone, statement.account
    span = (statement.since, statement.until, statement.as_of)
    for entry in statement.entries:
        lines = (entry.principal, entry.interest)
        replayed = entry.replay.charged if entry.replay else None
        yield [
            exports.text_cell(account.label),
            account.venue,
            str(statement.month),
            *(exports.time_cell(at, zone) for at in span),
            exports.text_cell(entry.slot.symbol),
            exports.text_cell(entry.slot.currency),
            *(
                exports.number_cell(figure)
                for one in lines
                for figure in (one.opening, one.added, one.repaid, one.closing)
            ),
            "no" if any(one.rest for one in lines) else "yes",
            exports.number_cell(replayed),
            str(entry.unknown),
            "",
        ]
