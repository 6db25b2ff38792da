"""Playing seeds: one, or many; each from the same empty database."""

import logging
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from django.contrib.auth.models import User
from django.db import connection

from loans.models import Instruction
from tests.simulation.checker import Checker
from tests.simulation.rules import Rules
from tests.simulation.world import World

# Kept in memory where the machine has such a folder: nothing here is about the disk.
_MEMORY = Path("/dev/shm")


class Failed(AssertionError):
    """A seed broke the promise; the text is its whole story."""


@dataclass
class Figures:
    """What many seeds amount to."""

    seeds: int = 0
    steps: int = 0
    requests: int = 0
    executions: int = 0
    states: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)  # seed -> its whole story

    def shown(self) -> dict[str, object]:
        """As JSON."""
        failed = {f"seed {seed}": story for seed, story in self.failed.items()}
        return {**asdict(self), "states": dict(self.states), "failed": failed}


def play(seed: int, figures: Figures | None = None) -> list[str]:
    """Play one seed to its end; its steps in words. Raises: Failed."""
    figures = figures if figures is not None else Figures()
    told: list[str] = []
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    place = str(_MEMORY) if _MEMORY.is_dir() else None
    try:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            world = World(seed, Path(folder), told.append)
            with world.open():
                _live(world, figures)
    except BaseException as exc:
        figures.failed[seed] = "\n".join([f"seed {seed}: {exc!r}", *_setting(world), *told])
        raise Failed(figures.failed[seed]) from exc
    finally:
        logging.disable(quiet)
    return told


def _live(world: World, figures: Figures) -> None:
    checker = Checker(world)
    rules = Rules(world, checker)
    steps = Random(world.random.random()).randrange(12, 36)
    for _ in range(steps):
        rules.step()
        checker.check()
    rules.come_to_rest()
    figures.seeds += 1
    figures.steps += steps
    figures.requests += sum(bool(call.bytes_written) for call in world.network.money)
    figures.executions += sum(bool(deed.sender) for deed in world.truth.executions)
    figures.states.update(Instruction.objects.values_list("state", flat=True))


def _setting(world: World) -> list[str]:
    return [
        f"shared: {world.is_shared}, probed: {world.is_probed}, skew: {world.skew},"
        f" others: {world.truth.others}, restored: {world.truth.restored}",
        f"readings: {world.readings}",
    ]


def play_many(
    seeds: Iterable[int],
    *,
    tell: Callable[[str], None] | None = None,
    goes_on: bool = False,
) -> Figures:
    """Play each on an empty database. Raises: Failed at the first, unless it `goes_on`."""
    figures = Figures()
    User.objects.get_or_create(username="owner", defaults={"email": "owner@example.org"})
    empty = sqlite3.connect(":memory:")
    connection.ensure_connection()
    connection.connection.backup(empty)
    connection.inc_thread_sharing()
    try:
        for seed in seeds:
            empty.backup(connection.connection)
            try:
                told = play(seed, figures)
            except Failed as exc:
                if not goes_on:
                    raise
                told = [str(exc)]
            if tell is not None:
                tell("\n".join(told))
    finally:
        empty.backup(connection.connection)
        connection.dec_thread_sharing()
        empty.close()
    return figures
