"""How the cells of the database and power axes are played."""

from loans.models import Instruction, State
from tests.proofs.bench import SECOND, Bench, Case
from tests.proofs.cells import Cell
from tests.proofs.database_faults import Saboteur
from tests.proofs.memory import Memory
from tests.proofs.processes import Child, steps


def play_database(bench: Bench, cell: Cell) -> Case:
    """One write fails once; whoever comes next finds what is there."""
    case = bench.new_case()
    case.may_raise = True
    bench.exchange.tamper("")
    saboteur = Saboteur(cell.first, cell.second)
    if cell.first == "insert":
        _sabotaged_insert(bench, case, cell, saboteur)
    else:
        bench.place(case)
    if cell.first == "record":
        bench.worker(case).wait()
        _sabotaged_look(bench, case, saboteur)
    else:
        _sabotaged_work(bench, case, saboteur)
    _must_not_be_sent_unless_committed(bench, case, cell)
    bench.rest(case)
    return case


def _sabotaged_insert(bench: Bench, case: Case, cell: Cell, saboteur: Saboteur) -> None:
    def work() -> None:
        with saboteur.hook():
            bench.place(case)

    assert Child(work).wait().error, "the write did not fail"
    exists = Instruction.objects.filter(nonce=case.nonce).exists()
    assert exists == (cell.second == "lost_in_commit")
    bench.place(case)  # the person tries again with the same page


def _sabotaged_work(bench: Bench, case: Case, saboteur: Saboteur) -> None:
    def work() -> None:
        with saboteur.hook():
            bench.work(case, saboteur.step)

    child = Child(work).wait()
    assert child.error or saboteur.is_for("insert"), "the write did not fail"


def _sabotaged_look(bench: Bench, case: Case, saboteur: Saboteur) -> None:
    row = case.instruction
    bench.advance_to(row.look_at)

    def work() -> None:
        with saboteur.hook():
            bench.look(case)

    assert Child(work).wait().error, "the write did not fail"


def _must_not_be_sent_unless_committed(bench: Bench, case: Case, cell: Cell) -> None:
    if cell.first in ("claim", "sending"):
        assert bench.requests(case) == 0, "it was sent although the write failed"


# --- Power and failover -------------------------------------------------------------------------

# Which commit is lost -> the step just before it and the step just after it.
AROUND = {
    "claim": ("received", "claimed"),
    "sending": ("signed", "sending"),
    "outcome": ("answered", "stored"),
}


def play_power(bench: Bench, cell: Cell) -> Case:
    """A commit is made and then lost, while the worker that made it is dead, or lives on."""
    case = bench.new_case()
    case.may_raise = cell.second == "live worker"  # its connection breaks
    bench.exchange.tamper("")
    is_dead = cell.second == "dead worker"
    if cell.first == "insert":
        memory = Memory(bench.folder)
        bench.place(case)
        memory.bring_back()
        bench.worker(case).wait()
    elif cell.first == "record":
        _lose_the_record(bench, case, is_dead)
    else:
        bench.place(case)
        before, after = AROUND[cell.first]
        if is_dead and cell.first == "sending":
            after = "written"  # what is forgotten has happened
        _lose(bench, case, before, after, is_dead=is_dead)
    # Whoever brings a database back takes his time.
    bench.advance(2 * SECOND if cell.first == "claim" else 3600 * SECOND)
    bench.rest(case)
    return case


def _lose(bench: Bench, case: Case, before: str, after: str, *, is_dead: bool) -> None:
    child = bench.worker(case, steps(stop_at=(before, after)))
    assert not child.wait_for_stop()
    memory = Memory(bench.folder)
    child.go_on()
    assert not child.wait_for_stop()
    memory.bring_back()
    _end(child, is_dead=is_dead)


def _end(child: Child, *, is_dead: bool) -> None:
    """A stopped process dies, or lives on to its end."""
    if is_dead:
        child.kill()
    else:
        child.go_on()
        child.wait()


def _lose_the_record(bench: Bench, case: Case, is_dead: bool) -> None:
    bench.place(case)
    bench.worker(case).wait()
    bench.advance_to(case.instruction.look_at)
    memory = Memory(bench.folder)
    child = bench.looker(case, steps(stop_at=("bound",)))
    assert not child.wait_for_stop()
    assert case.instruction.record is not None
    memory.bring_back()
    assert case.instruction.state == State.CONFIRMED
    assert case.instruction.record is None
    _end(child, is_dead=is_dead)
