"""What must be true of our books at an instant, by the exchange's own: every record once, every
position and every loan's cost to the last digit.

Each check takes a View and yields what is wrong, in words; another one is added in CHECKS.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from loans import exact
from loans.models import Account, BorrowRecord, Kind, Observation, RepayRecord
from loans.replay import Hours, Label
from loans.services import loan_costs, stating
from loans.services.positions import positions
from loans.services.statement import Statement
from tests.proofs.year_world import World, milliseconds

Rows = list[dict[str, object]]


@dataclass
class View:
    """Our books and the exchange's at one instant."""

    world: World
    now: datetime
    loans: Rows
    repayments: Rows

    @property
    def account(self) -> Account:
        """Ours."""
        return self.world.account

    @cached_property
    def decision(self) -> loan_costs.Decision:
        """What the loans say of the hours."""
        return loan_costs.decide(loan_costs.loan_costs(account=self.account, now=self.now))

    @cached_property
    def costs(self) -> dict[str, loan_costs.LoanCost]:
        """What every loan cost, by our replay."""
        found = loan_costs.loan_costs(
            account=self.account, now=self.now, prefer=self.decision.hours
        )
        return {cost.record_id: cost for cost in found}

    @cached_property
    def debts(self) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
        """Principal and interest owed by pair and currency, as the exchange has it."""
        found: dict = defaultdict(lambda: (exact.ZERO, exact.ZERO))
        for row in self.loans:
            slot = (row["symbol"], row["currency"])
            principal, interest = found[slot]
            due = Decimal(row["charged"]) - Decimal(row["paid"])
            found[slot] = (principal + Decimal(row["outstanding"]), interest + due)
        return found

    @property
    def digest(self) -> str:
        """All that the file of costs says, in short: the same instant gives the same again."""
        lines = (json.dumps(loan_costs.told(cost)) for cost in self.costs.values())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def view(world: World) -> View:
    """The two sides now."""
    told = world.truth()
    return View(world, world.now, told["loans"], told["repayments"])


def records(seen: View) -> Iterator[str]:
    """Nothing is lost, nothing doubled, nothing altered."""
    for kind, model, rows in (
        ("loan", BorrowRecord, seen.loans),
        ("repayment", RepayRecord, seen.repayments),
    ):
        kept = list(model.objects.filter(account=seen.account))
        ids = Counter(one.record_id for one in kept)
        true = {row["record_id"]: row for row in rows}
        yield from (f"{kind} {key} is lost" for key in true.keys() - ids.keys())
        yield from (f"{kind} {key} was never made" for key in ids.keys() - true.keys())
        yield from (f"{kind} {key} is kept {n} times" for key, n in ids.items() if n > 1)
        for one in kept:
            if one.record_id in true:
                yield from _altered(kind, one, true[one.record_id])


def _altered(kind: str, one: BorrowRecord | RepayRecord, row: Mapping) -> Iterator[str]:
    names = ["principal", *(["daily_rate"] if kind == "loan" else ["amount", "interest"])]
    for name in names:
        if getattr(one, name) != Decimal(row[name]):
            yield f"{name} of {kind} {one.record_id} is {getattr(one, name)}, true {row[name]}"
    made_ms = row["opened_ms" if kind == "loan" else "made_ms"]
    if not 0 <= made_ms - milliseconds(one.at) < 1000:
        yield f"time of {kind} {one.record_id} is {one.at}, true {made_ms}"


def interest_told(seen: View) -> Iterator[str]:
    """The interest kept of each loan is the largest that the exchange told."""
    said = seen.world.said
    for one in BorrowRecord.objects.filter(account=seen.account):
        if one.interest != said.get(one.record_id):
            yield f"interest of {one.record_id} is {one.interest}, told {said.get(one.record_id)}"


