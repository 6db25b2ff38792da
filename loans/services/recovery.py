"""When the database may have forgotten something: nothing is resent, and nothing is forgotten."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from loans.models import (
    BEFORE_SENDING,
    Account,
    Feed,
    Instruction,
    InstructionEvent,
    SiteState,
    State,
)
from loans.services.bounds import Bounds
from loans.services.journal import Entry, Journal
from loans.services.transitions import move

# The exchange's clock and ours, at most, where no measurement is left to correct by.
CLOCKS_DIFFER = timedelta(minutes=5)


def heed_journal(journal: Journal, *, now: datetime) -> None:
    """Compare the journal with the database, before anything is claimed.

    1. A journalled send whose row is before SENDING becomes UNKNOWN, with its exact signing time.
    2. A journalled event or recovery that the database has never had: its tail is lost, so recover
       everything.
    """
    entries = list(journal.entries())
    if not entries:
        return
    has_forgotten = _has_lost_events(entries)  # before reopening writes new ones
    has_forgotten |= _newest_epoch(entries) > SiteState.load().recovery_epoch
    # Before the recovery, which knows of each send only that it was before now.
    _reopen_forgotten(entries, now=now)
    if has_forgotten:
        why = "the send journal knows of events that the database has lost"
        recover(journal=journal, now=now, why=why)


def _newest_epoch(entries: Iterable[Entry]) -> int:
    return max((entry.epoch for entry in entries), default=0)


def _has_lost_events(entries: list[Entry]) -> bool:
    if max(entry.last_event_id for entry in entries) <= _newest_event():
        return False
    known = SiteState.load().recovered_at
    return known is None or max(entry.signed_at for entry in entries) > known


def _newest_event() -> int:
    return InstructionEvent.objects.aggregate(newest=Max("id"))["newest"] or 0


def _reopen_forgotten(entries: list[Entry], *, now: datetime) -> None:
    by_id = {entry.instruction_id: entry for entry in reversed(entries) if entry.instruction_id}
    forgotten = Instruction.objects.filter(pk__in=by_id, state__in=BEFORE_SENDING)
    for instruction in forgotten:
        reopen(instruction, by_id[str(instruction.pk)], now=now)


def reopen(instruction: Instruction, entry: Entry, *, now: datetime) -> None:
    """Make it UNKNOWN as the journal knows it; what was listed later proves nothing against it."""
    sent = {} if entry.amount is None else {"amount": entry.amount}
    move(
        instruction,
        sources=(*BEFORE_SENDING, State.SENDING),
        to=State.UNKNOWN,
        now=now,
        note="The send journal knows that this was sent; the database had forgotten it.",
        facts={"sha256": entry.body_sha256},
        signed_at=entry.signed_at,
        body_sha256=entry.body_sha256,
        known_ids=[],
        look_at=now,
        reason="forgotten",
        **sent,
    )


def recover(*, journal: Journal, now: datetime, why: str) -> int:
    """Treat every open instruction as possibly sent, and hold money back until that is over.

    One that the database saw being sent keeps its signing time. For the others nobody knows it:
    `signed_at` becomes the latest it can be, and the missing hash says that it is a guess. The
    journal is told, so that another copy put back later cannot undo it.

    Gives how many were moved. Used by `manage.py recovered` after a restore, and by the journal.
    Raises: OSError if the journal cannot be written; then it must be run again.
    """
    with transaction.atomic():
        site = SiteState.objects.select_for_update().get(pk=SiteState.ONLY)
        site.recovery_epoch = max(site.recovery_epoch, _newest_epoch(journal.entries())) + 1
        site.recovered_at = now
        site.save(update_fields=["recovery_epoch", "recovered_at"])
    moved = _doubt(BEFORE_SENDING, now=now, why=why) + _doubt((State.SENDING,), now=now, why=why)
    journal.append(Entry("", now, "", _newest_event(), epoch=site.recovery_epoch))
    return moved


def expect_recovery(*, journal: Journal, epoch: int, now: datetime) -> None:
    """Have the next tick recover, before anything is claimed: a copy of the database takes its
    place, which remembers `epoch` recoveries. Raises: OSError if the journal cannot be written.
    """
    newest = max(epoch, _newest_epoch(journal.entries()))
    journal.append(Entry("", now, "", 0, epoch=newest + 1))


def _doubt(states: Collection[State], *, now: datetime, why: str) -> int:
    """Move what is in these states to UNKNOWN; give how many."""
    was_seen_signed = State.SENDING in states
    latest = {} if was_seen_signed else {"signed_at": now + CLOCKS_DIFFER}
    return sum(
        move(
            instruction,
            sources=states,
            to=State.UNKNOWN,
            now=now,
            note=f"The database was recovered ({why}), so this may have been sent.",
            look_at=now,
            reason="recovered",
            **latest,
        )
        for instruction in Instruction.objects.filter(state__in=states)
    )


def still_recovering(account: Account, *, bounds: Bounds, now: datetime) -> bool:
    """Whether money is held back on an account after a recovery.

    Until nothing forgotten can still take effect, and the account's records were read after that.
    """
    recovered_at = SiteState.load().recovered_at
    if recovered_at is None:
        return False
    if now < recovered_at + bounds.horizon:
        return True
    feed = Feed.objects.filter(account=account, name=Feed.Name.RECORDS).first()
    read_at = feed.last_success_at if feed else None
    return read_at is None or read_at < recovered_at + bounds.visibility
