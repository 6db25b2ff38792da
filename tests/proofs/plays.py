"""How the cells of the network, broker and process axes are played."""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta

from celery import current_app

from loans.tasks import send_instruction
from loans.tasks.bell import ring
from tests.proofs.bench import SECOND, Bench, Case, with_deadline
from tests.proofs.cells import NETWORK, Cell, Network
from tests.proofs.processes import Child, Step, steps

CLOSED_PORT = "http://127.0.0.1:9"
FAULTS = {fault.name: fault for fault in NETWORK}


def play_network(bench: Bench, cell: Cell) -> Case:
    """One crash, one network fault: place, send, die there, and let the others learn the truth."""
    fault = FAULTS[cell.second]
    case = bench.new_case(bounds=with_deadline(fault.deadline))
    arrange(bench, case, fault)
    crash_once(bench, case, cell.first)
    bench.rest(case)
    return case


def arrange(bench: Bench, case: Case, fault: Network) -> None:
    """Make the exchange, or the network, do that to the next money request."""
    order = dict(fault.order)
    bench.exchange.tamper(str(order.pop("tamper", "")))
    name = str(order.pop("fault", ""))
    if name == "closed port":
        case.money_url = CLOSED_PORT
    elif name:
        if name == "redirect":
            order["location"] = bench.exchange.base_url
        if "seconds" in order:
            case.after_request = lambda: _let_it_happen(bench, case, name)
        bench.exchange.paper.fault(name, kind="borrow", count=1, **order)


def _let_it_happen(bench: Bench, case: Case, name: str) -> None:
    """Some faults act later than the answer: bring the clock to where they do, and wait for it."""
    if name == "delay":
        bench.advance(70 * SECOND)  # what is held back arrives after its signature expired
    if name == "late_execution":
        bench.advance(300 * SECOND)
    if name in ("delay", "late_execution", "execute_then_delay"):
        _wait_until(lambda: _has_answered(bench))


def _has_answered(bench: Bench) -> bool:
    """Whether the last money request has been carried out or refused."""
    return bench.exchange.paper.books()["money"][-1]["code"] is not None


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until, "the exchange did not come to it"
        time.sleep(0.02)


def crash_once(bench: Bench, case: Case, crash: str, act: Step | None = None) -> None:
    """Place, send and look, with one process dying (or `act` acting) at `crash`."""
    doing = steps(kill_at=crash) if act is None else act
    place_in_child(bench, case, doing)
    bench.worker(case, doing).wait()
    bench.heed_request(case)
    if crash == "reconciling":
        look_in_child(bench, case, doing)


def place_in_child(bench: Bench, case: Case, doing: Step) -> Child:
    """The web process: it commits, and may die before it rings."""
    case.pk = _new_pk(bench, case, doing)
    return case.children[-1]


def _new_pk(bench: Bench, case: Case, doing: Step) -> str:
    read_end, write_end = os.pipe()

    def work() -> None:
        placed = bench.place(case)
        os.write(write_end, str(placed.pk).encode())
        doing("inserted")

    child = Child(work)
    case.children.append(child)
    os.close(write_end)
    child.wait()
    with os.fdopen(read_end) as pipe:
        return pipe.read()


def look_in_child(bench: Bench, case: Case, doing: Step) -> Child:
    """The first look, in a process of its own, once it is due."""
    row = case.instruction
    if row is not None and row.look_at is not None:
        bench.advance_to(row.look_at)
    return bench.looker(case, doing).wait()


def place_and_work(bench: Bench, case: Case, on_step: Step | None = None) -> None:
    """A person places, a worker takes it."""
    bench.place(case)
    bench.worker(case, on_step).wait()


# --- Broker -------------------------------------------------------------------------------------


def play_broker(bench: Bench, cell: Cell) -> Case:
    """One crash, with messages lost, repeated, late, out of order or never published."""
    case = bench.new_case()
    bench.exchange.tamper("")
    doing = steps(kill_at=cell.first)
    place_in_child(bench, case, doing)
    BROKER_TROUBLES[cell.second](bench, case, doing)
    bench.heed_request(case)
    if cell.first == "reconciling":
        look_in_child(bench, case, doing)
    bench.rest(case)
    return case


