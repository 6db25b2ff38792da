"""Every interleaving of the money path, and every known mistake in its design."""

from dataclasses import replace

import pytest

from tests.model.money import AS_BUILT, DECIDABLE, MUTANTS, Design, explore


@pytest.mark.parametrize("name", DECIDABLE)
def test_no_interleaving_breaks_the_design(name: str) -> None:
    outcome = explore(DECIDABLE[name])

    assert outcome.broken == set()
    assert outcome.states > 5_000


def test_untagged_beside_others_only_the_known_limit_is_left() -> None:
    """Two worlds with the same lists cannot be told apart: we may take another's loan for ours."""
    outcome = explore(replace(AS_BUILT, others=True))

    assert outcome.broken == {"says EXECUTED although it did not happen"}


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mistake_is_caught(name: str) -> None:
    mutant: Design = replace(AS_BUILT, **MUTANTS[name])

    assert explore(mutant, stop_at_first=True).broken
