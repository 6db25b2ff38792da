"""The steps that a seed may take, and how often each is taken."""

from collections.abc import Callable
from decimal import Decimal

from django.db.models import Q

from loans.models import Instruction, SiteState, State
from loans.paper.lending import Ask
from loans.paper.refusals import Refusal
from loans.services import instructions, recovery
from loans.services.instructions import NotAllowed, SlotTaken, TooLate
from tests.simulation.checker import Checker
from tests.simulation.machine import MICROSECOND
from tests.simulation.workers import Plan
from tests.simulation.world import SECOND, SECOND_US, World

STEPS = (
    *("claimed", "looked", "signed", "sending", "connected", "half_written", "written"),
    *("answered", "stored"),
)
AMOUNTS = {"USDT": ("5", "7", "20"), "BTC": ("0.001", "0.002")}
MINUTE_US, DAY_US = 60 * SECOND_US, 86_400 * SECOND_US
MOST_ROUNDS = 600


class Rules:
    """What may happen next in a world."""

    def __init__(self, world: World, checker: Checker) -> None:
        self.world, self.checker, self.random = world, checker, world.random
        others = 3 if world.is_shared else world.random.choice((0, 0, 0, 1))
        self.weights: dict[Callable[[], None], int] = {
            self.place: 14, self.deliver: 18, self.race: 2, self.drop: 2, self.resume: 8,
            self.kill: 3, self.tick: 10, self.sync: 3, self.wait: 12, self.borrow_elsewhere: others,
            self.repay_elsewhere: others + 1, self.back_up: 3,
            self.restore: 2 if world.restores else 0,
            self.switch: 1, self.jump: 1, self.cancel: 1, self.decide: 2,
        }  # fmt: skip

    def step(self) -> None:
        """One step, drawn by weight."""
        (rule,) = self.random.choices(list(self.weights), weights=list(self.weights.values()))
        self.world.log(f"{rule.__name__} at {self.world.machine.now():%d %H:%M:%S}")
        rule()

    # --- People ----------------------------------------------------------------------------------

    def place(self) -> None:
        """A person confirms one; sometimes twice, sometimes beside an unknown one."""
        currency = "BTC" if self.random.random() < 0.15 else "USDT"
        kind = "repay" if self.random.random() < 0.3 else "borrow"
        asked = {
            "kind": kind, "symbol": "BTC_USDT", "currency": currency,
            "amount": Decimal(self.random.choice(AMOUNTS[currency])),
            "nonce": f"n{self.random.randrange(10**9)}", "now": self.world.now(),
            "in_addition": self.random.random() < 0.4,
        }  # fmt: skip
        if kind == "repay" and self.random.random() < 0.4:
            asked |= {"repay_all": True, "amount_cap": asked["amount"] + Decimal("0.01")}
        for _ in range(self.random.choice((1, 1, 2))):
            try:
                placed = instructions.place(
                    person=self.world.owner, account=self.world.account, **asked
                )
            except (SlotTaken, NotAllowed) as exc:
                self.world.log(f"  refused: {exc}")
                return
        self.world.log(f"  {str(placed.pk)[:8]}: {kind} {placed.amount} {currency}")
        self.world.mail.append(("send", str(placed.pk)))
        if self.random.random() < 0.6:
            self.deliver()

    def cancel(self) -> None:
        """A person takes one back."""
        recovery.heed_journal(self.world.journal, now=self.world.now())
        for row in Instruction.objects.filter(state=State.QUEUED)[:1]:
            try:
                instructions.cancel(instruction=row, person=self.world.owner, now=self.world.now())
            except TooLate:
                self.world.log("  too late")

    def decide(self) -> None:
        """A person who has seen the truth decides what the site could not."""
        if self.world.machine.is_anything_due:
            return
        for row in Instruction.objects.filter(state=State.NEEDS_HUMAN)[:1]:
            self.world.log(f"  {str(row.pk)[:8]}: {row.reason}")
            instructions.decide_by_hand(
                instruction=row, person=self.world.owner, now=self.world.now(), record_id=None,
                executed=bool(self.world.truth.of(str(row.pk))), reason="Seen at the exchange.",
            )  # fmt: skip

    def switch(self) -> None:
        """An administrator stops everything, or lifts that."""
        stopped = not SiteState.load().stopped
        SiteState.objects.update(stopped=stopped, repay_only=self.random.random() < 0.3)
        self.world.log(f"  stopped: {stopped}")

    # --- The broker and its workers --------------------------------------------------------------

    def deliver(self) -> None:
        """Any message, once, twice or eight times: late and out of order is usual."""
        mail = self.world.mail
        if not mail:
            self.tick()
        if not mail:
            self.place()
        if not mail:
            return
        task, about = mail.pop(self.random.randrange(len(mail)))
        for _ in range(self.random.choice((1, 1, 1, 1, 2, 8))):
            self.world.start(task, about, self._plan())

    def race(self) -> None:
        """Three workers at one message, step by step in any order."""
        sends = [about for task, about in self.world.mail if task == "send"]
        if not sends:
            return
        about = self.random.choice(sends)
        for _ in range(3):
            self.world.start("send", about, Plan(pause_at=("ask", *STEPS)))
        for _ in range(self.random.randrange(60)):
            if self.world.paused:
                self.resume()

    def drop(self) -> None:
        """The broker loses everything."""
        self.world.mail.clear()

    def resume(self) -> None:
        """One that paused goes on."""
        if self.world.paused:
            self.world.let_run(self.random.choice(self.world.paused))
        else:
            self.deliver()

    def kill(self) -> None:
        """One that paused dies there."""
        if self.world.paused:
            worker = self.world.paused.pop(self.random.randrange(len(self.world.paused)))
            self.world.worker = worker
            worker.kill()
            self.world.worker = None

    def tick(self) -> None:
        """The beat."""
        self.world.tick()

    def sync(self) -> None:
        """The history is read."""
        self.world.start("sync", "", self._plan())

    def _plan(self) -> Plan:
        draw = self.random.random()
        if draw < 0.6:
            return Plan()
        if draw < 0.72:
            return Plan(die_at=self.random.choice(("ask", *STEPS)))
        if draw < 0.86:
            return Plan(pause_at=tuple(self.random.sample(("ask", *STEPS), 2)))
        if draw < 0.95:
            return Plan(die_at_statement=self.random.randrange(1, 45))
        return Plan(fail_at_statement=self.random.randrange(1, 45))

    # --- Time, others, memory --------------------------------------------------------------------

    def wait(self) -> None:
        """Seconds, minutes, the horizon, seldom a day."""
        draw = self.random.random()
        if draw < 0.7:
            passed = self.random.randrange(SECOND_US // 10, 8 * SECOND_US)
        elif draw < 0.85:
            passed = self.random.randrange(10 * SECOND_US, 10 * MINUTE_US)
        else:
            passed = DAY_US if draw > 0.985 else 800 * SECOND_US
        self.world.machine.advance(passed)

    def jump(self) -> None:
        """The site's clock is set right by a little."""
        self.world.skew += self.random.choice((-3, 3)) * SECOND

    def borrow_elsewhere(self) -> None:
        """Somebody borrows on the exchange's own page."""
        self._elsewhere("borrow")

    def repay_elsewhere(self) -> None:
        """Somebody repays there; once everything is repaid, records may read zero."""
        self._elsewhere("repay")

    def _elsewhere(self, kind: str) -> None:
        books, now_ms = self.world.exchange.books, self.world.exchange.clock.now_ms()
        amount = Decimal(self.random.choice((*AMOUNTS["USDT"], "5", "20")))
        if kind == "repay" and self.random.random() < 0.5:
            amount = self._owed() or amount
        ask = Ask(
            self.world.key.account, "BTC_USDT", "USDT", amount,
            late_ms=self.random.choice((0, 0, 2000, 60_000, 115_000)),
        )  # fmt: skip
        try:
            getattr(books, kind)(ask, now_ms=now_ms)
        except Refusal as found:
            self.world.log(f"  refused: {found.code}")

    def _owed(self) -> Decimal:
        loans = self.world.exchange.books.truth(self.world.key.account)["loans"]
        return sum(
            (
                Decimal(loan["outstanding"]) + Decimal(loan["charged"]) - Decimal(loan["paid"])
                for loan in loans
                if loan["currency"] == "USDT"
            ),
            Decimal(0),
        )

    def back_up(self) -> None:
        """A copy of the database is made."""
        self.world.back_up()

    def restore(self) -> None:
        """A copy is put back, with the send journal or without it, with the workers or without."""
        world = self.world
        if not world.backups:
            return
        survive, keeps_journal = self.random.random() < 0.3, self.random.random() < 0.5
        world.log(f"  journal kept: {keeps_journal}; workers survive: {survive}")
        if not survive:
            world.kill_all()
        world.restore(self.random.randrange(len(world.backups)))
        self.checker.forget()
        if not keeps_journal:
            world.journal.path.unlink(missing_ok=True)
            recovery.recover(journal=world.journal, now=world.now(), why="the simulation says so")

    # --- Coming to rest --------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """The weather clears, everybody goes on, and time passes until nothing is open."""
        world = self.world
        world.log("coming to rest")
        world.network.money_faults = world.network.read_faults = 0
        world.exchange.books.change_switches(
            {"limits": "off"}, now_ms=world.exchange.clock.now_ms()
        )
        SiteState.objects.update(stopped=False, repay_only=False)
        while world.paused:
            world.let_run(world.paused[0])
            self.checker.check()
        for _ in range(MOST_ROUNDS):
            world.tick()
            mail, world.mail = world.mail, []
            for task, about in dict.fromkeys(mail):
                world.start(task, about)
            self.checker.check()
            if self._rests():
                break
            world.machine.advance(self._pause_us())
            if SiteState.load().recovered_at is not None:
                world.start("sync", "")
        self.checker.check_rest()

    def _rests(self) -> bool:
        waiting = Q(state__in=("QUEUED", "CLAIMED", "SENDING", "UNKNOWN"))
        looked_for = Q(look_at__isnull=False) & ~Q(state=State.NEEDS_HUMAN)
        is_open = Instruction.objects.filter(waiting | looked_for).exists()
        return not is_open and not self.world.machine.is_anything_due

    def _pause_us(self) -> int:
        """Until the next thing is due and a while more, at most a quarter of an hour."""
        now = self.world.now()
        columns = ("look_at", "expires_at", "lease_until", "send_deadline_at")
        times = [
            at
            for row in Instruction.objects.values_list(*columns)
            for at in row
            if at is not None and at > now
        ]
        soonest = min(times, default=now) - now
        least = self.random.choice((2, 60, 300)) * SECOND_US
        return min(max(soonest // MICROSECOND, least), 15 * MINUTE_US)