def _loses_all(bench: Bench, case: Case, doing: Step) -> None:
    """Only the sweep finds it."""
    bench.advance(2 * SECOND)
    if bench.sweep(case).to_send:
        bench.worker(case, doing).wait()


def _eight_times(bench: Bench, case: Case, doing: Step) -> None:
    """Eight workers at the same time."""
    for child in [bench.worker(case, doing) for _ in range(8)]:
        child.wait()


def _two_hours(bench: Bench, case: Case, doing: Step) -> None:
    """Nothing is delivered, not the sweep's messages either; then everything is."""
    for _ in range(4):
        bench.sweep(case)
        bench.advance(timedelta(minutes=30))
    bench.sweep(case)
    bench.worker(case, doing).wait()
    bench.looker(case).wait()


def _reorders(bench: Bench, case: Case, doing: Step) -> None:
    """The look comes first, then the sweep's message, then the first one."""
    bench.looker(case).wait()
    bench.worker(case, doing).wait()
    bench.worker(case).wait()


def _is_down(bench: Bench, case: Case, doing: Step) -> None:
    """Ringing finds nobody; the sweep does."""

    def ring_in_vain() -> None:
        current_app.conf.broker_url = "redis://127.0.0.1:9/0"
        ring(send_instruction, case.pk)

    child = Child(ring_in_vain)
    case.children.append(child)
    child.wait()
    _loses_all(bench, case, doing)


BROKER_TROUBLES: dict[str, Callable[[Bench, Case, Step], None]] = {
    "loses all": _loses_all,
    "delivers eight times": _eight_times,
    "delays two hours": _two_hours,
    "reorders": _reorders,
    "is down": _is_down,
}


# --- Processes ----------------------------------------------------------------------------------


def play_process(bench: Bench, cell: Cell) -> Case:
    """A signal at one step: told to end, killed from outside, or stopped and continued."""
    case = bench.new_case()
    bench.exchange.tamper("")
    if cell.second == "SIGTERM":
        crash_once(bench, case, cell.first, act=_told_to_end(cell.first))
    else:
        _stopped_there(bench, case, cell)
    bench.rest(case)
    return case


def _told_to_end(at: str) -> Step:
    """SIGTERM at that step; a Celery worker notes it and finishes the task under way."""

    def step(name: str) -> None:
        if name == at:
            signal.signal(signal.SIGTERM, lambda *_: None)
            os.kill(os.getpid(), signal.SIGTERM)

    return step


def _stopped_there(bench: Bench, case: Case, cell: Cell) -> None:
    def stopping() -> Step:
        return steps(stop_at=(cell.first,))

    read_end, write_end = os.pipe()

    def web() -> None:
        placed = bench.place(case)
        os.write(write_end, str(placed.pk).encode())
        stopping()("inserted")

    child = Child(web)
    case.children.append(child)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        case.pk = os.read(pipe.fileno(), 64).decode()
    _meet(bench, case, child, cell.second)
    _meet(bench, case, bench.worker(case, stopping()), cell.second)
    bench.heed_request(case)
    if cell.first == "reconciling":
        row = case.instruction
        if row is not None and row.look_at is not None:
            bench.advance_to(row.look_at)
        _meet(bench, case, bench.looker(case, stopping()), cell.second)


def _meet(bench: Bench, case: Case, child: Child, kind: str) -> None:
    """Wait for the child; where it stops, do to it what the cell says."""
    while not child.wait_for_stop():
        if kind.startswith("SIGKILL"):
            child.kill()
            return
        if kind == "stopped for 10 minutes":
            _others_work(bench, case, (31 * SECOND, 569 * SECOND))
        else:
            bench.advance(20 * SECOND)
            bench.worker(case).wait()
        child.go_on()


def _others_work(bench: Bench, case: Case, spans: tuple[timedelta, ...]) -> None:
    for passing in spans:
        bench.advance(passing)
        bench.turn(case)
