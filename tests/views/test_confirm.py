"""The confirmation: one token places one instruction, and only exactly what was shown."""

import re
from dataclasses import replace

import pytest

from loans.models import Account, AccountShare, Instruction, Kind, MarginAccount, State, Terms
from tests import factories
from tests.views.people import let_time_pass, sign_in
from tests.views.trade import Desk, aged, altered, make_desk, signed_in, text_of, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return make_desk(owed=True)


def shown(desk: Desk, path: str = "/borrow/", *, seconds: int = 5, **changes: str) -> str:
    """The token of a confirm page that was shown some seconds ago."""
    amount = changes.pop("amount", "20" if path == "/borrow/" else "15")
    return aged(token_of(desk.client.post(path, desk.fields(amount=amount))), seconds=seconds)


@pytest.mark.parametrize("path", ["/borrow/", "/repay/"])
def test_a_confirmation_places_what_was_shown_and_leads_to_it(desk: Desk, path: str) -> None:
    response = desk.client.post(f"{path}confirm/", {"token": shown(desk, path)})

    placed = Instruction.objects.get()
    assert response.status_code == 303
    assert response.headers["Location"] == f"/instructions/{placed.pk}/"
    assert placed.kind == path.strip("/")
    assert (placed.symbol, placed.currency, placed.state) == ("BTC_USDT", "USDT", State.QUEUED)
    assert format(placed.amount, "f") == ("20.00000000" if path == "/borrow/" else "15.00000000")
    assert format(placed.rate_shown, "f").startswith("0.00055")
    assert placed.requested_by == desk.owner


def test_repay_all_keeps_the_amount_and_the_cap(desk: Desk) -> None:
    page = desk.client.post("/repay/", desk.fields(amount="") | {"repay_all": "1"})

    desk.client.post("/repay/confirm/", {"token": aged(token_of(page), seconds=5)})

    placed = Instruction.objects.get()
    assert placed.repay_all
    assert format(placed.amount_confirmed, "f") == "15.00034374"
    assert format(placed.amount_cap, "f") == "15.00068748"


def test_what_was_never_read_is_not_shown_as_nothing(desk: Desk) -> None:
    MarginAccount.objects.all().delete()

    page = text_of(desk.client.post("/repay/", desk.fields(amount="15")))

    assert "The debt is not known." in page
    assert page.count('<td class="n"><span class="unknown"') == 4  # owed and free, now and after
    for words in ("Principal owed", "Interest owed", "Saved a day"):
        assert words not in page


def test_a_second_press_leads_to_the_same_instruction(desk: Desk) -> None:
    token = shown(desk)

    first = desk.client.post("/borrow/confirm/", {"token": token})
    second = desk.client.post("/borrow/confirm/", {"token": token})

    assert first.headers["Location"] == second.headers["Location"]
    assert Instruction.objects.count() == 1


def test_going_back_and_pressing_much_later_leads_to_the_same_instruction(desk: Desk) -> None:
    token = shown(desk)
    first = desk.client.post("/borrow/confirm/", {"token": token})

    much_later = desk.client.post("/borrow/confirm/", {"token": aged(token, seconds=3600)})

    assert much_later.headers["Location"] == first.headers["Location"]
    assert Instruction.objects.count() == 1


def test_quicker_than_anybody_reads_shows_the_same_page_with_the_same_token(desk: Desk) -> None:
    token = token_of(desk.client.post("/borrow/", desk.fields()))

    response = desk.client.post("/borrow/confirm/", {"token": token})

    assert response.status_code == 200
    assert token_of(response) == token
    assert "Nothing was placed: these figures were shown for less than" in text_of(response)
    assert not Instruction.objects.exists()


def test_figures_shown_too_long_ago_are_shown_anew(desk: Desk) -> None:
    old = shown(desk, seconds=121)

    response = desk.client.post("/borrow/confirm/", {"token": old})

    assert response.status_code == 409
    assert "shown too long ago" in text_of(response)
    assert "Borrow 20.00000000 USDT" in text_of(response)
    assert token_of(response) != old
    assert not Instruction.objects.exists()


def test_the_fresh_token_of_an_old_page_places(desk: Desk) -> None:
    anew = desk.client.post("/borrow/confirm/", {"token": shown(desk, seconds=121)})

    response = desk.client.post("/borrow/confirm/", {"token": aged(token_of(anew), seconds=5)})

    assert response.status_code == 303


@pytest.mark.parametrize("position", [0, 5, 20, 60, -1, -10, -30])
def test_one_changed_letter_anywhere_places_nothing(desk: Desk, position: int) -> None:
    token = list(shown(desk))
    token[position] = "A" if token[position] != "A" else "B"

    response = desk.client.post(
        "/borrow/confirm/", {"token": "".join(token), **desk.fields(amount="7")}
    )

    assert response.status_code == 409
    assert "Borrow 7.00000000 USDT" in text_of(response)  # what the hidden fields ask, shown anew
    assert not Instruction.objects.exists()


