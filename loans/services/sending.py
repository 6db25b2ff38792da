"""Sending one instruction to its venue, at most once.

The order of writes is the promise (ARCHITECTURE.md, "Life of a borrow"): claim and commit; look and
sign; commit SENDING durably; journal; send exactly those bytes once; commit the outcome. From
SENDING on, nothing here or anywhere sends again.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, F, Max, Q, QuerySet

from loans.bitmart import limits, money
from loans.bitmart.client import Client
from loans.bitmart.errors import MoneyError, NotSent, RateLimited, Rejected
from loans.bitmart.limits import Limiter, Permit
from loans.bitmart.secret import Credentials
from loans.models import Account, Instruction, InstructionEvent, State
from loans.services import lights, preflight, rights
from loans.services.bounds import Bounds, seconds
from loans.services.clock import Clock
from loans.services.journal import Entry, Journal
from loans.services.recovery import reopen, still_recovering
from loans.services.transitions import move

log = logging.getLogger(__name__)
RETRY_AFTER = timedelta(seconds=4)
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Step = Callable[[str], None]


# Where there is one that goes on while the machine sleeps, that.
TICKING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


RIGHTS_GONE = (
    "The right to move money on this account, or the second factor that real money takes, was "
    "taken away before it was sent."
)


def monotonic() -> timedelta:
    """Time that only passes, whoever sets the clock."""
    return timedelta(microseconds=time.clock_gettime_ns(TICKING) // 1000)


@dataclass(frozen=True)
class Line:
    """Everything one send needs from outside: the venue, the permit, the clock, the journal."""

    client: Client
    credentials: Credentials
    base_url: str
    limiter: Limiter
    journal: Journal
    bounds: Bounds
    clock: Clock
    ticks: Callable[[], timedelta] = monotonic
    on_step: Step | None = None  # tests end the process here

    def step(self, name: str) -> None:
        """Tell whoever listens how far it is."""
        if self.on_step is not None:
            self.on_step(name)


def send(instruction: Instruction, line: Line) -> None:
    """Take a queued instruction as far as it goes. Safe to call twice, and to be killed anywhere.

    1. Claim it by compare-and-set; whoever is second stops.
    2. Look and sign, with no transaction open.
    3. Commit SENDING with the signing time, the hash and the known ids.
    4. Send exactly those bytes, once; record how it went.
    """
    epoch = claim(instruction, bounds=line.bounds, now=line.clock())
    if epoch is None:
        return
    line.step("claimed")
    try:
        if still_recovering(instruction.account, bounds=line.bounds, now=line.clock()):
            raise preflight.Postpone("The site was restored and reads its records first.")
        cleared = preflight.clear(
            instruction, client=line.client, clock=line.clock, ticks=line.ticks
        )
        line.step("looked")
        # Leave is taken before SENDING: where it cannot be had, nothing is lost by waiting.
        with line.limiter.permit(limits.MONEY, limits.SEND) as permit:
            _send_cleared(instruction, cleared, line, epoch=epoch, permit=permit)
    except preflight.Stop as stop:
        abort(instruction, reason=stop.reason, sentence=str(stop), now=line.clock())
    except (preflight.Postpone, RateLimited) as exc:
        _release(instruction, sentence=str(exc), now=line.clock())


def claim(instruction: Instruction, *, bounds: Bounds, now: datetime) -> int | None:
    """Take it for this worker; the epoch is the fence. None if it is not to be had."""
    ready = Q(expires_at__gt=now) & (Q(lease_until=None) | Q(lease_until__lte=now))
    allowed = rights.money_accounts(instruction.requested_by)
    if move(
        instruction, sources=(State.QUEUED,), to=State.CLAIMED, now=now,
        note="A worker has taken it and looks once more before sending.",
        where=ready & allowed & Q(requested_by__in=_active_people()),
        epoch=F("epoch") + 1, claimed_at=now, lease_until=now + bounds.lease,
    ):  # fmt: skip
        return instruction.epoch
    if not rights.may_still_send(instruction):
        abort(
            instruction,
            reason="rights_gone",
            sentence=RIGHTS_GONE,
            now=now,
        )
    return None


def _active_people() -> QuerySet:
    return get_user_model().objects.filter(is_active=True).values("pk")


def _send_cleared(
    instruction: Instruction,
    cleared: preflight.Cleared,
    line: Line,
    *,
    epoch: int,
    permit: Permit,
) -> None:
    venue_now = cleared.venue_now(line.ticks())
    order = money.sign_order(
        kind=instruction.kind,
        symbol=instruction.symbol,
        currency=instruction.currency,
        amount=cleared.amount,
        signed_at_ms=(venue_now - EPOCH) // MILLISECOND,
        credentials=line.credentials,
    )
    line.step("signed")
    if not begin_sending(instruction, order, cleared, line, epoch=epoch):
        return
    line.step("sending")
    _assert_no_transaction()
    _send_once(instruction, order, line, permit)


def begin_sending(
    instruction: Instruction,
    order: money.SignedOrder,
    cleared: preflight.Cleared,
    line: Line,
    *,
    epoch: int,
) -> bool:
    """The point of no return: commit SENDING durably, then journal it. False: do not send."""
    now = line.clock()
    offset_ms = (cleared.venue_now(line.ticks()) - now) // MILLISECOND
    fence = Q(epoch=epoch, expires_at__gt=now) & rights.not_stopped(instruction.kind)
    fence &= rights.money_accounts(instruction.requested_by)
    fence &= Q(requested_by__in=_active_people())
    fence &= ~Q(Exists(preflight.same_amount(instruction, cleared.amount)))
    began = move(
        instruction, sources=(State.CLAIMED,), to=State.SENDING, now=now, durable=True,
        note="Signed. From here on it is sent at most once, and never again.", where=fence,
        facts={"sha256": order.body_sha256, "offset_ms": offset_ms},
        amount=cleared.amount, signed_at=order.signed_at, body_sha256=order.body_sha256,
        clock_offset_ms=offset_ms, known_ids=list(cleared.known_ids),
        send_deadline_at=now + line.bounds.deadline + timedelta(seconds=5), lease_until=None,
    )  # fmt: skip
    if not began:
        _explain_held_back(instruction, epoch=epoch, now=now)
        return False
    return _write_journal(instruction, order, line)


def _write_journal(instruction: Instruction, order: money.SignedOrder, line: Line) -> bool:
    newest = InstructionEvent.objects.aggregate(newest=Max("id"))["newest"]
    entry = Entry(
        str(instruction.pk), order.signed_at, order.body_sha256, newest, amount=order.amount
    )
    try:
        line.journal.append(entry)
        first = line.journal.first_of(entry.instruction_id)
    except OSError:
        failure = NotSent("the send journal could not be written, so nothing was sent")
        settle(instruction, failure, bounds=line.bounds, now=line.clock())
        return False
    if first is not None and first != entry:
        # The database forgot another worker's SENDING, and let us come this far.
        reopen(instruction, first, now=line.clock())
        return False
    return True


def _explain_held_back(instruction: Instruction, *, epoch: int, now: datetime) -> None:
    """SENDING was refused by its guard: say why, if it is still ours to say."""
    instruction.refresh_from_db()
    if instruction.state != State.CLAIMED or instruction.epoch != epoch:
        return
    if sentence := rights.stop_sentence(account=instruction.account, kind=instruction.kind):
        abort(instruction, reason="stopped", sentence=sentence, now=now)
    elif not rights.may_still_send(instruction):
        abort(
            instruction,
            reason="rights_gone",
            sentence=RIGHTS_GONE,
            now=now,
        )


def _assert_no_transaction() -> None:
    """SENDING must be on disk before the first byte, so nothing may still be uncommitted."""
    if connection.in_atomic_block:
        raise RuntimeError("a money call inside a transaction")


def _send_once(
    instruction: Instruction, order: money.SignedOrder, line: Line, permit: Permit
) -> None:
    try:
        answer = money.send(
            order,
            base_url=line.base_url,
            connect_seconds=seconds(line.bounds.connect),
            total_seconds=seconds(line.bounds.deadline),
            limiter=_Held(permit),
            withdrawn=withdrawn_codes(instruction.account.venue),
            on_step=line.on_step,
        )
    except MoneyError as error:
        settle(instruction, error, bounds=line.bounds, now=line.clock())
    except Exception:
        # Whatever this is, bytes may have left: only the records can say.
        log.exception("money call of %s ended unexpectedly", instruction.pk)
        unknown(instruction, sentence="The call ended in an unexpected way.", now=line.clock())
    else:
        confirm(instruction, answer, now=line.clock())
    line.step("stored")
    _learn_of_key(instruction, now=line.clock())


def _learn_of_key(instruction: Instruction, *, now: datetime) -> None:
    """What the answer says of the key itself: that it was used, and whether it may do margin."""
    account = instruction.account
    Account.objects.filter(pk=account.pk).update(last_used_at=now)
    if instruction.state == State.CONFIRMED:
        lights.learn_from_money_call(account, code=None, now=now)
    elif instruction.code is not None:
        lights.learn_from_money_call(account, code=instruction.code, now=now)


def confirm(instruction: Instruction, answer: money.MoneyAnswer, *, now: datetime) -> None:
    """The exchange answered with an id: it happened."""
    note = "The exchange confirmed it."
    move(
        instruction, sources=(State.SENDING, State.UNKNOWN, State.NEEDS_HUMAN),
        to=State.CONFIRMED, now=now, note=note,
        facts={"answer_id": answer.answer_id, "trace": answer.trace},
        settled_at=now, answer_id=answer.answer_id, http_status=answer.http_status, code=1000,
        reason="confirmed", explanation=note, look_at=now + timedelta(seconds=1), looks=0,
    )  # fmt: skip


def settle(instruction: Instruction, error: MoneyError, *, bounds: Bounds, now: datetime) -> None:
    """Record an answer that was no confirmation, by its verdict."""
    if isinstance(error, Rejected):
        _close(instruction, State.REJECTED, error, bounds=bounds, now=now)
    elif isinstance(error, NotSent):
        _close(instruction, State.NOT_SENT, error, bounds=bounds, now=now)
    else:
        unknown(instruction, sentence=error.detail, now=now, error=error)


def _close(
    instruction: Instruction, to: State, error: MoneyError, *, bounds: Bounds, now: datetime
) -> None:
    """A clean no. It still gets a second look once nothing can be on its way any more."""
    word = "The exchange refused" if to == State.REJECTED else "The exchange was not reached"
    horizon = now + bounds.horizon + timedelta(seconds=1)
    move(
        instruction, sources=(State.SENDING, State.UNKNOWN), to=to, now=now,
        note=f"{word}: {error.detail}",
        facts={"code": error.code, "http_status": error.http_status},
        settled_at=now, code=error.code, http_status=error.http_status,
        reason=to.lower(), explanation=error.detail, look_at=horizon, looks=0,
    )  # fmt: skip


def unknown(
    instruction: Instruction, *, sentence: str, now: datetime, error: MoneyError | None = None
) -> None:
    """Nobody can say yet whether it happened: look it up, never send it again."""
    move(
        instruction, sources=(State.SENDING,), to=State.UNKNOWN, now=now,
        note=f"It may have happened: {sentence}",
        facts={"code": error.code, "http_status": error.http_status} if error else {},
        code=error.code if error else None, http_status=error.http_status if error else None,
        reason="no_answer", explanation=sentence[:500], look_at=now + timedelta(seconds=2), looks=0,
    )  # fmt: skip


def withdrawn_codes(venue: str) -> frozenset[int]:
    """Codes that were once said although it had happened; they prove nothing any more."""
    contradicted = Instruction.objects.filter(
        account__venue=venue,
        state=State.REJECTED,
        code__isnull=False,
        contradicted_at__isnull=False,
    )
    return frozenset(contradicted.values_list("code", flat=True))


def abort(instruction: Instruction, *, reason: str, sentence: str, now: datetime) -> None:
    """Stop before sending, for good."""
    move(
        instruction, sources=(State.QUEUED, State.CLAIMED), to=State.ABORTED, now=now,
        note=sentence, settled_at=now, reason=reason, explanation=sentence[:500], lease_until=None,
    )  # fmt: skip


def _release(instruction: Instruction, *, sentence: str, now: datetime) -> None:
    """Give it back to the queue for a while; it expires there if this goes on."""
    move(
        instruction, sources=(State.CLAIMED,), to=State.QUEUED, now=now,
        note=f"Not sent yet, tried again soon: {sentence}",
        lease_until=now + RETRY_AFTER, explanation=sentence[:500],
    )  # fmt: skip


@dataclass(frozen=True)
class _Held:
    """A limiter that hands out the one permit that was taken already."""

    held: Permit

    def permit(self, group: str, priority: int) -> AbstractContextManager[Permit]:
        """Give what is held; whoever took it gives it back."""
        return nullcontext(self.held)
