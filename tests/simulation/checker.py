"""What must hold after every step, and at rest: the history is judged against what truly happened.

In Jepsen's words CONFIRMED and EXECUTED say ok, the negative verdicts say fail, and everything open
says info: it may have happened, now or later.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from loans.fields import decode
from loans.models import BEFORE_SENDING, HAPPENED, NEVER_SENT, OPEN, State
from loans.services.transitions import differing_from_events
from tests.simulation.world import World

DID_NOT = (
    *NEVER_SENT,
    State.REJECTED,
    State.NOT_SENT,
    State.NOT_EXECUTED,
    State.NOT_EXECUTED_BY_HAND,
)
NEVER_LEFT = (*BEFORE_SENDING, *NEVER_SENT, State.NOT_SENT)
# Why a person may be asked where nobody else uses the account and nothing was forgotten.
ALWAYS_ALLOWED = {"unlistable"}


# Read past the ORM: this is asked after every step, and must not trust the code under test.
_ROWS = """
SELECT i.id, i.kind, i.symbol, i.currency, i.amount, i.lane, i.state, i.reason, i.body_sha256,
       i.look_at, i.contradicted_at, coalesce(b.record_id, r.record_id, ''),
       (SELECT to_state FROM loans_instructionevent e WHERE e.instruction_id = i.id
        ORDER BY sequence DESC LIMIT 1)
FROM loans_instruction i
LEFT JOIN loans_borrowrecord b ON b.id = i.borrow_record_id
LEFT JOIN loans_repayrecord r ON r.id = i.repay_record_id
"""


class Row(NamedTuple):
    """An instruction as the database has it, with its record and what its events say."""

    pk: str
    kind: str
    symbol: str
    currency: str
    amount: Decimal
    lane: int
    state: str
    reason: str
    body_sha256: str
    look_at: str | None
    contradicted_at: str | None
    record_id: str
    told_state: str


class Violation(AssertionError):
    """The promise is broken."""


class Checker:
    """Remembers what was, so that a way back is seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: object = None
        self._left: set[str] = set()  # instructions that were seen at or beyond SENDING

    def forget(self) -> None:
        """The database was put back: what it has forgotten is no way back of the code."""
        self._left.clear()

    def check(self) -> None:
        """After every step. Raises: Violation."""
        database, truth = connection.connection, self._world.truth
        seen = (database.total_changes, len(truth.executions), len(self._world.network.money))
        if seen == self._seen:
            return
        self._seen = seen
        rows = _rows()
        for row in rows:
            self._one(row)
        slots = Counter(
            (row.symbol, row.currency, row.kind, row.lane) for row in rows if row.state in OPEN
        )
        for slot, count in slots.items():
            if count > 1:
                raise Violation(f"{count} open instructions in {slot}")

    def check_rest(self) -> None:
        """When nothing is on its way any more. Raises: Violation."""
        self.check()
        for row in _rows():
            if row.state in OPEN and row.state != State.NEEDS_HUMAN:
                raise Violation(f"{row.pk} does not rest: {row.state}")
            if row.look_at is not None and row.state != State.NEEDS_HUMAN:
                raise Violation(f"{row.pk} is looked for without end: {row.state}")
        if differing := differing_from_events():
            raise Violation(f"state and events differ: {differing}")

    def _one(self, row: Row) -> None:
        for broken in (
            *self._sends(row),
            *self._verdict(row),
            *self._record(row),
            *self._person(row),
        ):
            raise Violation(f"{row.pk} ({row.kind} {row.amount}, {row.state}): {broken}")
        if row.told_state != row.state:
            raise Violation(f"{row.pk} is {row.state}, its events say {row.told_state}")
        if row.state in BEFORE_SENDING and row.pk in self._left:
            raise Violation(f"{row.pk}: a way back to {row.state}")
        if row.state not in (*BEFORE_SENDING, *NEVER_SENT):
            self._left.add(row.pk)

    def _sends(self, row: Row) -> Iterator[str]:
        sent = [
            call
            for call in self._world.network.money
            if call.sender == row.pk and call.bytes_written
        ]
        if len(sent) > 1:
            yield "sent more than once"
        if sent and row.state in NEVER_LEFT and not self._is_forgotten(row):
            yield "bytes left although the state says otherwise"
        for call in sent:
            if call.body and hashlib.sha256(call.body).hexdigest() != row.body_sha256 != "":
                yield "other bytes were sent than were committed"

    def _is_forgotten(self, row: Row) -> bool:
        """Whether the database was put back and nobody has read the journal since."""
        return self._world.truth.restored and row.state in BEFORE_SENDING

    def _verdict(self, row: Row) -> Iterator[str]:
        done = self._world.truth.of(row.pk)
        if len(done) > 1:
            yield "executed more than once"
        if done and row.state in DID_NOT:
            yield "a false no: it happened"
        if not done and row.state == State.CONFIRMED:
            yield "a false yes: confirmed, and it did not happen"
        if not done and row.state in HAPPENED and self._is_ours_alone:
            yield "a false yes: it did not happen"
        if row.contradicted_at is not None and self._is_ours_alone:
            yield "an incident without a cause"

    def _record(self, row: Row) -> Iterator[str]:
        if not row.record_id:
            return
        deeds = [
            deed
            for deed in self._world.truth.executions
            if (deed.kind, deed.record_id) == (row.kind, row.record_id)
        ]
        if not deeds:
            yield "bound to a record that the exchange does not have"
        for deed in deeds:
            ours = (row.symbol, row.currency, row.amount)
            if (deed.symbol, deed.currency, deed.amount) != ours:
                yield f"bound to a record over {deed.amount} {deed.currency}"
            if deed.sender != row.pk and self._is_ours_alone:
                yield "bound to another's record"

    def _person(self, row: Row) -> Iterator[str]:
        if row.state != State.NEEDS_HUMAN or not self._is_ours_alone:
            return
        allowed = set(ALWAYS_ALLOWED)
        if not self._world.is_probed:
            allowed.add("unprobed")
        if self._world.readings["repaid_records"] == "zero":
            allowed.add("emptied")
        if self._has_equal(row):
            allowed.add("several")
        if row.reason not in allowed:
            yield f"a person is asked without need: {row.reason}"

    def _has_equal(self, row: Row) -> bool:
        """Whether two of equal amounts were carried out, so that their records look alike."""
        same = (row.kind, row.symbol, row.currency, row.amount)
        return (
            sum(
                (deed.kind, deed.symbol, deed.currency, deed.amount) == same
                for deed in self._world.truth.executions
            )
            > 1
        )

    @property
    def _is_ours_alone(self) -> bool:
        truth = self._world.truth
        return not (self._world.is_shared or truth.others or truth.restored)


def _rows() -> list[Row]:
    rows = connection.connection.execute(_ROWS).fetchall()
    return [
        Row(_dashed(pk), kind, symbol, currency, decode(amount, places=8), *rest)
        for pk, kind, symbol, currency, amount, *rest in rows
    ]


def _dashed(pk: str) -> str:
    return f"{pk[:8]}-{pk[8:12]}-{pk[12:16]}-{pk[16:20]}-{pk[20:]}"
