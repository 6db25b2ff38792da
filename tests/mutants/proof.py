"""The mutants as a proof: all of them, or the sample of a seed."""

from tests.mutants.catalogue import MUTANTS
from tests.mutants.trial import try_all
from tests.proofs.registry import Scale

SAMPLE = 3


def prove(scale: Scale) -> dict:
    """Try them; one that no named test catches is a problem."""
    chosen = [MUTANTS[(scale.seed + place) % len(MUTANTS)] for place in range(SAMPLE)]
    figures = try_all(MUTANTS if scale.is_full else chosen)
    return {
        "code mutants": figures.tried,
        "mutants caught": figures.caught,
        "problems": dict.fromkeys(figures.survived, "no test that is named for it caught it"),
    }
