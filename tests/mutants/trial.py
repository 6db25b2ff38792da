"""Trying mutants, one after another in a copy of the tree, with the tests named for each."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("loans", "marginsite", "tests", "templates", "static", "launch")
FILES = ("manage.py", "run.py", "pyproject.toml")
FAILED = 1  # pytest's word for "tests ran, and some failed"
MOST_SECONDS = 180


@dataclass(frozen=True)
class Figures:
    """How many were tried, and which no test caught."""

    tried: int
    survived: tuple[str, ...]

    @property
    def caught(self) -> int:
        """How many a named test caught."""
        return self.tried - len(self.survived)


def try_all(mutants: Iterable[Mutant] = MUTANTS) -> Figures:
    """Try each. Raises: ValueError if one does not fit the code any more, or if the tests that are
    to catch them fail without any mistake.
    """
    mutants, names, survived = tuple(mutants), [], []
    with copy_of_the_tree() as tree:
        sound = run_tests(dict.fromkeys(test for one in mutants for test in one.tests), tree)
        if sound.returncode:
            raise ValueError(f"the tests fail without a mistake\n{sound.stdout[-2000:]}")
        for mutant in mutants:
            names.append(mutant.name)
            if not is_caught(mutant, tree):
                survived.append(mutant.name)
    return Figures(len(names), tuple(survived))


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """Everything that the tests need, to be changed at will."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        tree = Path(place)
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        for name in FILES:
            shutil.copy(ROOT / name, tree / name)
        yield tree


def is_caught(mutant: Mutant, tree: Path) -> bool:
    """Whether the tests named for it fail once the mistake is made."""
    with _made(mutant, tree):
        done = run_tests(mutant.tests, tree)
    if done.returncode not in (0, FAILED):
        raise ValueError(f"{mutant.name}: the tests did not run\n{done.stdout[-2000:]}")
    return done.returncode == FAILED


def mutate(mutant: Mutant, code: str) -> str:
    """The code with the mistake in it. Raises: ValueError if it does not fit exactly once."""
    if code.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: fits {code.count(mutant.old)} times in {mutant.file}")
    return code.replace(mutant.old, mutant.new)


@contextmanager
def _made(mutant: Mutant, tree: Path) -> Iterator[None]:
    path = tree / mutant.file
    code = path.read_text(encoding="utf-8")
    path.write_text(mutate(mutant, code), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(code, encoding="utf-8")


def run_tests(tests: Iterable[str], tree: Path) -> subprocess.CompletedProcess[str]:
    """Run these, and stop at the first that fails."""
    command = (sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
    command += ("--no-migrations", *tests)  # the tables as they are, which is quicker
    away = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE", "MARGINSITE_DATA_DIR", "PYTEST_XDIST_WORKER")
    environment = {name: value for name, value in os.environ.items() if name not in away}
    return subprocess.run(
        command,
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
