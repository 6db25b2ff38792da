"""Refusals in words: no code alone, every refusing code has a sentence with a way out."""

from decimal import Decimal

import pytest

from loans.bitmart.codes import CODES
from loans.models import Instruction, Kind
from loans.services import refusals
from tests import factories

REFUSING = sorted(code for code, row in CODES.items() if row.refuses)


def refused(code: int | None, kind: str = Kind.BORROW, **fields: object) -> Instruction:
    """An instruction that is not saved: words need no rows."""
    account = factories.Account(label="Desk", venue="paper")
    return Instruction(
        account=account, kind=kind, symbol="BTC_USDT", currency="USDT", code=code, **fields
    )


@pytest.mark.parametrize("code", REFUSING)
@pytest.mark.parametrize("kind", Kind)
def test_every_refusing_code_is_a_sentence_with_a_way_out(code: int, kind: Kind) -> None:
    sentence = refusals.sentence(refused(code, kind), None)

    what, way = sentence.split(f" ({code}). ")
    assert what.startswith("The exchange refused: ")
    assert way.endswith(".")
    assert "{" not in sentence
    assert "None" not in sentence


def test_the_figure_that_would_pass_is_named() -> None:
    sentence = refusals.sentence(refused(51004), Decimal("135.12000000"))

    assert sentence == (
        "The exchange refused: amount above what you can borrow now (51004). "
        "You can borrow up to 135.12 USDT."
    )


@pytest.mark.parametrize(
    ("code", "figure"),
    [(51004, "1"), (51005, "2"), (51006, "3"), (51024, "3"), (50020, "4"), (30005, None)],
)
def test_each_refusal_turns_on_its_own_figure(code: int, figure: str | None) -> None:
    figures = {
        "borrowable": Decimal(1),
        "least": Decimal(2),
        "owed": Decimal(3),
        "available": Decimal(4),
    }

    limit = refusals.passing_limit(refused(code), figures)

    assert limit == (None if figure is None else Decimal(figure))


def test_an_unheard_of_code_is_told_with_what_the_exchange_said() -> None:
    sentence = refusals.sentence(refused(99999, explanation="Something new"), None)

    assert sentence == "The exchange refused (99999). Something new"


def test_codes_that_settle_nothing_are_never_worded_as_refusals() -> None:
    unclear = [code for code in CODES if refusals.unclear(code)]

    assert unclear
    assert not set(unclear) & set(REFUSING)
