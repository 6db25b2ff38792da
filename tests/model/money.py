"""A model of the money path, small enough to try every interleaving.

One instruction, two workers, a broker that loses and repeats, a reaper, a reconciler, a network,
and an exchange that knows no idempotency key. Crashes, pauses, lost answers, lost commits and
records that turn to zero are ordinary steps. `explore` walks breadth first and names every broken
invariant.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

QUEUED, CLAIMED, SENDING, UNKNOWN = "QUEUED", "CLAIMED", "SENDING", "UNKNOWN"
CONFIRMED, REJECTED, EXPIRED = "CONFIRMED", "REJECTED", "EXPIRED"
EXECUTED, NOT_EXECUTED, NEEDS_HUMAN = "EXECUTED", "NOT_EXECUTED", "NEEDS_HUMAN"
FINAL = {CONFIRMED, REJECTED, EXPIRED, EXECUTED, NOT_EXECUTED, NEEDS_HUMAN}

UNSIGNED, FRESH, EXPIRED_THERE, NOTHING_RUNS, ALL_VISIBLE = -1, 0, 1, 2, 3
IDLE = ("idle", 0)
MOST_SENDS = 2


@dataclass(frozen=True)
class Design:
    """The design as built, with switches for the mistakes that must be caught."""

    others: bool = False  # somebody else borrows the same amount on the account
    tagged: bool = False  # our amount is unlike anybody else's
    may_zero: bool = False  # C10: a listed record may turn to zero once repaid
    lost_commit: bool = False  # power loss or failover forgets SENDING
    workers_survive: bool = False  # ... while the workers live on
    # Right as they stand; a mutant turns one round.
    recovery: bool = True
    retry_after_timeout: bool = False
    timeout_is_failure: bool = False
    gateway_page_is_refusal: bool = False
    claim_compares: bool = True
    sending_compares: bool = True
    sign_before_commit: bool = True
    commit_before_send: bool = True
    reaper_requeues: bool = False
    redelivery_resumes: bool = False
    snapshot: bool = True
    list_is_whole: bool = True
    horizon: int = ALL_VISIBLE
    zero_is_absence: bool = False
    stale_after_loss_expires: bool = False
    edge_repeats: bool = False  # assumption A0 broken


class World(NamedTuple):
    """One state of everything."""

    row: str = QUEUED
    epoch: int = 0
    first: tuple[str, int] = IDLE
    second: tuple[str, int] = IDLE
    messages: int = 1
    repeats: int = 1
    flying: tuple[int, int] = (0, 0)
    running: tuple[int, int] = (0, 0)
    answers: tuple[str, str] = ("", "")
    executed: int = 0
    visible: int = 0
    zeroed: int = 0
    foreign: int = 0
    phase: int = UNSIGNED
    sends: int = 0
    forgotten: int = 0


def put(pair: tuple, index: int, value: object) -> tuple:
    """The pair with one half replaced."""
    return (value, pair[1]) if index == 0 else (pair[0], value)


def steps(world: World, design: Design) -> Iterator[World]:
    """Every state that may come next."""
    for index in (0, 1):
        yield from worker_steps(world, design, index)
        yield from network_steps(world, design, index)
    yield from broker_steps(world)
    yield from timer_steps(world, design)
    yield from exchange_time(world, design)
    yield from reconcile(world, design)
    yield from lose_memory(world, design)


def worker_steps(world: World, design: Design, index: int) -> Iterator[World]:
    """What one worker may do next; dying is always possible."""
    name = ("first", "second")[index]
    at, epoch = getattr(world, name)

    def go(place: str, mine: int = epoch, **changes: object) -> World:
        return world._replace(**{name: (place, mine)}, **changes)

    rest = {"answers": put(world.answers, index, "")}
    if at == "idle":
        if world.messages:
            yield go("heard", 0, messages=world.messages - 1)
        return
    yield world._replace(**{name: IDLE}, **rest)  # it dies, or stops
    if at == "heard":
        yield from _claim(world, design, go)
    elif at == "saw queued" and world.epoch < MOST_SENDS:
        yield go("claimed", world.epoch + 1, row=CLAIMED, epoch=world.epoch + 1)
    elif at == "claimed":
        yield from _begin(world, design, index, go)
    elif at == "may send" and world.sends < MOST_SENDS + 1:
        flying = put(world.flying, index, world.flying[index] + 1)
        yield go("waits", sends=world.sends + 1, flying=flying)
    elif at == "sent early":
        if world.row == CLAIMED and world.epoch == epoch:
            yield go("waits", row=SENDING)
    elif at == "waits":
        yield from _hear_answer(world, design, index, go)


def _claim(world: World, design: Design, go) -> Iterator[World]:
    if not design.claim_compares:
        if world.row == QUEUED:
            yield go("saw queued")
    elif world.row == QUEUED and world.epoch < MOST_SENDS:
        yield go("claimed", world.epoch + 1, row=CLAIMED, epoch=world.epoch + 1)
    elif design.redelivery_resumes and world.row == SENDING:
        yield go("may send", world.epoch)


def _begin(world: World, design: Design, index: int, go) -> Iterator[World]:
    at_epoch = getattr(world, ("first", "second")[index])[1]
    mine = world.row == CLAIMED and world.epoch == at_epoch
    if mine:
        yield go("idle", 0, row=EXPIRED)  # preflight stops it
    if not (mine or not design.sending_compares):
        return
    phase = max(world.phase, FRESH)
    if design.commit_before_send:
        yield go("may send", row=SENDING, phase=phase)
    elif world.sends < MOST_SENDS:
        flying = put(world.flying, index, world.flying[index] + 1)
        yield go("sent early", phase=phase, sends=world.sends + 1, flying=flying)


def _hear_answer(world: World, design: Design, index: int, go) -> Iterator[World]:
    answer, quiet = world.answers[index], put(world.answers, index, "")
    if answer == "id":
        late = world.row in (SENDING, CLAIMED, UNKNOWN, NEEDS_HUMAN, NOT_EXECUTED, EXECUTED)
        yield go("idle", 0, row=CONFIRMED if late else world.row, answers=quiet)
    elif answer == "refusal":
        open_row = world.row in (SENDING, UNKNOWN)
        yield go("idle", 0, row=REJECTED if open_row else world.row, answers=quiet)
    if design.retry_after_timeout and world.sends < MOST_SENDS:
        yield go("may send")
    verdict = REJECTED if design.timeout_is_failure else UNKNOWN
    yield go("idle", 0, row=verdict if world.row == SENDING else world.row, answers=quiet)


def broker_steps(world: World) -> Iterator[World]:
    """Messages get lost and come twice; the sweep rings again for what is queued."""
    if world.messages:
        yield world._replace(messages=world.messages - 1)
    if world.repeats:
        yield world._replace(messages=min(2, world.messages + 1), repeats=world.repeats - 1)
    if world.row == QUEUED and not world.messages:
        yield world._replace(messages=1)


def timer_steps(world: World, design: Design) -> Iterator[World]:
    """The reaper, and what a person or a deadline may do before sending."""
    if world.row == CLAIMED:
        yield world._replace(row=QUEUED)
    if world.row in (QUEUED, CLAIMED) and not world.forgotten:
        yield world._replace(row=EXPIRED)
    if world.row == SENDING:
        yield world._replace(row=QUEUED if design.reaper_requeues else UNKNOWN)


def network_steps(world: World, design: Design, index: int) -> Iterator[World]:
    """Requests get lost, refused or admitted; what is admitted runs, and its answer may be lost."""
    waiting = getattr(world, ("first", "second")[index])[0] == "waits"
    flying, running = world.flying[index], world.running[index]

    def answered(text: str) -> tuple:
        return put(world.answers, index, text) if waiting else world.answers

    if flying:
        gone = put(world.flying, index, flying - 1)
        yield world._replace(flying=gone)
        yield world._replace(flying=gone, answers=answered("refusal"))
        if world.phase <= FRESH or not design.sign_before_commit:
            yield world._replace(flying=gone, running=put(world.running, index, running + 1))
            if design.edge_repeats and not world.executed and not running:
                yield world._replace(flying=gone, running=put(world.running, index, 2))
    if running and world.executed <= MOST_SENDS:
        done = {"running": put(world.running, index, running - 1), "executed": world.executed + 1}
        yield world._replace(**done)
        yield world._replace(**done, answers=answered("id"))
        if design.gateway_page_is_refusal:
            yield world._replace(**done, answers=answered("refusal"))


def exchange_time(world: World, design: Design) -> Iterator[World]:
    """Records become visible, others borrow, records are zeroed, and the bounds pass one by one."""
    if world.visible < world.executed:
        yield world._replace(visible=world.visible + 1)
    if design.may_zero and world.zeroed < world.visible:
        yield world._replace(zeroed=world.zeroed + 1)
    if design.others and not world.foreign and UNSIGNED < world.phase < NOTHING_RUNS:
        yield world._replace(foreign=1)
    if world.phase == FRESH:
        yield world._replace(phase=EXPIRED_THERE)
    if world.phase == EXPIRED_THERE and not any(world.running):
        yield world._replace(phase=NOTHING_RUNS)
    if world.phase == NOTHING_RUNS and world.visible == world.executed:
        yield world._replace(phase=ALL_VISIBLE)


def reconcile(world: World, design: Design) -> Iterator[World]:
    """One look at the records, and what the design makes of it."""
    if world.row != UNKNOWN:
        return
    equal = world.visible - world.zeroed
    equal += 0 if design.tagged else world.foreign
    equal += 0 if design.snapshot else 1  # an equal record from before the send
    for seen in {equal} if design.list_is_whole else range(equal + 1):
        if seen == 1:
            yield world._replace(row=EXECUTED)
        elif seen > 1:
            yield world._replace(row=NEEDS_HUMAN)
        elif world.phase >= design.horizon or (world.forgotten and world.phase == UNSIGNED):
            zero = world.zeroed and not design.zero_is_absence
            yield world._replace(row=NEEDS_HUMAN if zero else NOT_EXECUTED)


def lose_memory(world: World, design: Design) -> Iterator[World]:
    """The database forgets that it committed SENDING."""
    if not design.lost_commit or world.forgotten or world.row not in (SENDING, UNKNOWN):
        return
    dead = {} if design.workers_survive else {"first": IDLE, "second": IDLE, "answers": ("", "")}
    if design.stale_after_loss_expires:
        yield world._replace(row=EXPIRED, forgotten=1, **dead)
    elif design.recovery:
        yield world._replace(row=UNKNOWN, forgotten=1, **dead)
    else:
        yield world._replace(row=QUEUED, epoch=0, forgotten=1, **dead)


def broken(world: World, design: Design) -> Iterator[str]:
    """The invariants that this state breaks."""
    if world.sends > 1:
        yield "sent more than once"
    if world.executed > 1:
        yield "executed more than once"
    if world.row in (NOT_EXECUTED, REJECTED, EXPIRED) and world.executed:
        yield f"says {world.row} although it happened"
    if world.row in (CONFIRMED, EXECUTED) and not world.executed:
        yield f"says {world.row} although it did not happen"
    if world.row in (QUEUED, CLAIMED) and world.sends:
        yield "sendable again after a send"
    if world.row == NEEDS_HUMAN and not design.others and not world.zeroed:
        yield "asks a person although it can be decided"


@dataclass(frozen=True)
class Outcome:
    """What a walk over every state found."""

    states: int
    broken: frozenset[str]


def explore(design: Design, *, stop_at_first: bool = False) -> Outcome:
    """Visit every state. With `stop_at_first`, end as soon as an invariant breaks."""
    start = World()
    seen, line, found = {start}, deque([start]), set()
    leads_from: dict[World, list[World]] = {}
    while line:
        world = line.popleft()
        found.update(broken(world, design))
        if found and stop_at_first:
            return Outcome(len(seen), frozenset(found))
        for coming in steps(world, design):
            leads_from.setdefault(coming, []).append(world)
            if coming not in seen:
                seen.add(coming)
                line.append(coming)
    if _reach_final(seen, leads_from) != len(seen):
        found.add("a state from which it never ends")
    return Outcome(len(seen), frozenset(found))


def _reach_final(seen: set[World], leads_from: dict[World, list[World]]) -> int:
    """How many states can still come to an end."""
    good = {world for world in seen if world.row in FINAL}
    line = deque(good)
    while line:
        for earlier in leads_from.get(line.popleft(), ()):
            if earlier not in good:
                good.add(earlier)
                line.append(earlier)
    return len(good)


AS_BUILT = Design()
DECIDABLE = {
    "nobody else uses the account": AS_BUILT,
    "others do, and our amount is tagged": replace(AS_BUILT, others=True, tagged=True),
    "records may turn to zero": replace(AS_BUILT, may_zero=True),
    "commits get lost with the workers": replace(AS_BUILT, lost_commit=True),
    "commits get lost under live workers": replace(
        AS_BUILT, lost_commit=True, workers_survive=True
    ),
}
MUTANTS = {
    "retry the call after a timeout": {"retry_after_timeout": True},
    "call a timeout a failure": {"timeout_is_failure": True},
    "read a gateway's page as a refusal": {"gateway_page_is_refusal": True},
    "claim by reading, then writing": {"claim_compares": False, "sending_compares": False},
    "no fence at SENDING": {"sending_compares": False},
    "sign after the commit": {"sign_before_commit": False},
    "send first, commit after": {"commit_before_send": False},
    "the reaper queues SENDING again": {"reaper_requeues": True},
    "a second delivery resumes": {"redelivery_resumes": True},
    "no horizon": {"horizon": FRESH},
    "horizon without the processing bound": {"horizon": EXPIRED_THERE},
    "horizon without the visibility bound": {"horizon": NOTHING_RUNS},
    "no snapshot of known records": {"snapshot": False},
    "a list that may be cut": {"list_is_whole": False},
    "a record that reads zero counts as absent": {"may_zero": True, "zero_is_absence": True},
    "a forgotten send is queued again": {"lost_commit": True, "recovery": False},
    "a forgotten send expires": {"lost_commit": True, "stale_after_loss_expires": True},
    "a forgotten send is queued under live workers": {
        "lost_commit": True,
        "workers_survive": True,
        "recovery": False,
    },
    "the edge repeats our bytes": {"edge_repeats": True},
}