@pytest.mark.parametrize("token", ["", "x", "a:b:c", "é" * 40, "." * 5000])
def test_nonsense_for_a_token_places_nothing(desk: Desk, token: str) -> None:
    response = desk.client.post("/borrow/confirm/", {"token": token})

    assert response.status_code == 409
    assert not Instruction.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"person": "999999"},
        {"session": "0" * 24},
        {"kind": "repay"},
        {"amount": "NaN"},
        {"amount": "many"},
        {"amount_cap": []},
        {"rate_shown": None},
        {"shown_at": "yesterday"},
        {"shown_at": "2026-11-22T00:00:00"},
        {"surplus": "1"},
    ],
)
def test_a_token_of_another_place_time_or_shape_places_nothing(
    desk: Desk, changes: dict[str, object]
) -> None:
    response = desk.client.post("/borrow/confirm/", {"token": altered(shown(desk), **changes)})

    assert response.status_code == 409
    assert not Instruction.objects.exists()


def test_a_token_from_the_future_places_nothing(desk: Desk) -> None:
    response = desk.client.post("/borrow/confirm/", {"token": shown(desk, seconds=-60)})

    assert response.status_code == 409
    assert not Instruction.objects.exists()


def test_a_token_does_not_outlive_its_session(desk: Desk) -> None:
    token = shown(desk)

    response = signed_in(desk.owner).post("/borrow/confirm/", {"token": token})

    assert response.status_code == 409
    assert "signed in anew" in text_of(response)
    assert not Instruction.objects.exists()


def test_a_colleagues_token_places_nothing(desk: Desk) -> None:
    colleague = factories.make_person()
    factories.make_share(account=desk.account, person=colleague, role="trader")

    response = signed_in(colleague).post("/borrow/confirm/", {"token": shown(desk)})

    assert response.status_code == 409
    assert "made for somebody else" in text_of(response)
    assert not Instruction.objects.exists()


def test_a_borrow_token_does_not_repay(desk: Desk) -> None:
    response = desk.client.post("/repay/confirm/", {"token": shown(desk)})

    assert response.status_code == 409
    assert not Instruction.objects.exists()


def test_rights_taken_away_between_look_and_press_place_nothing(desk: Desk) -> None:
    trader = factories.make_person()
    share = factories.make_share(account=desk.account, person=trader, role="trader")
    client = signed_in(trader)
    token = aged(token_of(client.post("/borrow/", desk.fields())), seconds=5)
    AccountShare.objects.filter(pk=share.pk).update(role="viewer")

    response = client.post("/borrow/confirm/", {"token": token})

    assert response.status_code == 403
    assert not Instruction.objects.exists()


def test_an_account_unshared_between_look_and_press_is_not_there(desk: Desk) -> None:
    trader = factories.make_person()
    factories.make_share(account=desk.account, person=trader, role="trader")
    client = signed_in(trader)
    token = aged(token_of(client.post("/borrow/", desk.fields())), seconds=5)
    AccountShare.objects.all().delete()

    assert client.post("/borrow/confirm/", {"token": token}).status_code == 404
    assert not Instruction.objects.exists()


def test_a_switch_turned_on_between_look_and_press_places_nothing(desk: Desk) -> None:
    token = shown(desk)
    Account.objects.update(stopped=True)

    response = desk.client.post("/borrow/confirm/", {"token": token})

    assert response.status_code == 409
    assert 'value="20' in text_of(response)
    assert not Instruction.objects.exists()


def test_somebody_first_in_the_same_place_is_linked_and_the_typing_kept(desk: Desk) -> None:
    token = shown(desk)
    holder = factories.make_instruction(account=desk.account, amount="3", created_at=desk.now)

    response = desk.client.post("/borrow/confirm/", {"token": token})

    assert response.status_code == 409
    page = text_of(response)
    assert f"/instructions/{holder.pk}/" in page
    assert 'value="20' in page
    assert Instruction.objects.count() == 1


def test_a_rate_that_rose_since_is_shown_before_anything_is_placed(desk: Desk) -> None:
    token = shown(desk)
    Terms.objects.update(daily_rate="0.0006")
    desk.account.terms.update(daily_rate="0.0006")

    response = desk.client.post("/borrow/confirm/", {"token": token})

    assert response.status_code == 409
    page = text_of(response)
    assert "0.055000 %" in page
    assert "0.060000 %" in page
    assert not Instruction.objects.exists()


def test_a_rate_that_rose_does_not_hold_a_repayment_back(desk: Desk) -> None:
    token = shown(desk, "/repay/")
    Terms.objects.update(daily_rate="0.0006")
    desk.account.terms.update(daily_rate="0.0006")

    assert desk.client.post("/repay/confirm/", {"token": token}).status_code == 303


def test_the_same_again_within_ten_minutes_wants_a_tick(desk: Desk) -> None:
    earlier = factories.make_instruction(
        account=desk.account, state=State.CONFIRMED, created_at=desk.now
    )
    token = shown(desk)

    without = desk.client.post("/borrow/confirm/", {"token": token})
    ticked = desk.client.post("/borrow/confirm/", {"token": token, "again": "1"})

    assert without.status_code == 422
    assert f"/instructions/{earlier.pk}/" in text_of(without)
    assert token_of(without) == token
    assert ticked.status_code == 303


