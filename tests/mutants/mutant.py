"""What a mistake is: where, what is replaced by what, why it is wrong, which test says so."""

from dataclasses import dataclass

SENDING = "tests/services/test_sending.py"
GUARDS = "tests/services/test_guards.py"
READINGS = "tests/services/test_readings.py"
MATCHING = "tests/services/test_matching.py"


@dataclass(frozen=True)
class Mutant:
    """One mistake. `old` occurs exactly once in the file."""

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]


def service(
    name: str, module: str, old: str, new: str, why: str, test: str, file: str = GUARDS
) -> Mutant:
    """A mistake in a service."""
    return Mutant(name, f"loans/services/{module}.py", old, new, why, (f"{file}::{test}",))


def exchange(name: str, module: str, old: str, new: str, why: str, *tests: str) -> Mutant:
    """A mistake in the client of the exchange."""
    return Mutant(name, f"loans/bitmart/{module}.py", old, new, why, tests)
