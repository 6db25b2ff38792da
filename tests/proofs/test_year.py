"""The oracle of the year notices what it is there for: each way of being wrong is seen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.proofs import year_oracle
from tests.proofs.year_oracle import View
from tests.proofs.year_world import MINUTE_MS, SLOTS, Habits, World

pytestmark = pytest.mark.django_db(transaction=True)
SATOSHI = Decimal("0.00000001")


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[View]:
    """A day of an account whose rates stand still."""
    still: dict[str, dict[str, str]] = {}
    for symbol, currency in SLOTS:
        still.setdefault(symbol, {})[currency] = "0.00055"
    world = World(tmp_path, Habits("still", {"rates": still}), number=1, seed=3)
    world.read_rates()
    for _ in range(60):
        world.pass_to(world.now_ms + 20 * MINUTE_MS)
        world.act()
    world.pass_to(world.now_ms + 5 * MINUTE_MS)
    world.read_all()
    yield year_oracle.view(world)
    world.close()


def raise_by_one(name: str) -> Callable[[View], View]:
    """Another figure in the exchange's books, by the least there is."""

    def change(seen: View) -> View:
        [first, *others] = seen.loans
        return replace(seen, loans=[first | {name: str(Decimal(first[name]) + SATOSHI)}, *others])

    return change


CHANGES: dict[str, tuple[Callable[[View], View], set[str]]] = {
    "another loan's principal": (raise_by_one("principal"), {"records"}),
    "a hundred-millionth more interest": (
        raise_by_one("charged"),
        {"owed", "costs", "statements"},
    ),
    "a hundred-millionth more out": (
        raise_by_one("outstanding"),
        {"owed", "costs", "statements"},
    ),
    "a loan that we have, and it has not": (
        lambda seen: replace(seen, loans=seen.loans[1:]),
        {"records", "costs", "observations"},
    ),
    "a repayment that we lack": (
        lambda seen: replace(
            seen, repayments=[*seen.repayments, seen.repayments[0] | {"record_id": "another"}]
        ),
        {"records"},
    ),
}


def kinds(faults: list[str]) -> set[str]:
    return {fault.partition(":")[0] for fault in faults}


def test_every_difference_is_noticed_and_none_is_made_up(seen: View) -> None:
    assert year_oracle.faults_of(seen) == []
    assert len(seen.loans) > 20

    for name, (change, expected) in CHANGES.items():
        assert kinds(year_oracle.faults_of(change(seen))) == expected, name
