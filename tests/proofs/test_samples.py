"""A part of each proof, small enough for every run; `python3 run.py prove` runs them whole."""

from tests.proofs.asking import SEED, prove
from tests.proofs.cells import CELLS
from tests.proofs.matrix import sample


def test_every_cell_of_the_matrix_has_a_name_of_its_own() -> None:
    assert len(CELLS) == len({cell.name for cell in CELLS}) == 534


def test_a_sample_of_the_matrix_touches_every_axis() -> None:
    chosen = sample(36, SEED)

    assert {cell.axis for cell in chosen} == {cell.axis for cell in CELLS}
    assert chosen == sample(36, SEED)


def test_crashes_and_faults_never_lead_to_a_second_send_or_a_false_verdict() -> None:
    figures = prove("matrix")

    assert figures["cells"] >= 36
    assert figures["most requests for one instruction"] == 1
    assert figures["most executions for one instruction"] == 1


def test_messages_delivered_forty_times_send_once() -> None:
    figures = prove("duplicates")

    assert (figures["deliveries"], figures["double sends"]) == (400, 0)


def test_of_sixty_four_simultaneous_submits_one_is_accepted() -> None:
    assert prove("submits")["accepted in each"] == "1"


def test_no_window_exceeds_the_documented_limit_when_the_database_gives_leave() -> None:
    figures = prove("limiter")

    assert figures["processes"] == 8
    assert figures["windows above the documented limit"] == 0


def test_the_books_of_a_busy_account_are_the_exchanges_to_the_last_digit() -> None:
    figures = prove("year")

    assert figures["loans"] > 150
    assert figures["loans that differ"] == 0
    assert figures["instants compared, and recomputed later"] == 4
