"""One simulated world: a database, an exchange, a broker that is a list, workers, and a history.

Everything of the product is used as the tasks use it; the differences between worlds (who else uses
the account, how the exchange reads the open questions) are drawn from the seed.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from django.contrib.auth.models import User
from django.db import OperationalError, connection

from loans.bitmart.client import Client
from loans.bitmart.limits import NoLimiter
from loans.bitmart.secret import Credentials
from loans.models import Account, Feed, Instruction, SiteState
from loans.paper.accounts import Terms
from loans.paper.exchange import Exchange
from loans.paper.lending import Ask
from loans.services import feeds, recovery, streams
from loans.services.bounds import Bounds
from loans.services.journal import Journal
from loans.services.looking import look
from loans.services.sending import Line, send
from loans.services.sweeping import sweep
from tests.simulation.machine import MICROSECOND, Machine
from tests.simulation.network import Network, sockets_of
from tests.simulation.workers import Plan, Worker

SECOND = timedelta(seconds=1)
SECOND_US = 1_000_000
BOUNDS = Bounds(
    expiry=60 * SECOND,
    processing=600 * SECOND,
    visibility=120 * SECOND,
    queue=60 * SECOND,
    deadline=20 * SECOND,
    lease=90 * SECOND,
)
# How the exchange may read what is not known for sure (bitmart-api.md, C1 to C11).
READINGS: dict[str, tuple[object, ...]] = {
    "record_time": ("milliseconds", "seconds"),
    "query_unit": ("milliseconds", "seconds"),
    "bounds": ("inclusive", "exclusive"),
    "record_order": ("newest", "oldest", "shuffled"),
    "repaid_records": ("kept", "kept", "zero"),
    "ids": ("different", "same"),
    "amounts": ("padded", "trimmed"),
    "interest_amount": ("shown", "null"),
    "error_data": ("object", "null"),
    "trace": ("modern", "uuid", "na"),
    "limits": ("off", "off", "off", "on"),
}
WEATHERS = ((10, 1), (40, 5), (40, 5), (70, 15), (90, 40))
SKEWS = (0, 0, 0.4, -0.4, 3, -3, 29, -31, 95, -88)


@dataclass(frozen=True)
class Execution:
    """What the exchange truly did: for which instruction ("" for somebody else's)."""

    sender: str
    kind: str
    record_id: str
    symbol: str
    currency: str
    amount: Decimal


@dataclass
class Truth:
    """What only the simulation knows."""

    executions: list[Execution] = field(default_factory=list)
    vanished: set[str] = field(default_factory=set)  # forgotten by a restored database
    others: bool = False  # somebody else used the account, or so it must look to us
    restored: bool = False
    clock_jumped: bool = False

    def of(self, instruction_id: str) -> list[Execution]:
        """What became of one instruction."""
        return [deed for deed in self.executions if deed.sender == instruction_id]


class World:
    """Everything, for one seed."""

    def __init__(self, seed: int, folder: Path, log: Callable[[str], None]) -> None:
        self.random = Random(f"steps {seed}")
        self.machine = Machine(seed)
        self.folder = folder
        self.log = log
        self.truth = Truth()
        self.worker: Worker | None = None  # who runs now
        self.paused: list[Worker] = []
        self.mail: list[tuple[str, str]] = []  # (task, instruction): the broker
        self.backups: list[tuple[int, sqlite3.Connection]] = []
        self.workers = 0
        self.skew = timedelta(seconds=self.random.choice(SKEWS))
        self.is_shared = self.random.random() < 0.4
        self.is_probed = self.random.random() < 0.9
        self.restores = self.random.random() < 0.35
        self.readings = {name: self.random.choice(options) for name, options in READINGS.items()}
        self.journal = Journal(folder / "sends")

    # --- The stage -------------------------------------------------------------------------------

    @contextmanager
    def open(self) -> Iterator[None]:
        """Raise it, and take it down again whatever happened."""
        self.exchange = Exchange(self.folder / "paper.sqlite3", seed=self.random.randrange(10**6))
        money, reads = self.random.choice(WEATHERS)
        self.network = Network(
            self.machine, self.exchange, Random(self.random.random()),
            sender=lambda: self.worker.about if self.worker else "",
            is_money=lambda: self.worker is not None and self.worker.step == "sending",
            on_connect=self._connecting, log=self.log, money_faults=money, read_faults=reads,
        )  # fmt: skip
        self.machine.wrap = self.network.keep_sender
        try:
            with (
                self.machine.running(sockets_of(self.network)),
                connection.execute_wrapper(self._statement),
            ):
                self._furnish()
                try:
                    yield
                finally:
                    self.kill_all()
        finally:
            self.exchange.close()
            for _, copy in self.backups:
                copy.close()

    def _furnish(self) -> None:
        books = self.exchange.books
        books.change_switches(self.readings, now_ms=self.exchange.clock.now_ms())
        key = books.new_key(
            wallets={"BTC_USDT": {"USDT": Decimal(5000), "BTC": Decimal(1)}},
            terms=Terms(), memo="memo", now_ms=self.exchange.clock.now_ms(),
        )  # fmt: skip
        self.key = key
        self.credentials = Credentials.of(key.access_key, key.secret, key.memo)
        for name in ("borrow", "repay"):
            setattr(books, name, self._overheard(name, getattr(books, name)))
        mode = Account.Mode.SHARED if self.is_shared else Account.Mode.EXCLUSIVE
        self.owner = User.objects.get(username="owner")
        self.account = Account.objects.create(
            owner=self.owner, venue="paper", label="Desk", fingerprint="f" * 16, mode=mode,
            allow_money=True, created_at=self.now(),
        )  # fmt: skip
        SiteState.load()

    def _overheard(self, kind: str, operation: Callable) -> Callable:
        """An operation of the books, which leaves a note of who asked for it."""

        def operate(ask: Ask, *, now_ms: int) -> object:
            done = operation(ask, now_ms=now_ms)
            sender = self.network.doing_for
            deed = Execution(sender, kind, done.record_id, ask.symbol, ask.currency, ask.amount)
            self.truth.executions.append(deed)
            if not sender or sender in self.truth.vanished:
                self.truth.others = True
            self.log(
                f"  exchange: {kind} {ask.amount} {ask.currency} for {sender[:8] or 'another'}"
            )
            return done

        return operate

    def _connecting(self, what: str) -> None:
        assert not connection.in_atomic_block, "a transaction is open during a call"
        if self.worker is not None and what == "read":
            self.worker.reached("ask")

    def _statement(self, execute: Callable, *args: object) -> object:
        return self.worker.statement(execute, *args) if self.worker else execute(*args)

    # --- Time ------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """By the site's clock, which is off by what the seed says."""
        return self.machine.now() + self.skew

    def ticks(self) -> timedelta:
        """By a clock that nobody sets."""
        return self.machine.elapsed_us * MICROSECOND

    # --- Workers ---------------------------------------------------------------------------------

    def start(self, task: str, about: str, plan: Plan | None = None) -> None:
        """Let a worker take up a task: "send", "look" or "sync"."""
        self.workers += 1
        jobs = {"send": self._send, "look": self._look, "sync": self._sync}
        worker = Worker(f"w{self.workers}", jobs[task], plan or Plan(), about)
        self.log(f"  {worker.name}: {task} {about[:8]} ({worker.plan})")
        self.let_run(worker)

    def let_run(self, worker: Worker) -> None:
        """Until it pauses or is over."""
        if worker in self.paused:
            self.paused.remove(worker)
        previous, self.worker = self.worker, worker
        worker.run()
        self.worker = previous
        self.machine.settle()
        if not worker.is_over:
            self.log(f"  {worker.name}: pauses at {worker.step or 'its first call'}")
            self.paused.append(worker)
        elif worker.failure is not None:
            self.log(f"  {worker.name}: {worker.failure!r}")
            if not isinstance(worker.failure, self._expected()):
                raise worker.failure

    def _expected(self) -> tuple[type[Exception], ...]:
        """What a worker may fail with: a database that refuses, or one that was put back."""
        if self.truth.restored:
            return (OperationalError, Instruction.DoesNotExist)
        return (OperationalError,)

    def kill_all(self) -> None:
        """The power goes, or the world ends."""
        for worker in self.paused:
            self.worker = worker
            worker.kill()
        self.worker = None
        self.paused.clear()

    def client(self) -> Client:
        """As the tasks make it."""
        return Client("http://127.0.0.1:9000", self.credentials)

    # What the tasks do (loans/tasks/money.py, loans/tasks/sync.py), with clock and steps handed in.

    def _send(self, worker: Worker) -> None:
        recovery.heed_journal(self.journal, now=self.now())
        instruction = Instruction.objects.filter(pk=worker.about).first()
        if instruction is None or instruction.state != "QUEUED":
            return
        with self.client() as client:
            line = Line(
                client=client, credentials=self.credentials, base_url="http://127.0.0.1:9000",
                limiter=NoLimiter(), journal=self.journal, bounds=BOUNDS, clock=self.now,
                ticks=self.ticks, on_step=worker.reached,
            )  # fmt: skip
            send(instruction, line)
        if instruction.look_at is not None:
            self.mail.append(("look", worker.about))

    def _look(self, worker: Worker) -> None:
        instruction = Instruction.objects.filter(pk=worker.about).first()
        if instruction is None:
            return
        with self.client() as client:
            look(
                instruction, client=client, bounds=BOUNDS, is_probed=self.is_probed, now=self.now()
            )

    def _sync(self, worker: Worker) -> None:
        account, now = self.account, self.now()
        watched = feeds.watch(venue=account.venue, account=account, name=Feed.Name.RECORDS, now=now)
        with watched, self.client() as client:
            due = streams.due_often(account=account, now=now)
            streams.walk(
                due, client=client, now=now, visibility=BOUNDS.visibility,
                is_over=lambda: False, most_windows=0,
            ).must_be_whole()  # fmt: skip

    def tick(self) -> None:
        """What the beat does every two seconds."""
        recovery.heed_journal(self.journal, now=self.now())
        due = sweep(now=self.now())
        self.mail += [("send", pk) for pk in due.to_send]
        self.mail += [("look", pk) for pk in due.to_look]

    # --- Memory ----------------------------------------------------------------------------------

    def back_up(self) -> None:
        """Keep a copy of the database."""
        copy = sqlite3.connect(":memory:")
        connection.connection.backup(copy)
        self.backups = [*self.backups[-2:], (len(self.truth.executions), copy)]

    def restore(self, index: int) -> None:
        """Put a copy back. What was placed since is gone for us, but not for the exchange."""
        before = set(Instruction.objects.values_list("pk", flat=True))
        self.backups[index][1].backup(connection.connection)
        gone = before - set(Instruction.objects.values_list("pk", flat=True))
        self.truth.vanished |= {str(pk) for pk in gone}
        self.truth.restored = True
        if any(deed.sender in self.truth.vanished for deed in self.truth.executions):
            self.truth.others = True
