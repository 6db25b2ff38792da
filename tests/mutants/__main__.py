"""Try every mutant, or those whose name contains a word: `python -m tests.mutants [WORD]`."""

import sys

from tests.mutants.catalogue import MUTANTS
from tests.mutants.trial import copy_of_the_tree, is_caught


def main() -> int:
    """Say of each whether it was caught."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if word in mutant.name]
    survived = 0
    with copy_of_the_tree() as tree:
        for mutant in chosen:
            caught = is_caught(mutant, tree)
            survived += not caught
            print(f"{'caught' if caught else 'SURVIVED'}: {mutant.name}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} caught")
    return 1 if survived else 0


if __name__ == "__main__":
    raise SystemExit(main())
