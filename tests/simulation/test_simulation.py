"""The money path in simulated worlds: crashes, lost and repeated messages, a bad network, other
people on the account, restored databases. Each seed is another history.
"""

import pytest

from tests.simulation.play import Failed, play_many

pytestmark = pytest.mark.django_db(transaction=True)

SEEDS = 200
TOGETHER = 20


def test_no_seed_breaks_the_promise(request: pytest.FixtureRequest, part: int) -> None:
    chosen = request.config.getoption("--seed", None)
    seeds = range(part, part + TOGETHER) if chosen is None else (chosen,)
    try:
        figures = play_many(seeds, tell=print if chosen is not None else None)
    except Failed as exc:
        pytest.fail(str(exc), pytrace=False)
    assert figures.seeds == len(seeds)
    if chosen is None:
        assert figures.requests > TOGETHER // 2, "the worlds have fallen asleep"


def test_a_seed_gives_the_same_history_again() -> None:
    histories: list[str] = []
    for _ in range(2):
        play_many((7,), tell=histories.append)

    assert histories[0] == histories[1]
    assert "exchange: " in histories[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All parts, or one for a chosen seed."""
    if "part" in metafunc.fixturenames:
        alone = metafunc.config.getoption("--seed", None) is not None
        metafunc.parametrize("part", [0] if alone else range(0, SEEDS, TOGETHER))
