"""What must be true of every cell, whatever it was: verdict, counts, record, and the story told."""

from loans.models import FINAL, HAPPENED, NEVER_SENT, Instruction, InstructionEvent, State
from tests.proofs.bench import Bench, Case
from tests.proofs.cells import NOTHING, Cell

UNSENT = (*NEVER_SENT, *(State.QUEUED, State.CLAIMED, State.AWAITING_APPROVAL))


def faults_of(bench: Bench, case: Case, cell: Cell) -> list[str]:
    """Everything that is wrong with how the cell ended; empty if the promise held."""
    row = case.instruction
    executed, requests = bench.executed(case), bench.requests(case)
    ours = [loan for loan in executed if loan["id"] not in case.strange_loans]
    found = []
    if requests > 1 + case.strange_requests:
        found.append(f"{requests} requests reached the exchange")
    if len(ours) > 1:
        found.append(f"the exchange executed {len(ours)} times")
    state = row.state if row else NOTHING
    if (state, len(ours)) not in cell.ends:
        found.append(f"ended {state} with {len(ours)} executions, must be {_words(cell)}")
    if row is not None:
        found += _row_faults(row, ours, requests - case.strange_requests)
    if not case.may_raise:
        errors = [child.error for child in case.children if child.error]
        found += [f"a process raised: {error.splitlines()[-1]}" for error in errors]
    return found


def _words(cell: Cell) -> str:
    return " or ".join(f"{state} {times}" for state, times in sorted(cell.ends))


def _row_faults(row: Instruction, ours: list[dict], requests: int) -> list[str]:
    found = []
    happened = bool(ours)
    if row.state in HAPPENED:
        if not happened:
            found.append("said to have happened, and it did not")
        elif row.record is None:
            found.append("happened, and no record is bound")
        elif row.record.record_id != ours[0]["record_id"]:
            found.append(f"bound to {row.record.record_id}, the exchange's is {ours[0]}")
        elif row.record.principal != row.amount:
            found.append(f"bound to a record over {row.record.principal}")
    elif row.state in FINAL and happened:
        found.append("said not to have happened, and it did")
    if row.state in UNSENT and requests:
        found.append(f"never sent, yet {requests} requests arrived")
    if row.contradicted_at is not None:
        found.append("its verdict was contradicted later")
    if row.state in FINAL and row.state not in UNSENT and row.second_look_done_at is None:
        found.append("no second look was made")
    return found + _story_faults(row)


def _story_faults(row: Instruction) -> list[str]:
    """The state is the fold of the events, which follow on one another without a gap."""
    state, found = "", []
    events = InstructionEvent.objects.filter(instruction=row).order_by("sequence")
    for number, event in enumerate(events, start=1):
        if event.sequence != number or event.from_state != state:
            found.append(f"event {event} does not follow on {state or 'nothing'}")
        state = event.to_state
    if state != row.state:
        found.append(f"its events end in {state}, its row in {row.state}")
    return found
