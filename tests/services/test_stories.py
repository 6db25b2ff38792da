"""Stories: what may have happened, until when it is watched, and what not to do meanwhile."""

from datetime import timedelta
from decimal import Decimal

import pytest

from loans.models import FINAL, UNDECIDED, Instruction, Kind, State
from loans.services import stories, words
from tests import factories
from tests.factories import NOW

HORIZON = timedelta(seconds=780)
FACTS = stories.Facts(now=NOW, horizon=HORIZON)


def told(state: str, kind: str = Kind.BORROW, **fields: object) -> Instruction:
    """An instruction that is not saved."""
    account = factories.Account(label="Desk", venue="paper")
    times = {"created_at": NOW, "expires_at": NOW + timedelta(seconds=60)}
    if state in UNDECIDED:
        fields = {"signed_at": NOW, "body_sha256": "5e" * 32} | fields
    return Instruction(
        account=account, kind=kind, symbol="BTC_USDT", currency="USDT", amount=Decimal(20),
        state=state, **(times | fields),
    )  # fmt: skip


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_every_state_has_whole_sentences(state: State, kind: Kind) -> None:
    story = stories.tell(told(state, kind), FACTS)

    assert story.headline
    for sentence in filter(None, (*story.paragraphs, story.warning)):
        assert sentence[0].isupper() or sentence[0].isdigit(), sentence
        assert sentence.endswith((".", "?")), sentence
        assert "None" not in sentence


@pytest.mark.parametrize("state", UNDECIDED)
def test_what_may_have_happened_is_not_to_be_repeated(state: State) -> None:
    assert "Do not repeat it" in stories.tell(told(state), FACTS).warning


def test_a_repay_that_may_have_happened_points_at_liquidation() -> None:
    assert "liquidation" in stories.tell(told(State.UNKNOWN, Kind.REPAY), FACTS).warning


def test_an_unknown_one_is_watched_until_nothing_can_arrive() -> None:
    story = stories.tell(told(State.UNKNOWN, clock_offset_ms=2000), FACTS)

    assert story.next_at == NOW + HORIZON - timedelta(seconds=2)


def test_after_that_the_next_look_is_named() -> None:
    later = stories.Facts(now=NOW + HORIZON, horizon=HORIZON)
    look_at = NOW + HORIZON + timedelta(seconds=30)

    assert stories.tell(told(State.UNKNOWN, look_at=look_at), later).next_at == look_at


def test_an_unclear_code_is_said_to_be_unclear() -> None:
    story = stories.tell(told(State.UNKNOWN, code=30016), FACTS)

    assert "maintenance (30016), which does not say whether." in story.paragraphs[0]


def test_a_contradicted_refusal_says_that_a_record_turned_up() -> None:
    story = stories.tell(told(State.REJECTED, code=51003, contradicted_at=NOW), FACTS)

    assert "a record turned up" in story.paragraphs[-1]


@pytest.mark.parametrize("state", State)
def test_only_what_rests_is_not_asked_for(state: State) -> None:
    assert (stories.polling_seconds(told(state)) is None) == (state in FINAL)


def test_the_sentence_names_deed_figure_place_key_and_money() -> None:
    assert words.sentence_of(told(State.QUEUED)) == (
        "Borrow 20.00000000 USDT on BTC_USDT with Desk (PAPER)."
    )


def test_real_money_is_said_in_the_sentence_and_on_the_button() -> None:
    live = told(State.QUEUED, Kind.REPAY)
    live.account.venue = "bitmart"

    assert words.sentence_of(live).endswith("with Desk (LIVE, real money).")
    assert (
        words.button(
            kind=Kind.REPAY, amount=Decimal("15.00034374"), currency="USDT", is_real_money=True,
            whole=True,
        )
        == "Repay all 15.00034374 USDT, real money"
    )  # fmt: skip


@pytest.mark.parametrize("state", [State.UNKNOWN, State.NEEDS_HUMAN])
def test_what_a_restored_database_forgot_is_not_said_to_have_been_sent(state: State) -> None:
    text = " ".join(stories.tell(told(state, body_sha256=""), FACTS).paragraphs)

    assert "was sent once," not in text
    assert "no longer knows" in text or "may have been sent" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": 51008}, "should be tried later (51008), which does not say whether."),
        ({"code": 59999, "explanation": "Odd"}, "code 59999, which settles nothing: Odd."),
        ({"http_status": 502, "explanation": "not JSON"}, "(HTTP 502) settles nothing: not JSON."),
        ({"explanation": "the connection was reset"}, "The connection was reset."),
        ({}, "The answer was lost."),
    ],
)
def test_why_an_answer_settles_nothing_is_a_whole_sentence(
    fields: dict[str, object], words: str
) -> None:
    assert words in stories.tell(told(State.UNKNOWN, **fields), FACTS).paragraphs[0]
