"""The catalogue fits the code, and a few mutants, others each day, are caught."""

from collections import Counter
from datetime import UTC, datetime

from tests.mutants.catalogue import MUTANTS
from tests.mutants.trial import ROOT, mutate, try_all

A_DAY = 3


def test_every_mutant_fits_the_code_exactly_once_and_names_tests_that_exist() -> None:
    for mutant in MUTANTS:
        code = (ROOT / mutant.file).read_text(encoding="utf-8")
        compile(mutate(mutant, code), mutant.file, "exec")
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), test

    assert len(MUTANTS) >= 26
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1


def test_todays_mutants_are_caught() -> None:
    first = datetime.now(UTC).toordinal() * A_DAY
    today = [MUTANTS[(first + place) % len(MUTANTS)] for place in range(A_DAY)]

    assert try_all(today).survived == ()
