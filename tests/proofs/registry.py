"""The proofs there are. Each is one function that takes a Scale and answers figures.

Figures are JSON: words and numbers to be published, and "problems", which must be empty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
BOTH = (SQLITE, POSTGRESQL)


@dataclass(frozen=True)
class Scale:
    """How much of a proof is wanted, from which seed, and where it may write."""

    is_full: bool
    seed: int
    folder: Path


@dataclass(frozen=True)
class Proof:
    """One proof: `function` is "module:name" and is imported only where it runs."""

    name: str
    title: str
    function: str
    engines: tuple[str, ...] = BOTH
    needs_redis: bool = False

    def load(self) -> Callable[[Scale], Mapping[str, object]]:
        """The function itself."""
        module, name = self.function.split(":")
        return getattr(import_module(module), name)


PROOFS: tuple[Proof, ...] = (
    Proof("matrix", "Crashes and faults, cell by cell", "tests.proofs.matrix:prove"),
    Proof("duplicates", "Messages delivered again and again", "tests.proofs.crowds:duplicates"),
    Proof("submits", "Simultaneous submits into one slot", "tests.proofs.crowds:submits"),
    Proof("year", "A year of a busy account, to the last digit", "tests.proofs.year:prove"),
    Proof("fuzz", "Answers that make no sense", "tests.proofs.fuzz:prove", (SQLITE,)),
    Proof("limiter", "Calls counted by the exchange", "tests.proofs.limiter:in_the_database"),
    Proof(
        "limiter-redis",
        "Calls counted by the exchange, leave given by Redis",
        "tests.proofs.limiter:in_redis",
        (SQLITE,),
        needs_redis=True,
    ),
    Proof(
        "simulation",
        "The product's code in simulated worlds",
        "tests.simulation.proof:prove",
        (SQLITE,),
    ),
    Proof(
        "histories",
        "Random histories, read by the product's code",
        "tests.proofs.histories:prove",
        (SQLITE,),
    ),
    Proof("speed", "How quick the books are", "tests.proofs.speed:prove"),
    Proof("mutants", "Mistakes in the code, and the tests", "tests.mutants.proof:prove", (SQLITE,)),
    Proof("model", "Every interleaving of the design", "tests.proofs.design:prove", (SQLITE,)),
)
