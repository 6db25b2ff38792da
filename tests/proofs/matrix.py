"""Runs the fault matrix, or a rotating sample of it, against one database."""

import random
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loans.services import transitions
from tests.proofs.bench import Bench
from tests.proofs.cells import CELLS, Cell
from tests.proofs.oracle import faults_of
from tests.proofs.plays import play_broker, play_network, play_process
from tests.proofs.plays_database import play_database, play_power
from tests.proofs.plays_people import play_people
from tests.proofs.plays_world import play_clock, play_listing, play_outside
from tests.proofs.registry import Scale

SAMPLE_CELLS = 36
# Cells that found something when they were first played.
ONCE_WRONG = (
    "power: sending x dead worker",
    "clock: jumps back while sending",
    "listing: record of another pair",
    "outside: during x exclusive",
)
PLAYS = {
    "network": play_network,
    "broker": play_broker,
    "process": play_process,
    "database": play_database,
    "power": play_power,
    "clock": play_clock,
    "people": play_people,
    "listing": play_listing,
    "outside": play_outside,
}


def sample(size: int, seed: int) -> list[Cell]:
    """About so many cells, of every axis at least one, the same for the same seed."""
    dice = random.Random(seed)
    by_axis: dict[str, list[Cell]] = {"": [cell for cell in CELLS if cell.name in ONCE_WRONG]}
    for cell in dice.sample(CELLS, len(CELLS)):
        by_axis.setdefault(cell.axis, []).append(cell)
    chosen = []
    for axis, cells in by_axis.items():
        if not axis:
            continue
        share = max(1, round(size * len(cells) / len(CELLS)))
        chosen += cells[:share]
    return list(dict.fromkeys(by_axis[""] + chosen))


def prove(scale: Scale) -> dict:
    """The whole matrix, or a sample of it that holds every axis and what was once wrong."""
    return run(scale.folder, CELLS if scale.is_full else sample(SAMPLE_CELLS, scale.seed))


def run(folder: Path, cells: Sequence[Cell]) -> dict:
    """Play the cells and judge each; the figures."""
    bench = Bench(folder)
    began = time.monotonic()
    wrong: dict[str, list[str]] = {}
    ends: Counter[str] = Counter()
    most_requests = most_executions = 0
    try:
        for cell in cells:
            found, end, requests, executions = _judge(bench, cell)
            most_requests = max(most_requests, requests)
            most_executions = max(most_executions, executions)
            ends[end] += 1
            if found:
                wrong[cell.name] = found
    finally:
        bench.close()
    differing = transitions.differing_from_events()
    return {
        "cells": len(cells),
        "untruthful cells": len(wrong),
        "most requests for one instruction": most_requests,
        "most executions for one instruction": most_executions,
        "states that differ from the fold of their events": len(differing),
        "ends": dict(sorted(ends.items())),
        "seconds": round(time.monotonic() - began, 1),
        "problems": wrong,
    }


def _judge(bench: Bench, cell: Cell) -> tuple[list[str], str, int, int]:
    case = None
    try:
        case = PLAYS[cell.axis](bench, cell)
        found = faults_of(bench, case, cell)
    except Exception as exc:
        found = ["".join(traceback.format_exception(exc))[-1500:]]
    if case is None:
        return found, "broke off", 0, 0
    row = case.instruction
    requests = bench.requests(case) - case.strange_requests
    executions = len(bench.executed(case)) - len(case.strange_loans)
    bench.tidy(case)
    return found, row.state if row else "no instruction", requests, executions
