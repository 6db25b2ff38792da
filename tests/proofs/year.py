"""A year of a busy account: our books against the exchange's own, to the last digit.

Thousands of borrows and repayments on several pairs while rates move; read by the real sync at
ordinary times; compared at several instants of the year, and those instants recomputed at its end.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from loans.replay import Label
from loans.services.loan_costs import LoanCost
from tests.proofs import year_oracle
from tests.proofs.registry import Scale
from tests.proofs.year_world import HABITS, HOUR_MS, MINUTE_MS, START, World, milliseconds

DAY_MS = 24 * HOUR_MS
FULL_DAYS, SAMPLE_DAYS = 365, 10
FULL_ACTS, SAMPLE_ACTS = 4_000, 200
FULL_INSTANTS, SAMPLE_INSTANTS = 8, 2
SAMPLE_HABITS = 2
# Before an instant is compared, nothing happens for so long: all that was done is visible.
STILL_MS = 5 * MINUTE_MS
MOST_PROBLEMS = 20


@dataclass
class Year:
    """One account's year as it is lived, and what was seen at each instant that was compared."""

    world: World
    views: list[year_oracle.View] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def compare(self) -> None:
        """Read everything, and hold it against the exchange's books."""
        self.world.read_all()
        seen = year_oracle.view(self.world)
        self.views.append(seen)
        self.digests.append(seen.digest)
        self.faults += [f"{seen.now}: {fault}" for fault in year_oracle.faults_of(seen)]

    def recompute(self) -> None:
        """The instants before, once more, now that much has happened since."""
        for seen, digest in zip(self.views, self.digests, strict=True):
            if year_oracle.again(seen).digest != digest:
                self.faults.append(f"{seen.now}: recomputed, its digits are others")

    @property
    def costs(self) -> Iterable[LoanCost]:
        """What every loan had cost at the last instant."""
        return self.views[-1].costs.values()

    def figures(self) -> dict[str, int]:
        """To be published."""
        counts = Counter(cost.verdict.label for cost in self.costs)
        return {
            "loans": len(self.views[-1].loans),
            "repayments": len(self.views[-1].repayments),
            "charges replayed": sum(cost.hours or 0 for cost in self.costs),
            "loans that agree": counts[Label.AGREES],
            "loans that differ": counts[Label.DIFFERS],
            "loans of which nothing can be told": counts[Label.CANNOT_TELL],
            "instants compared, and recomputed later": len(self.views),
            "calls": self.world.calls,
            "acts refused by the exchange": self.world.done["refused"],
        }


def prove(scale: Scale) -> dict:
    """Live through it under every habit (the sample: under the first ones)."""
    problems: dict[str, str] = {}
    figures: Counter[str] = Counter()
    habits = HABITS if scale.is_full else HABITS[:SAMPLE_HABITS]
    for number, one in enumerate(habits, start=1):
        world = World(scale.folder, one, number=number, seed=scale.seed)
        try:
            year = _live(world, is_full=scale.is_full)
        finally:
            world.close()
        figures.update(year.figures())
        problems |= {f"{one.name}, {n}": what for n, what in enumerate(year.faults[:MOST_PROBLEMS])}
        if 10 * year.figures()["loans that agree"] < 9 * year.figures()["loans"]:
            problems[one.name] = "too few loans can be told: hardly anything was proven"
    return {
        "accounts": len(habits),
        "days of each": FULL_DAYS if scale.is_full else SAMPLE_DAYS,
        **figures,
        "problems": problems,
    }


def _live(world: World, *, is_full: bool) -> Year:
    """Let everything happen in order of time."""
    year = Year(world)
    world.read_rates()
    world.read_all()
    for at_ms, happen in _plan(year, is_full=is_full):
        world.pass_to(at_ms)
        happen()
    year.recompute()
    return year


def _plan(year: Year, *, is_full: bool) -> list[tuple[int, Callable[[], None]]]:
    """What happens when: acts alone or in bursts, rates read within a minute of each move."""
    world, dice = year.world, year.world.dice
    days, acts = (FULL_DAYS, FULL_ACTS) if is_full else (SAMPLE_DAYS, SAMPLE_ACTS)
    instants = FULL_INSTANTS if is_full else SAMPLE_INSTANTS
    start = milliseconds(START)
    end = start + days * DAY_MS
    compared = [start + place * (end - start) // instants for place in range(1, instants + 1)]
    plan = [(at_ms, year.compare) for at_ms in compared]
    for hour in world.rate_moves(days):
        plan.append((hour + dice.randrange(1_000, MINUTE_MS), world.read_rates))
    for day in range(days):
        plan.append((start + day * DAY_MS + dice.randrange(DAY_MS), world.read_busy))
    at_ms = start
    for _ in range(acts):
        alone = dice.random() < 0.7
        at_ms += dice.randrange(3 * (end - start) // acts) if alone else dice.randrange(1_500)
        if at_ms < end and all(not 0 <= one - at_ms < STILL_MS for one in compared):
            plan.append((at_ms, world.act))
    return sorted(plan, key=lambda step: step[0])
