"""The simulation as a proof: many seeds, shared out among the cores."""

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

from tests.proofs.registry import Scale

FULL, SAMPLE = 10_000, 20


def prove(scale: Scale) -> dict:
    """Play the seeds from `scale.seed` on; a seed that fails is told with its whole story."""
    count = FULL if scale.is_full else SAMPLE
    cores = min(os.cpu_count() or 1, count)
    edges = [scale.seed + count * part // cores for part in range(cores + 1)]
    players = [_start(first, last) for first, last in pairwise(edges)]
    told = [json.loads(player.communicate()[0].splitlines()[-1]) for player in players]
    states: Counter[str] = Counter()
    for part in told:
        states.update(part["states"])
    names = ("seeds", "steps", "requests", "executions")
    problems = {name: story for part in told for name, story in part["failed"].items()}
    if not problems and sum(part["requests"] for part in told) < count // 2:
        problems["requests"] = "hardly any: nothing was proven"
    return {
        **{name: sum(part[name] for part in told) for name in names},
        "ended as": dict(sorted(states.items())),
        "violations": len(problems),
        "problems": problems,
    }


def _start(first: int, last: int) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "tests.simulation", "--seeds", str(first), str(last))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    # A database and a folder of its own for each; with a shared one the second would ask a person.
    for shared in ("DATABASE_URL", "MARGINSITE_DATA_DIR"):
        environment.pop(shared, None)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
