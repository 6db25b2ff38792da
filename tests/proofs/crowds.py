"""Proofs about crowds of processes: the same message again and again, and many people at once."""

import multiprocessing
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from django.db import connections

from loans.models import Instruction
from loans.services import transitions
from loans.services.instructions import SlotTaken
from tests.proofs.bench import Bench, Case
from tests.proofs.processes import Child
from tests.proofs.registry import Scale

DELIVERIES_EACH = 40
WORKERS = 8
SUBMITS = 64


def duplicates(scale: Scale) -> dict:
    """Every instruction's message is delivered 40 times, to 8 workers, in random order."""
    bench = Bench(scale.folder)
    instructions = 250 if scale.is_full else 10
    wrong: dict[str, str] = {}
    sent = delivered = 0
    try:
        for batch in range(0, instructions, 10):
            cases = [bench.new_case() for _ in range(10)]
            for case in cases:
                bench.place(case)
            delivered += _deliver(bench, cases, seed=scale.seed + batch)
            for case in cases:
                executed = len(bench.executed(case))
                sent += executed
                if executed != 1 or case.instruction.state != "CONFIRMED":
                    wrong[case.pk] = f"{case.instruction.state}, executed {executed} times"
                bench.tidy(case)
        requests = bench.all_requests_ever()
    finally:
        bench.close()
    if requests != instructions:
        wrong["requests"] = f"{requests} for {instructions} instructions"
    return {
        "instructions": instructions,
        "deliveries": delivered,
        "requests at the exchange": requests,
        "double sends": max(requests - instructions, sent - instructions),
        "problems": wrong | _unlike_their_events(),
    }


def _deliver(bench: Bench, cases: Sequence[Case], *, seed: int) -> int:
    """Shuffle all messages and deal them to the workers, which start together."""
    messages = [case for case in cases for _ in range(DELIVERIES_EACH)]
    random.Random(seed).shuffle(messages)
    hands = [messages[number::WORKERS] for number in range(WORKERS)]

    def worker(hand: list[Case]) -> Callable[[], None]:
        def work() -> None:
            for case in hand:
                bench.work(case)

        return work

    _together([worker(hand) for hand in hands])
    return len(messages)


def submits(scale: Scale) -> dict:
    """64 processes place into one slot at once: half with one token, half each with its own."""
    bench = Bench(scale.folder)
    rounds = 20 if scale.is_full else 3
    wrong: dict[str, str] = {}
    accepted: Counter[int] = Counter()
    try:
        for number in range(rounds):
            case = bench.new_case()
            _together([_submit(bench, case, person) for person in range(SUBMITS)])
            rows = Instruction.objects.filter(account=case.account).count()
            accepted[rows] += 1
            if rows != 1:
                wrong[f"round {number}"] = f"{rows} instructions were accepted"
            bench.tidy(case)
    finally:
        bench.close()
    return {
        "rounds": rounds,
        "simultaneous submits in each": SUBMITS,
        "accepted in each": ", ".join(str(rows) for rows in sorted(accepted)),
        "problems": wrong | _unlike_their_events(),
    }


def _submit(bench: Bench, case: Case, person: int) -> Callable[[], None]:
    nonce = case.nonce if person % 2 else f"{case.nonce}-{person}"

    def work() -> None:
        with suppress(SlotTaken):
            bench.place(case, nonce=nonce)

    return work


def _together(works: Sequence[Callable[[], None]]) -> None:
    """Run each in a child; they start at the same moment. Raises what went wrong in any."""
    barrier = multiprocessing.get_context("fork").Barrier(len(works))

    def wait_and(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            connections["default"].ensure_connection()
            barrier.wait()
            work()

        return run

    children = [Child(wait_and(work)) for work in works]
    errors = [child.error for child in children if child.wait().error]
    assert not errors, errors[0]


def _unlike_their_events() -> dict[str, str]:
    """States that are not the fold of their events."""
    return dict.fromkeys(transitions.differing_from_events(), "is not the fold of its events")
