"""The bench on which cells are played: one exchange, one clock for both sides, workers as children.

What a worker, a reader and a sweep do here is what the tasks do, with the time handed in: the
exchange's clock and ours are driven together, so the bounds W, P and V pass in no time.
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import connections

from loans import venues
from loans.bitmart.client import Client
from loans.bitmart.limits import NoLimiter
from loans.models import OPEN, Account, Instruction, SiteState, State
from loans.services import instructions, recovery, sweeping
from loans.services.bounds import Bounds, span
from loans.services.credentials import open_credentials
from loans.services.journal import Journal
from loans.services.looking import look
from loans.services.sending import Line, monotonic, send
from loans.services.sightings import local_horizon
from tests.paper_fixture import PaperKey
from tests.proofs.exchange import ExchangeProcess
from tests.proofs.processes import Child, Step

SECOND = timedelta(seconds=1)
INSTANT = timedelta(milliseconds=10)
CASES_AN_EXCHANGE = 60  # a new one keeps the books short
MOST_TURNS = 80
BOUNDS = Bounds(
    expiry=60 * SECOND,
    processing=600 * SECOND,
    visibility=120 * SECOND,
    queue=60 * SECOND,
    deadline=8 * SECOND,
    lease=30 * SECOND,
)


class Clock:
    """Our clock for this process and its children, which all see it jump."""

    def __init__(self) -> None:
        self._ahead = mmap.mmap(-1, 8)

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of the machine's."""
        return timedelta(microseconds=struct.unpack("q", self._ahead[:8])[0])

    @ahead.setter
    def ahead(self, ahead: timedelta) -> None:
        self._ahead[:8] = struct.pack("q", ahead // timedelta(microseconds=1))

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Case:
    """One account on the exchange, and the instruction that is followed."""

    account: Account
    key: PaperKey
    journal: Journal
    bounds: Bounds = BOUNDS
    amount: Decimal = Decimal(20)
    money_url: str = ""
    read_seconds: Decimal = Decimal(8)
    pk: str = ""
    nonce: str = ""
    requests_before: int = 0
    after_request: Callable[[], None] | None = None
    may_raise: bool = False  # what goes wrong makes a process end with an error
    strange_loans: set[int] = field(default_factory=set)  # what others did on the account
    strange_requests: int = 0
    children: list[Child] = field(default_factory=list)

    @property
    def instruction(self) -> Instruction | None:
        """As the database has it now."""
        return Instruction.objects.filter(pk=self.pk or None).first()


class Bench:
    """Plays cases against one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.cases = 0
        self._of_earlier = 0
        self._exchange: ExchangeProcess | None = None
        self.owner = User.objects.create_user("owner", "owner@example.org", "correct horse battery")

    @property
    def exchange(self) -> ExchangeProcess:
        """The exchange in use."""
        assert self._exchange is not None
        return self._exchange

    def close(self) -> None:
        """Stop the exchange."""
        if self._exchange is not None:
            self._exchange.stop()

    def _renew_exchange(self) -> None:
        if self._exchange is not None:
            self._of_earlier += self._all_requests()
        self.close()
        connections.close_all()
        self._exchange = ExchangeProcess(self.folder / f"paper{self.cases}.sqlite3")
        self.exchange.paper.switch(limits="off")
        self.clock.ahead = timedelta()

    def new_case(self, **fields: Any) -> Case:
        """A fresh account, exchange key and journal."""
        if self.cases % CASES_AN_EXCHANGE == 0:
            self._renew_exchange()
        self.cases += 1
        key = self.exchange.paper.new_key()
        account = Account(
            owner=self.owner,
            venue="paper",
            label=f"Case {self.cases}",
            fingerprint=f"{self.cases:016x}",
            created_at=self.clock.now(),
        )
        account.seal(venues.keyring(), access_key=key.access_key, secret=key.secret, memo=key.memo)
        account.save(force_insert=True)
        journal = Journal(self.folder / f"case{self.cases}.sends")
        case = Case(account, key, journal, nonce=f"nonce{self.cases}", **fields)
        case.requests_before = self._all_requests()
        return case

    # --- Time -----------------------------------------------------------------------------------

    def now(self) -> datetime:
        """By our clock."""
        return self.clock.now()

    def advance(self, by: timedelta) -> None:
        """Let time pass everywhere."""
        milliseconds = Decimal(by // timedelta(milliseconds=1)) / 1000
        self.exchange.paper.clock(advance_seconds=_plain(milliseconds))
        self.clock.ahead += by

    def advance_to(self, instant: datetime) -> None:
        """Let time pass until then, if it is still to come."""
        self.advance(max(instant - self.now(), timedelta()) + INSTANT)

    # --- What people and processes do -----------------------------------------------------------

    def place(self, case: Case, **asked: object) -> Instruction:
        """What a person confirms; the same nonce again unless another is given."""
        fields = {"person": self.owner, "nonce": case.nonce, "amount": case.amount}
        placed = instructions.place(
            account=case.account,
            kind="borrow",
            symbol="BTC_USDT",
            currency="USDT",
            now=self.now(),
            **(fields | asked),
        )
        case.pk = case.pk or str(placed.pk)
        return placed

    @contextmanager
    def line(self, case: Case, on_step: Step | None = None) -> Iterator[Line]:
        """What `venues.money_line` gives, with the driven clock and the steps."""
        credentials = open_credentials(case.account, keyring=venues.keyring())
        base_url = self.exchange.base_url
        with Client(base_url, credentials, total_seconds=case.read_seconds) as client:
            yield Line(
                client=client,
                credentials=credentials,
                base_url=case.money_url or base_url,
                limiter=NoLimiter(),
                journal=case.journal,
                bounds=case.bounds,
                clock=self.now,
                ticks=lambda: monotonic() + self.clock.ahead,
                on_step=on_step,
            )

    def work(self, case: Case, on_step: Step | None = None) -> None:
        """What the task `send_instruction` does, in this process."""
        if on_step is not None:
            on_step("received")
        recovery.heed_journal(case.journal, now=self.now())
        instruction = case.instruction
        if instruction is None or instruction.state != State.QUEUED:
            return
        with self.line(case, on_step) as line:
            send(instruction, line)

    def worker(self, case: Case, on_step: Step | None = None) -> Child:
        """The same in a child, which may die on the way."""
        child = Child(lambda: self.work(case, on_step))
        case.children.append(child)
        return child

    def look(self, case: Case, on_step: Step | None = None) -> None:
        """What the task `look_for_instruction` does, in this process."""
        instruction = case.instruction
        if instruction is None:
            return
        credentials = open_credentials(case.account, keyring=venues.keyring())
        limiter = _AfterReading(on_step) if on_step else NoLimiter()
        with Client(
            self.exchange.base_url,
            credentials,
            limiter=limiter,
            total_seconds=case.read_seconds,
        ) as client:
            look(instruction, client=client, bounds=case.bounds, is_probed=True, now=self.now())

    def looker(self, case: Case, on_step: Step | None = None) -> Child:
        """The same in a child."""

        def work() -> None:
            self.look(case, on_step)
            if on_step is not None:
                on_step("bound")

        child = Child(work)
        case.children.append(child)
        return child

    def sweep(self, case: Case) -> sweeping.Due:
        """The tick; gives what is due of this case."""
        recovery.heed_journal(case.journal, now=self.now())
        due = sweeping.sweep(now=self.now())
        mine = (case.pk,)
        return sweeping.Due(
            tuple(pk for pk in due.to_send if pk in mine),
            tuple(pk for pk in due.to_look if pk in mine),
        )

    # --- Until nothing more is to be expected ---------------------------------------------------

    def turn(self, case: Case) -> None:
        """One tick, and the work it rings for, each piece in a child."""
        due = self.sweep(case)
        if due.to_send:
            self.worker(case).wait()
            self.heed_request(case)
        if due.to_look:
            self.look(case)

    def rest(
        self, case: Case, *, turns: int = MOST_TURNS, must_rest: bool = True
    ) -> Instruction | None:
        """Tick until the instruction rests, and its verdict has had its second look."""
        self.heed_request(case)
        for _ in range(turns):
            self.turn(case)
            row = case.instruction
            if row is None or _is_at_rest(row):
                return row
            self.advance_to(self._next(row, case))
        if must_rest:
            raise AssertionError(f"{case.instruction} does not come to rest")
        return case.instruction

    def heed_request(self, case: Case) -> None:
        """What the exchange does once a request has reached it, as the cell has it."""
        if case.after_request is not None and self.requests(case):
            then, case.after_request = case.after_request, None
            then()

    def _next(self, row: Instruction, case: Case) -> datetime:
        """When something can happen next; from the fourth look on only the horizon matters."""
        now = self.now()
        horizon = local_horizon(row, bounds=case.bounds) if row.signed_at else now
        if row.state == State.UNKNOWN and row.looks >= 3 and now < horizon:
            return horizon + SECOND
        instants = {
            State.QUEUED: row.lease_until,
            State.CLAIMED: row.lease_until,
            State.SENDING: row.send_deadline_at,
        }
        return instants.get(row.state, row.look_at) or now + SECOND

    # --- What the exchange knows ----------------------------------------------------------------

    def _all_requests(self) -> int:
        hits = sum(fault["hits"] for fault in self._faults() if fault["fault"] == "refuse")
        told = self.exchange.paper.books()["requests"]
        return hits + sum(n for path, n in told.items() if path.endswith(("/borrow", "/repay")))

    def _faults(self) -> list[dict[str, Any]]:
        return self.exchange.paper.control("GET", "faults")["faults"]

    def all_requests_ever(self) -> int:
        """Money requests on every exchange this bench has used."""
        return self._of_earlier + self._all_requests()

    def requests(self, case: Case) -> int:
        """Money requests that reached the exchange since the case began."""
        return self._all_requests() - case.requests_before

    def executed(self, case: Case) -> list[dict[str, Any]]:
        """What the exchange truly did on the case's account."""
        return self.exchange.paper.books(case.key)["executed"]["loans"]

    def tidy(self, case: Case) -> None:
        """Leave nothing of a case in the way of the next."""
        for child in case.children:
            child.kill()
        self.exchange.paper.clear_faults()
        Instruction.objects.filter(account=case.account).update(look_at=None)
        left = Instruction.objects.filter(account=case.account, state=State.QUEUED)
        left.update(expires_at=self.now())
        SiteState.objects.update(recovered_at=None, stopped=False, repay_only=False)
        case.journal.path.unlink(missing_ok=True)


class _AfterReading(NoLimiter):
    """Announces the moment between the listing's answer and anything that is made of it."""

    def __init__(self, on_step: Step) -> None:
        self._on_step = on_step

    @contextmanager
    def permit(self, group: str, priority: int) -> Iterator[Any]:
        """Leave at once; afterwards the step."""
        with super().permit(group, priority) as permit:
            yield permit
        self._on_step("reconciling")


def _is_at_rest(row: Instruction) -> bool:
    if row.state == State.NEEDS_HUMAN:
        return True
    return row.state not in OPEN and row.look_at is None


def _plain(number: Decimal) -> int | float:
    """As JSON carries it; the exchange reads it as a Decimal."""
    return int(number) if number == int(number) else float(number)


def with_deadline(seconds: Decimal) -> Bounds:
    """The bounds with another deadline for the money call."""
    return replace(BOUNDS, deadline=span(seconds))
