"""A desk for tests of the money path: an account on a real paper exchange, and one clock for both.

`advance` moves the exchange's clock and ours together, so the bounds W, P and V pass in no time.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.contrib.auth.models import User

from loans.bitmart.client import Client
from loans.bitmart.limits import NoLimiter
from loans.bitmart.secret import Credentials
from loans.models import Account, Instruction
from loans.services import instructions
from loans.services.bounds import Bounds
from loans.services.clock import Clock
from loans.services.journal import Journal
from loans.services.looking import look
from loans.services.sending import Line, monotonic, send
from loans.services.sweeping import sweep
from tests.factories import make_account
from tests.paper_fixture import Paper, PaperKey

SECOND = timedelta(seconds=1)


class Desk:
    """One person, one account, one pair; `BTC_USDT` and `USDT` unless a test says otherwise."""

    bounds = Bounds(
        expiry=60 * SECOND,
        processing=600 * SECOND,
        visibility=120 * SECOND,
        queue=60 * SECOND,
        deadline=2 * SECOND,
        lease=30 * SECOND,
        connect=SECOND,
    )

    def __init__(self, paper: Paper, owner: User, folder: Path) -> None:
        self.paper = paper
        self.owner = owner
        self.use(paper.new_key())
        self.account: Account = make_account(owner=owner)
        self.journal = Journal(folder / "sends")
        self.ahead = timedelta()
        self.set_by = timedelta()  # what somebody moved our clock by, and no other
        self.steps: list[str] = []

    def use(self, key: PaperKey) -> None:
        """Call the exchange with this key."""
        self.key = key
        self.credentials = Credentials.of(key.access_key, key.secret, key.memo)

    def now(self) -> datetime:
        """Our clock, which `advance` moves together with the exchange's."""
        return datetime.now(UTC) + self.ahead + self.set_by

    def advance(self, seconds: int) -> None:
        """Let time pass everywhere."""
        self.paper.clock(advance_seconds=seconds)
        self.ahead += seconds * SECOND

    def client(self, base_url: str = "") -> Client:
        """A client of the account's key."""
        return Client(base_url or self.paper.base_url, self.credentials, total_seconds=Decimal(5))

    def place(self, amount: str = "20", kind: str = "borrow", **asked: object) -> Instruction:
        """What a person confirms."""
        fields = {
            "symbol": "BTC_USDT",
            "currency": "USDT",
            "nonce": f"n{Instruction.objects.count()}",
            "now": self.now(),
        }
        return instructions.place(
            person=self.owner,
            account=self.account,
            kind=kind,
            amount=Decimal(amount),
            **(fields | asked),
        )

    def line(self, *, base_url: str = "", on_step: Callable[[str], None] | None = None) -> Line:
        """What a worker needs to send."""
        return Line(
            client=self.client(),
            credentials=self.credentials,
            base_url=base_url or self.paper.base_url,
            limiter=NoLimiter(),
            journal=self.journal,
            bounds=self.bounds,
            clock=self.now,
            ticks=lambda: monotonic() + self.ahead,
            on_step=on_step or self.steps.append,
        )

    def send(self, instruction: Instruction, **options: object) -> Instruction:
        """Let a worker take it."""
        send(instruction, self.line(**options))
        instruction.refresh_from_db()
        return instruction

    def look(
        self, instruction: Instruction, *, is_probed: bool = True, clock: Clock | None = None
    ) -> Instruction:
        """Look for it now, due or not."""
        Instruction.objects.filter(pk=instruction.pk).update(look_at=self.now())
        instruction.refresh_from_db()
        look(
            instruction,
            client=self.client(),
            bounds=self.bounds,
            is_probed=is_probed,
            now=self.now() + SECOND,
            clock=clock,
        )
        instruction.refresh_from_db()
        return instruction

    def look_until_decided(self, instruction: Instruction, **options: object) -> Instruction:
        """Let the horizon pass, then look as often as a proof of absence needs."""
        self.advance(781)
        for _ in range(3):
            self.look(instruction, **options)
            self.advance(31)
        return instruction

    def sweep(self) -> None:
        """The tick."""
        sweep(now=self.now())

    def wait_until_executed(self, count: int = 1) -> None:
        """What was written takes the exchange a moment, also after its sender has died."""
        for _ in range(200):
            if len(self.executed()) >= count:
                return
            time.sleep(0.02)
        raise AssertionError("the exchange has not carried it out")

    def executed(self, kind: str = "borrow") -> list[dict]:
        """What the exchange truly did for this key."""
        told = self.paper.books(self.key)["executed"]
        return told["loans" if kind == "borrow" else "repayments"]
