"""Instruction pages: the story of each state, who sees and who acts, and when the asking ends."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from loans.models import FINAL, OPEN, Heartbeat, Instruction, Kind, MarginSide, State
from tests import factories
from tests.views.trade import Desk, make_desk, signed_in, text_of

pytestmark = pytest.mark.django_db
FRAGMENT = {"HX-Request": "true", "HX-Target": "instruction-story"}


@pytest.fixture
def desk() -> Desk:
    return make_desk(owed=True)


def one(desk: Desk, state: str = State.QUEUED, **fields: object) -> Instruction:
    """An instruction of the desk in a state."""
    fields.setdefault("created_at", desk.now)
    return factories.make_instruction(account=desk.account, state=state, **fields)


def url(instruction: Instruction, action: str = "") -> str:
    return f"/instructions/{instruction.pk}/{action}"


def page_of(desk: Desk, instruction: Instruction) -> str:
    return text_of(desk.client.get(url(instruction)))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_every_state_is_told_in_words_and_named_for_programs(
    desk: Desk, state: State, kind: Kind
) -> None:
    page = page_of(desk, one(desk, state, kind=kind))

    assert page.count("data-state=") == 1
    assert f'data-state="{state}"' in page
    assert f"{kind.label} 20.00000000 USDT on BTC_USDT with Desk (PAPER)." in page


@pytest.mark.parametrize("state", FINAL)
def test_a_final_state_is_not_asked_for_again(desk: Desk, state: State) -> None:
    assert "hx-trigger" not in page_of(desk, one(desk, state)).split('id="instruction-story"')[1]


@pytest.mark.parametrize("state", OPEN)
def test_an_open_state_is_asked_for_again_and_reloads_without_script(
    desk: Desk, state: State
) -> None:
    instruction = one(desk, state)

    page = page_of(desk, instruction)

    seconds = 5 if state in (State.UNKNOWN, State.NEEDS_HUMAN, State.AWAITING_APPROVAL) else 1
    assert f'hx-trigger="every {seconds}s"' in page or state == State.AWAITING_APPROVAL
    assert f'href="{url(instruction)}"' in page


def test_a_confirmed_one_is_asked_for_until_its_record_is_found(desk: Desk) -> None:
    confirmed = one(desk, State.CONFIRMED, look_at=desk.now + timedelta(seconds=2))
    page = page_of(desk, confirmed)
    asked = re.search(r'hx-get="([^"]+)"', page).group(1)

    record = factories.make_borrow(account=desk.account, at=desk.now)
    Instruction.objects.update(look_at=None, borrow_record=record)
    found = text_of(desk.client.get(asked, headers=FRAGMENT))

    assert 'hx-trigger="every 2s"' in page
    assert "Its record is being looked up" in page
    assert f'href="/loans/{record.uuid}/"' in found
    assert "hx-trigger" not in found


def test_a_record_that_was_given_up_is_not_said_to_be_looked_up(desk: Desk) -> None:
    page = page_of(desk, one(desk, State.CONFIRMED, contradicted_at=desk.now))

    assert "complete list does not show it" in page
    assert "being looked up" not in page


@pytest.mark.parametrize(
    ("reason", "words"),
    [("record_not_bound", "More than one record fits it"), ("confirmed", "could not be read")],
)
def test_why_no_record_is_named_is_said_truly(desk: Desk, reason: str, words: str) -> None:
    assert words in page_of(desk, one(desk, State.CONFIRMED, reason=reason))


def test_what_is_left_after_repaying_all_comes_without_a_reload(desk: Desk) -> None:
    MarginSide.objects.update(as_of=desk.now - timedelta(seconds=30))
    repaid = {"kind": Kind.REPAY, "repay_all": True, "settled_at": desk.now}
    page = page_of(desk, one(desk, State.EXECUTED, **repaid))
    asked = re.search(r'hx-get="([^"]+)"', page).group(1)

    MarginSide.objects.update(
        as_of=desk.now + timedelta(seconds=1), borrow_unpaid=0, interest_unpaid=0
    )
    later = text_of(desk.client.get(asked, headers=FRAGMENT))

    assert "is read with the next account figures" in page
    assert "Nothing is left" in later
    assert "hx-trigger" not in later


def test_nothing_is_sent_while_nothing_has_changed(desk: Desk) -> None:
    instruction = one(desk, State.NEEDS_HUMAN)
    asked = re.search(r'hx-get="([^"]+)"', page_of(desk, instruction)).group(1)

    unchanged = desk.client.get(asked, headers=FRAGMENT)
    Instruction.objects.update(state=State.EXECUTED)
    changed = desk.client.get(asked, headers=FRAGMENT)

    assert unchanged.status_code == 204
    assert changed.status_code == 200
    assert text_of(changed).startswith('<div id="instruction-story"')


def test_the_fragment_says_the_outcome_aloud(desk: Desk) -> None:
    response = desk.client.get(url(one(desk, State.REJECTED, code=51004)), headers=FRAGMENT)

    assert "The exchange refused. No money moved." in text_of(response).split(">")[0]


def test_a_refusal_is_a_sentence_with_the_figure_that_would_pass(desk: Desk) -> None:
    page = page_of(desk, one(desk, State.REJECTED, code=51004, http_status=400))

    assert (
        "The exchange refused: amount above what you can borrow now (51004). "
        "You can borrow up to 135.12 USDT." in page
    )


def test_an_unknown_outcome_says_what_may_have_happened_and_what_not_to_do(desk: Desk) -> None:
    page = page_of(desk, one(desk, State.UNKNOWN, look_at=desk.now + timedelta(seconds=5)))

    assert "It may have happened" in page
    assert "Do not repeat it, here or at the exchange" in page
    assert "looked at again and again until" in page


def test_a_waiting_instruction_names_a_silent_worker_with_seconds(desk: Desk) -> None:
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=75))

    assert re.search(r"silent for 7\d s", page_of(desk, one(desk)))


def test_after_a_clean_no_the_same_figures_are_one_tap_away(desk: Desk) -> None:
    for state in (State.NOT_SENT, State.REJECTED, State.EXPIRED):
        page = page_of(desk, one(desk, state))

        assert f"/borrow/?account={desk.account.pk}&amp;symbol=BTC_USDT" in page
        assert "Place again with the same figures" in page


def test_what_happened_is_not_offered_again(desk: Desk) -> None:
    for state in (State.CONFIRMED, State.EXECUTED, State.UNKNOWN):
        assert "Place again" not in page_of(desk, one(desk, state, symbol=f"{state}_X"))


def test_repaying_more_than_is_owed_offers_to_repay_all(desk: Desk) -> None:
    page = page_of(desk, one(desk, State.REJECTED, kind=Kind.REPAY, code=51006))

    assert 'name="repay_all"' in page
    assert "You owe 15.00034374 USDT there." in page


def test_after_repaying_all_what_is_left_is_named_and_one_tap_away(desk: Desk) -> None:
    repaid = one(
        desk,
        State.CONFIRMED,
        kind=Kind.REPAY,
        repay_all=True,
        amount="15.00034374",
        created_at=desk.now - timedelta(minutes=2),
    )
    MarginSide.objects.update(borrow_unpaid=0, interest_unpaid="0.00034374")

    page = page_of(desk, repaid)

    assert "0.00034374" in page
    assert "is still owed" in page
    assert "Repay the rest" in page


def test_after_repaying_all_older_figures_say_nothing_yet(desk: Desk) -> None:
    repaid = one(desk, State.CONFIRMED, kind=Kind.REPAY, repay_all=True, amount="15")
    MarginSide.objects.update(as_of=desk.now - timedelta(minutes=1))

    page = page_of(desk, repaid)

    assert "is still owed" not in page
    assert "read with the next account figures" in page


def test_a_guess_of_the_signing_time_is_not_shown_as_one(desk: Desk) -> None:
    forgotten = one(desk, State.UNKNOWN, body_sha256="", reason="recovered")

    page = page_of(desk, forgotten)

    assert "Signed at" not in page
    assert "before it was restored" in page


# --- Who sees, who acts ------------------------------------------------------------------------


def test_nobody_sees_it_without_signing_in(desk: Desk) -> None:
    assert Client().get(url(one(desk))).status_code == 302


@pytest.mark.parametrize("action", ["", "cancel/", "decide/"])
def test_for_a_stranger_it_does_not_exist(desk: Desk, action: str) -> None:
    stranger = signed_in(factories.make_person())
    method = stranger.post if action else stranger.get

    there = method(url(one(desk), action))
    missing = method(f"/instructions/{uuid4()}/{action}")

    assert there.status_code == missing.status_code == 404
    assert there.content == missing.content


def test_a_viewer_sees_everything_and_no_button_that_acts(desk: Desk) -> None:
    viewer = factories.make_person()
    factories.make_share(account=desk.account, person=viewer)
    instruction = one(desk, State.NEEDS_HUMAN)

    page = text_of(signed_in(viewer).get(url(instruction)))

    assert "You have to decide" in page
    assert "Record my decision" not in page
    assert "The owner, or a trader of this account, decides." in page


@pytest.mark.parametrize("action", ["cancel/", "decide/"])
def test_a_viewer_who_acts_all_the_same_is_refused(desk: Desk, action: str) -> None:
    viewer = factories.make_person()
    factories.make_share(account=desk.account, person=viewer)
    instruction = one(desk)

    assert signed_in(viewer).post(url(instruction, action)).status_code == 403
    instruction.refresh_from_db()
    assert instruction.state == State.QUEUED


@pytest.mark.parametrize(
    ("method", "action"), [("post", ""), ("get", "cancel/"), ("get", "decide/")]
)
def test_other_methods_are_refused(desk: Desk, method: str, action: str) -> None:
    assert getattr(desk.client, method)(url(one(desk), action)).status_code == 405


# --- The list ----------------------------------------------------------------------------------


def test_the_list_shows_own_and_shared_ones_only(desk: Desk) -> None:
    mine = one(desk)
    other = make_other(desk)

    page = text_of(desk.client.get("/instructions/"))

    assert url(mine) in page
    assert url(other) not in page


def make_other(desk: Desk) -> Instruction:
    account = factories.make_account(owner=factories.make_person())
    return factories.make_instruction(account=account, created_at=desk.now)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("?state=open", 2),
        ("?state=UNKNOWN", 1),
        ("?state=happened", 1),
        ("?kind=repay", 1),
        ("?symbol=eth_usdt", 1),
        ("?state=nonsense&account=nonsense&after=nonsense", 4),
    ],
)
def test_the_list_narrows_by_its_filters(desk: Desk, query: str, count: int) -> None:
    one(desk, State.QUEUED)
    one(desk, State.UNKNOWN, kind=Kind.REPAY)
    one(desk, State.CONFIRMED)
    one(desk, State.REJECTED, symbol="ETH_USDT")

    page = text_of(desk.client.get(f"/instructions/{query}"))

    assert page.count("<tr data-opens>") == count


def test_pages_follow_each_other_without_loss_or_doubling(desk: Desk) -> None:
    for number in range(120):  # many in the same instant: the id decides
        one(desk, State.CONFIRMED, created_at=desk.now - timedelta(seconds=number // 40))
    seen: list[str] = []
    path = "/instructions/"
    while path:
        page = text_of(desk.client.get(path))
        seen += re.findall(r'<tr data-opens><th[^>]*><a href="([^"]+)"', page)
        older = re.search(r'href="(\?[^"]*after=[^"]+)">Older', page)
        path = f"/instructions/{older.group(1).replace('&amp;', '&')}" if older else ""

    assert len(seen) == len(set(seen)) == 120


def test_the_list_is_a_fragment_of_itself(desk: Desk) -> None:
    one(desk)
    headers = {"HX-Request": "true", "HX-Target": "instruction-table"}

    page = text_of(desk.client.get("/instructions/", headers=headers))

    assert page.startswith('<div id="instruction-table"')


def test_an_empty_list_says_what_will_appear(desk: Desk) -> None:
    assert "No instructions yet" in text_of(desk.client.get("/instructions/"))
