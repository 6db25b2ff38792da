"""Asking an exchange whether it behaves as the money path assumes. Reads only; P7 sends no order.

P5 and P8 cannot be asked: they are learned from instructions that were confirmed and found.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from loans.bitmart.client import Client
from loans.bitmart.errors import ReadError, Refused
from loans.bitmart.limits import Limiter, Permit
from loans.bitmart.responses import BorrowRecord
from loans.models import Account, Instruction, Kind, Probe, State
from loans.services import hiding
from loans.services.bounds import Bounds

SECOND = timedelta(seconds=1)
Name = Probe.Name
GREEN, RED, NOT_KNOWN = Probe.State.GREEN, Probe.State.RED, Probe.State.NOT_KNOWN
Finding = tuple[str, str]
NO_RECORD = (NOT_KNOWN, "This needs at least one loan record to compare with.")


@dataclass
class HeaderLog:
    """A limiter that also notes what the limit headers said, answer by answer."""

    limiter: Limiter
    used: list[int] = field(default_factory=list)

    @contextmanager
    def permit(self, group: str, priority: int) -> Iterator[Permit]:
        """Leave from the real limiter."""
        with self.limiter.permit(group, priority) as permit:
            yield _Noting(permit, self.used)


@dataclass(frozen=True)
class _Noting:
    permit: Permit
    used: list[int]

    def observe(self, http_status: int, headers: Mapping[str, str]) -> None:
        """Note the header, and let the limiter learn too."""
        figure = headers.get("x-bm-ratelimit-remaining", "")
        if figure.isdigit():
            self.used.append(int(figure))
        self.permit.observe(http_status, headers)


def probe(
    *, account: Account, client: Client, log: HeaderLog, bounds: Bounds, now: datetime
) -> list[Probe]:
    """Run every probe that only reads, keep what each found, and settle the account's proof.

    Raises nothing of the client's: a probe that could not be made is "not known".
    """
    known = _known_record(account, client)
    findings = {
        Name.BOUNDS: _bounds(client, known),
        Name.ORDER: _order(client, known),
        Name.DEFAULT_RANGE: _seen_hiding(account.venue) or _default_range(client, known),
        Name.RETENTION: _retention(known),
        Name.VISIBILITY: _visibility(account, bounds),
        Name.LIMIT_HEADER: _limit_header(client, log, known),
        Name.ECHO: _echo(account),
        Name.SCOPE: (NOT_KNOWN, "One key alone cannot show it; compare with a second key."),
        Name.BORROWABLE: (NOT_KNOWN, "Seen only when a loan changes the amount."),
        Name.IDS: _ids(client, known),
    }
    probes = [_keep(account, name, finding, now) for name, finding in findings.items()]
    settle(account, now=now)
    return probes


def settle(account: Account, *, now: datetime) -> None:
    """Set or withdraw the account's proof: every decisive probe must be green."""
    green = account.probes.filter(name__in=Probe.DECISIVE, state=GREEN).count()
    proven = now if green == len(Probe.DECISIVE) else None
    Account.objects.filter(pk=account.pk).update(probed_at=proven)


def probe_expiry(*, account: Account, client: Client, now: datetime) -> Probe:
    """P7, on a person's word: a borrow over nothing, signed 61 s ago, to be refused as late.

    An amount of 0 cannot be executed whatever the exchange makes of the time.
    """
    try:
        code = client.refusal_of_late_request(symbol="BTC_USDT", currency="USDT", late=61 * SECOND)
    except ReadError as exc:
        finding = (NOT_KNOWN, exc.detail or "The exchange did not answer.")
    else:
        finding = (
            (GREEN, "It was refused as too old (30007).")
            if code == 30007
            else (RED, f"It was refused with code {code}, not for its age (30007).")
        )
    return _keep(account, Name.EXPIRY, finding, now)


def _keep(account: Account, name: str, finding: Finding, now: datetime) -> Probe:
    state, sentence = finding
    told = {"state": state, "finding": sentence[:300], "checked_at": now}
    return Probe.objects.update_or_create(account=account, name=name, defaults=told)[0]


def _known_record(account: Account, client: Client) -> BorrowRecord | None:
    """The oldest listed loan of a pair where the account has records, to try bounds on."""
    symbols = account.borrow_records.order_by("-at").values_list("symbol", flat=True)
    for symbol in list(dict.fromkeys(symbols[:200]))[:3]:
        try:
            rows = client.borrow_records(symbol).rows
        except ReadError:
            return None
        if rows:
            return min(rows, key=lambda row: row.created_at)
    return None


def _asking(question: Callable[[Client, BorrowRecord], Finding]) -> Callable[..., Finding]:
    """Turn what a read may raise, and a missing record, into "not known"."""

    def ask(client: Client, known: BorrowRecord | None) -> Finding:
        if known is None:
            return NO_RECORD
        try:
            return question(client, known)
        except Refused as exc:
            return (NOT_KNOWN, f"The exchange refused to answer: {exc.detail}")
        except ReadError as exc:
            return (NOT_KNOWN, exc.detail or "The exchange did not answer.")

    return ask