def just_signed_in(desk: Desk) -> Desk:
    """The same desk, its owner having typed the password a moment ago."""
    return replace(desk, client=sign_in(desk.owner))


def test_another_beside_an_unknown_one_wants_a_tick_and_another_amount(desk: Desk) -> None:
    desk = just_signed_in(desk)
    factories.make_instruction(
        account=desk.account, state=State.UNKNOWN, amount="5", created_at=desk.now
    )
    token = shown(desk)

    without = desk.client.post("/borrow/confirm/", {"token": token})
    ticked = desk.client.post("/borrow/confirm/", {"token": token, "in_addition": "1"})

    assert without.status_code == 422
    assert ticked.status_code == 303
    assert Instruction.objects.get(amount=20).lane == 1


@pytest.mark.parametrize("kind", Kind.values)
def test_in_addition_wants_the_password_and_shows_the_same_figures_again(
    desk: Desk, kind: str
) -> None:
    desk, path = just_signed_in(desk), f"/{kind}/"
    factories.make_instruction(
        account=desk.account, state=State.UNKNOWN, amount="5", created_at=desk.now, kind=kind
    )
    press = {"token": shown(desk, path), "in_addition": "1"}
    let_time_pass(desk.client, seconds=601)

    asked = desk.client.post(f"{path}confirm/", press)
    assert asked.url.startswith("/accounts/reauthenticate/")
    assert Instruction.objects.count() == 1
    back = desk.client.post(asked.url, {"password": factories.PASSWORD})

    assert back.url.startswith(path)
    assert re.search(r'value="(20|15)"', text_of(desk.client.get(back.url)))
    placed = desk.client.post(f"{path}confirm/", press)
    assert placed.headers["Location"].startswith("/instructions/")


def test_after_the_password_repaying_all_is_shown_again_as_such(desk: Desk) -> None:
    desk = just_signed_in(desk)
    factories.make_instruction(
        account=desk.account, state=State.UNKNOWN, created_at=desk.now, kind=Kind.REPAY
    )
    page = desk.client.post("/repay/", desk.fields(amount="") | {"repay_all": "1"})
    let_time_pass(desk.client, seconds=601)

    press = {"token": aged(token_of(page), seconds=5), "in_addition": "1"}
    asked = desk.client.post("/repay/confirm/", press)
    back = desk.client.post(asked.url, {"password": factories.PASSWORD})

    again = desk.client.get(back.url)
    assert "at most" in text_of(again)
    assert token_of(again)


def test_an_equal_amount_beside_an_unknown_one_is_refused(desk: Desk) -> None:
    desk = just_signed_in(desk)
    factories.make_instruction(
        account=desk.account, state=State.UNKNOWN, amount="20", created_at=desk.now
    )

    response = desk.client.post("/borrow/confirm/", {"token": shown(desk), "in_addition": "1"})

    assert response.status_code == 409
    assert "another amount" in text_of(response).lower()
    assert Instruction.objects.count() == 1


def test_confirming_is_a_post(desk: Desk) -> None:
    for kind in Kind.values:
        assert desk.client.get(f"/{kind}/confirm/").status_code == 405


def test_the_hidden_fields_beside_the_token_place_nothing_of_their_own(desk: Desk) -> None:
    desk.client.post(
        "/borrow/confirm/", {"token": shown(desk), **desk.fields(amount="99", currency="BTC")}
    )

    placed = Instruction.objects.get()
    assert (format(placed.amount, "f"), placed.currency) == ("20.00000000", "USDT")


FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def offered(page: str) -> dict[str, str]:
    """The fields of the form that offers an amount tag."""
    form = next(form for form in page.split("<form")[1:] if "Others use this account too" in form)
    fields = dict(FIELD.findall(form))
    assert fields.pop("csrfmiddlewaretoken")
    return fields


@pytest.mark.parametrize(
    ("path", "typed", "tagged"),
    [("/borrow/", "20", "20.00000001"), ("/repay/", "15", "14.99999999")],
)
def test_where_others_use_the_account_an_amount_of_ones_own_is_offered_and_shown_anew(
    desk: Desk, path: str, typed: str, tagged: str
) -> None:
    Account.objects.update(mode=Account.Mode.SHARED)

    page = text_of(desk.client.post(path, desk.fields(amount=typed)))
    fields = offered(page)
    anew = desk.client.post(path, fields)

    assert f'Send <strong class="num">{tagged}</strong> instead of' in page
    assert fields == desk.fields(amount=tagged)
    assert f"{tagged} USDT on BTC_USDT" in text_of(anew)
    assert "Others use this account too" not in text_of(anew)
    assert token_of(anew)
    assert not Instruction.objects.exists()


def test_no_tag_is_offered_where_nobody_else_uses_the_account(desk: Desk) -> None:
    assert "Others use this account" not in text_of(desk.client.post("/borrow/", desk.fields()))


def test_repaying_everything_needs_no_tag(desk: Desk) -> None:
    Account.objects.update(mode=Account.Mode.SHARED)

    page = desk.client.post("/repay/", desk.fields(amount="") | {"repay_all": "1"})

    assert "Others use this account" not in text_of(page)
