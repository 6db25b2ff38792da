"""Random histories, read by the product's own code: nothing lost, nothing twice, every gap named.

`python -m tests.proofs.histories SEED` plays one and tells its story. What is read is kept in
memory; everything else is the code that reads the exchange: streams, windows, audits.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from tests.proofs.registry import Scale

FULL, SAMPLE = 100_000, 10_000
# Of so many histories one is also read in each of the usual ways.
COMPARED_EVERY = 10


def prove(scale: Scale) -> dict:
    """Play the seeds from `scale.seed` on, shared out among the cores."""
    count = FULL if scale.is_full else SAMPLE
    cores = min(os.cpu_count() or 1, count)
    edges = [scale.seed + count * part // cores for part in range(cores + 1)]
    players = [_start(first, last) for first, last in pairwise(edges)]
    told = [json.loads(player.communicate()[0].splitlines()[-1]) for player in players]
    figures: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    for part in told:
        figures.update(part["figures"])
        losses.update(part["losses"])
    problems = {name: story for part in told for name, story in part["problems"].items()}
    if figures["gaps named"] == 0 or figures["late records counted"] == 0:
        problems["gaps and late records"] = "none: that says nothing of them"
    if figures["lists that hid what is older"] == 0:
        problems["hidden records"] = "no list hid any: that says nothing of them"
    problems |= {
        way: "lost nothing, so this proves nothing" for way, lost in losses.items() if not lost
    }
    return {
        **dict(sorted(figures.items())),
        "histories in which the usual ways lost records": dict(losses),
        "problems": problems,
    }


def _start(first: int, last: int) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "tests.proofs.histories", str(first), str(last))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())


def _environment() -> dict[str, str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    for shared in ("DATABASE_URL", "MARGINSITE_DATA_DIR"):
        environment.pop(shared, None)
    return environment


def main(arguments: Sequence[str]) -> int:
    """Play the seeds of one process and print what came of them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from tests.proofs import histories_played as played

    first = int(arguments[0])
    last = int(arguments[1]) if len(arguments) > 1 else first + 1
    print(json.dumps(played.play_all(range(first, last), compared_every=COMPARED_EVERY)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