@_asking
def _bounds(client: Client, known: BorrowRecord) -> Finding:
    """Four calls around one known record."""
    at = known.created_at

    def lists_it(start: datetime, end: datetime) -> bool:
        rows = client.borrow_records(known.symbol, start=start, end=end).rows
        return any(row.record_id == known.record_id for row in rows)

    if not lists_it(at - SECOND, at + SECOND):
        return (RED, "A window around a known record does not list it.")
    if lists_it(at + 2 * SECOND, at + 12 * SECOND) or lists_it(at - 12 * SECOND, at - 2 * SECOND):
        return (RED, "A window beside a known record lists it all the same: bounds are ignored.")
    edge = "included" if lists_it(at, at + 5 * SECOND) else "left out"
    return (GREEN, f"Milliseconds, applied on both sides; a record on the bound is {edge}.")


@_asking
def _order(client: Client, known: BorrowRecord) -> Finding:
    times = [row.created_at for row in client.borrow_records(known.symbol).rows]
    if len(times) < 2:
        return (NOT_KNOWN, "This needs two records on one pair.")
    if all(one >= next_ for one, next_ in pairwise(times)):
        return (GREEN, "Newest first.")
    return (RED, "Not newest first; nothing here relies on the order.")


def _seen_hiding(venue: str) -> Finding | None:
    """What was seen once holds: another list, or the same one now, may have nothing to hide."""
    return (RED, hiding.SEEN) if hiding.is_seen(venue=venue) else None


@_asking
def _default_range(client: Client, known: BorrowRecord) -> Finding:
    page = client.borrow_records(known.symbol)
    if not page.is_short:
        return (NOT_KNOWN, "The pair has more records than one page holds.")
    before = client.borrow_records(
        known.symbol, start=known.created_at - hiding.PROBED, end=known.created_at - SECOND
    )
    if before.received:
        return (RED, hiding.SEEN)
    return (GREEN, "Nothing older was found within 90 days before its oldest record.")


def _retention(known: BorrowRecord | None) -> Finding:
    if known is None:
        return NO_RECORD
    return (NOT_KNOWN, f"The oldest record seen is of {known.created_at:%Y-%m-%d %H:%M} UTC.")


@_asking
def _ids(client: Client, known: BorrowRecord) -> Finding:
    rows = sorted(client.borrow_records(known.symbol).rows, key=lambda row: row.created_at)
    if len(rows) < 2:
        return (NOT_KNOWN, "This needs two records on one pair.")
    grows = all(one.record_id < other.record_id for one, other in pairwise(rows))
    return (GREEN, "They grow.") if grows else (RED, "They do not grow; nothing relies on it.")


def _limit_header(client: Client, log: HeaderLog, known: BorrowRecord | None) -> Finding:
    log.used.clear()
    try:
        for _ in range(3):
            client.borrow_records(known.symbol if known else "BTC_USDT", size=1)
    except ReadError as exc:
        return (NOT_KNOWN, exc.detail or "The exchange did not answer.")
    if len(log.used) < 3 or log.used[0] == log.used[-1]:
        return (NOT_KNOWN, "The header said too little.")
    rising = log.used[-1] > log.used[0]
    return (GREEN, f"It counts {'calls made' if rising else 'calls left'}: {log.used}.")


def _found(account: Account) -> list[Instruction]:
    """Instructions that the exchange confirmed and then listed."""
    confirmed = account.instructions.filter(state=State.CONFIRMED).select_related(
        "borrow_record", "repay_record"
    )
    return [instruction for instruction in confirmed if instruction.record is not None]


def _visibility(account: Account, bounds: Bounds) -> Finding:
    found = _found(account)
    missing = account.instructions.filter(state=State.CONFIRMED, contradicted_at__isnull=False)
    if missing.exists():
        return (RED, "Something was confirmed and then not listed.")
    if not found:
        return (NOT_KNOWN, "Learned from the first confirmed instruction.")
    worst = max(one.record.first_seen_at - one.settled_at for one in found)
    worst = max(worst, timedelta())
    if worst > bounds.visibility / 4:
        return (RED, f"A record appeared {worst.total_seconds():.1f} s after its confirmation.")
    return (GREEN, f"Listed within {worst.total_seconds():.1f} s at worst, of {len(found)}.")


def _echo(account: Account) -> Finding:
    found = _found(account)
    if not found:
        return (NOT_KNOWN, "Learned from the first confirmed instruction.")
    for one in found:
        told = one.record.principal if one.kind == Kind.BORROW else one.record.amount
        if told != one.amount:
            return (RED, f"Sent {one.amount:f} {one.currency}, listed {told}.")
    return (GREEN, f"The same to the last digit, in {len(found)}.")