def owed(seen: View) -> Iterator[str]:
    """Principal and interest of every slot are what the exchange has in its books."""
    found = {(one.symbol, one.currency): one for one in positions([seen.account], now=seen.now)}
    for slot, true in seen.debts.items():
        one = found.get(slot)
        if one is None:
            if any(true):
                yield f"{slot} is not among the positions; it owes {true}"
            continue
        if (one.recorded.principal, one.recorded.interest) != true:
            yield (
                f"{slot} owes {one.recorded.principal} and {one.recorded.interest} by the records,"
                f" true {true}"
            )
        if one.principal_drift or one.interest_drift or one.incomplete_because:
            yield f"{slot} drifts: {one.incomplete_because or one.interest_drift}"


def costs(seen: View) -> Iterator[str]:
    """Each loan cost what the exchange charged, by our replay; what cannot be told says so."""
    for row in seen.loans:
        cost = seen.costs.get(row["record_id"])
        if cost is None:
            yield f"the cost of {row['record_id']} is missing"
            continue
        where, verdict = f"{row['record_id']} ({cost.slot.symbol})", cost.verdict
        if cost.left != Decimal(row["outstanding"]):
            yield f"{where} has {cost.left} out, true {row['outstanding']}"
        if verdict.label is Label.DIFFERS:
            yield f"{where} is said to differ by {verdict.difference}"
        if verdict.label is Label.AGREES and cost.replayed != Decimal(row["charged"]):
            yield f"{where} cost {cost.replayed} by the replay, true {row['charged']}"
    if len(seen.costs) != len(seen.loans):
        yield f"{len(seen.costs)} costs of {len(seen.loans)} loans"


def hours(seen: View) -> Iterator[str]:
    """The loans say together how the exchange counts hours, and it is true."""
    true = Hours[seen.world.habits.hours.upper()]
    if seen.decision.hours is not true:
        yield f"hours are {seen.decision.hours}, true {true}: {seen.decision.words}"


def observations(seen: View) -> Iterator[str]:
    """What was observed of a loan is kept once for each different telling."""
    last: dict[tuple[str, str], object] = {}
    rows = Observation.objects.filter(account=seen.account).order_by("id")
    for kind, record_id, body in rows.values_list("kind", "record_id", "body"):
        if last.get((kind, record_id)) == body:
            yield f"the same telling of {kind} {record_id} is kept twice"
        last[kind, record_id] = body
    kept = sum(kind == Kind.BORROW for kind, _ in last)
    if kept != len(seen.loans):
        yield f"{kept} loans were observed, true {len(seen.loans)}"


def statements(seen: View) -> Iterator[str]:
    """Every month adds up and begins with what the one before ended with; the last ends with what
    the exchange has in its books.
    """
    months = stating.months_of(seen.account, now=seen.now, zone=UTC)
    told = [stating.state(seen.account, one, zone=UTC, as_of=seen.now) for one in reversed(months)]
    yield from (f"{one.month} does not add up" for one in told if not one.reconciles)
    for before, after in pairwise(told):
        ends, begins = _sides(before, "closing"), _sides(after, "opening")
        yield from (
            f"{slot} ends {before.month} with {ends[slot]}, and begins with {begins[slot]}"
            for slot in ends.keys() | begins.keys()
            if ends[slot] != begins[slot]
        )
    closing = _sides(told[-1], "closing")
    for slot, true in seen.debts.items():
        if closing[slot] != true:
            yield f"{slot} ends {seen.now} with {closing[slot]}, true {true}"


def _sides(told: Statement, name: str) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """Principal and interest of every slot at one end of a month."""
    found: dict = defaultdict(lambda: (exact.ZERO, exact.ZERO))
    for one in told.entries:
        slot = (one.slot.symbol, one.slot.currency)
        found[slot] = (getattr(one.principal, name), getattr(one.interest, name))
    return found


Check = Callable[[View], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    *(records, interest_told, owed, costs, hours, observations, statements),
)


def again(seen: View) -> View:
    """The same instant, computed anew."""
    return View(seen.world, seen.now, seen.loans, seen.repayments)


def faults_of(seen: View) -> list[str]:
    """Everything that is wrong."""
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(seen)]
