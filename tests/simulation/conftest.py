"""`pytest tests/simulation --seed N` plays one seed alone and prints its steps."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--seed", type=int, default=None, help="play this seed of the simulation")
