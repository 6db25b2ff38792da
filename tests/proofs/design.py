"""The model of the design: every interleaving, every reading of the facts, every known mistake."""

from dataclasses import replace

from tests.model.money import AS_BUILT, DECIDABLE, MUTANTS, explore
from tests.proofs.registry import Scale


def prove(scale: Scale) -> dict:
    """All variants that claim to be decidable, then all mutants; always the whole."""
    outcomes = {name: explore(design) for name, design in DECIDABLE.items()}
    broken = {name: sorted(outcome.broken) for name, outcome in outcomes.items() if outcome.broken}
    missed = [
        name
        for name, mistake in MUTANTS.items()
        if not explore(replace(AS_BUILT, **mistake), stop_at_first=True).broken
    ]
    return {
        "decidable variants": len(outcomes),
        "states explored": sum(outcome.states for outcome in outcomes.values()),
        "violations": len(broken),
        "design mutants": len(MUTANTS),
        "mutants caught": len(MUTANTS) - len(missed),
        "problems": {**broken, **dict.fromkeys(missed, "was not caught")},
    }
