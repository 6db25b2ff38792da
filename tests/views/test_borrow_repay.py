"""The borrow and repay pages: what they show, refuse and keep; nothing is stored by them."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from loans.models import (
    Account,
    Heartbeat,
    Instruction,
    MarginSide,
    Market,
    SiteState,
    State,
    Terms,
)
from loans.services import recovery
from loans.services.journal import Journal
from tests import factories
from tests.views.trade import Desk, make_desk, signed_in, text_of, token_of

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("path", ["/borrow/", "/repay/"])


@pytest.fixture
def desk() -> Desk:
    return make_desk(owed=True)


@BOTH
def test_the_page_shows_rate_debt_and_balance_without_asking_anybody(desk: Desk, path: str) -> None:
    response = desk.client.get(path, desk.fields())

    assert response.status_code == 200
    page = text_of(response)
    assert "0.0550" in page  # the rate a day, in percent
    assert "15.00034374" in page
    assert "by the account figures" in page
    assert 'value="20"' in page


def test_a_query_fills_in_the_form_and_its_costs(desk: Desk) -> None:
    page = text_of(desk.client.get("/borrow/", desk.fields(amount="100")))

    assert "0.00229166" in page  # the first hour of 100 USDT at 0.055 % a day
    assert "115.0026354" in page  # owed after: debt + amount + first hour


@pytest.mark.parametrize(("venue", "word"), [("paper", "PAPER"), ("bitmart", "LIVE")])
def test_the_accounts_of_the_form_are_told_apart_by_the_words_of_the_band(
    owner: User, venue: str, word: str
) -> None:
    desk = make_desk(owner=owner, venue=venue)

    assert f">{desk.account.label} ({word})</option>" in desk.client.get("/borrow/").text


def test_a_key_at_fault_is_not_the_usual_one(desk: Desk) -> None:
    factories.make_account(owner=desk.account.owner, label="Zweite")
    first, second = desk.account, "Zweite"
    assert f"{first.label} (PAPER)</option>" in chosen_account(desk)

    first.lights.create(name="reads", state="red", checked_at=desk.now)

    assert f"{second} (PAPER)</option>" in chosen_account(desk)


def chosen_account(desk: Desk) -> str:
    return desk.client.get("/borrow/").text.split(" selected>")[1].split("\n")[0]


def test_a_debt_that_was_never_read_is_a_dash(desk: Desk) -> None:
    MarginSide.objects.all().delete()

    for path in ("/borrow/", "/repay/"):
        page = text_of(desk.client.get(path, desk.fields(amount="100")))
        assert "The debt is not known." in page
        assert '<dt>Owed now</dt><dd><span class="unknown"' in page
        assert "of it interest" not in page


def test_amount_buttons_carry_exact_texts(desk: Desk) -> None:
    page = text_of(desk.client.get("/borrow/", desk.fields()))

    for exact in ("amount=33.78000000", "amount=67.56000000", "amount=135.12000000"):
        assert exact in page


def test_the_fragment_is_one_part_of_the_page(desk: Desk) -> None:
    headers = {"HX-Request": "true", "HX-Target": "trade-quote"}
    response = desk.client.get("/borrow/", desk.fields(), headers=headers)

    page = text_of(response)
    assert page.lstrip().startswith('<section id="trade-quote"')
    assert "<html" not in page


def test_only_listed_fragments_are_given(desk: Desk) -> None:
    headers = {"HX-Request": "true", "HX-Target": "secrets"}

    assert "<html" in text_of(desk.client.get("/borrow/", headers=headers))


@BOTH
def test_nobody_sees_it_without_signing_in(desk: Desk, path: str) -> None:
    assert Client().get(path).status_code == 302


@BOTH
@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(desk: Desk, path: str, method: str) -> None:
    assert getattr(desk.client, method)(path).status_code == 405


@BOTH
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_strangers_account_is_not_there(desk: Desk, path: str, method: str) -> None:
    stranger = signed_in(factories.make_person())

    response = getattr(stranger, method)(path, desk.fields())
    missing = getattr(stranger, method)(
        path, desk.fields(account="00000000-0000-4000-8000-000000000000")
    )

    assert response.status_code == missing.status_code == 404
    assert response.content == missing.content


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_viewer_is_told_why_nothing_can_be_moved(desk: Desk, method: str) -> None:
    viewer = factories.make_person()
    factories.make_share(account=desk.account, person=viewer)

    response = getattr(signed_in(viewer), method)("/borrow/", desk.fields())

    assert response.status_code == 403
    assert "shared with you as viewer" in text_of(response)


def test_a_trader_may_borrow_with_a_shared_account(desk: Desk) -> None:
    trader = factories.make_person()
    factories.make_share(account=desk.account, person=trader, role="trader")

    assert signed_in(trader).post("/borrow/", desk.fields()).status_code == 200


def test_without_a_key_the_page_says_what_to_do(owner: User) -> None:
    page = text_of(signed_in(owner).get("/borrow/"))

    assert "No key to trade with yet" in page


@BOTH
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter an amount"),
        ("abc", "Use digits and at most one point"),
        ("-1", "without a sign"),
        ("+1", "without a sign"),
        ("1e2", "without an exponent"),
        ("1,5", "without commas"),
        ("1 000", "without commas or spaces"),
        ("0", "above 0"),
        ("0.000", "above 0"),
        (".5", "Write a 0 before the point: 0.5"),
        ("5.", "leave it out: 5"),
        ("1.123456789", "at most 8 digits after the point; you typed 9"),
        ("1234567890123", "at most 12 digits before the point; you typed 13"),
        ("٣", "Use digits and at most one point"),
        ("1.2.3", "Use digits and at most one point"),
        ("NaN", "Use digits and at most one point"),
        ("9" * 65, "at most 12 digits"),
    ],
)
def test_a_badly_typed_amount_is_refused_and_kept(
    desk: Desk, path: str, typed: str, sentence: str
) -> None:
    response = desk.client.post(path, desk.fields() | {"amount": typed})

    assert response.status_code == 422
    page = text_of(response)
    assert sentence in page
    assert f'value="{typed}"' in page or not typed
    assert not Instruction.objects.exists()


@pytest.mark.parametrize(
    ("path", "amount", "sentence"),
    [
        ("/borrow/", "135.12000001", "You can borrow up to 135.12 USDT now."),
        ("/borrow/", "50000.1", "at most 50,000 USDT on BTC_USDT, and lends you 135.12 USDT now."),
        ("/repay/", "15.00034375", "You owe 15.00034374 USDT there."),
    ],
)
def test_an_amount_beyond_the_limits_is_refused_with_the_figure(
    desk: Desk, path: str, amount: str, sentence: str
) -> None:
    response = desk.client.post(path, desk.fields(amount=amount))

    assert response.status_code == 422
    assert sentence in text_of(response)


def test_missing_collateral_is_said_in_figures(desk: Desk) -> None:
    page = text_of(desk.client.post("/borrow/", desk.fields(amount="235.12")))

    assert "you lack about 25 USDT of collateral" in page  # 100 more at 5x: a quarter of it


def test_a_missing_balance_is_said_in_figures(desk: Desk) -> None:
    MarginSide.objects.update(available=10)

    page = text_of(desk.client.post("/repay/", desk.fields(amount="15")))

    assert "You lack 5 USDT in this pair&#x27;s margin account" in page


def test_an_amount_below_the_minimum_names_the_minimum(desk: Desk) -> None:
    desk.account.terms.update(min_borrow=30)
    Terms.objects.update(min_borrow=30)

    page = text_of(desk.client.post("/borrow/", desk.fields()))

    assert "lends at least 30 USDT" in page


def test_old_figures_refuse_nothing_themselves(desk: Desk) -> None:
    MarginSide.objects.update(as_of=desk.now - timedelta(minutes=10))

    assert desk.client.post("/repay/", desk.fields(amount="16")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"symbol": "NOPE_USDT"}, "“NOPE_USDT” is not listed"),
        ({"symbol": ""}, "Choose a pair"),
        ({"currency": "ETH"}, "“ETH” is not of this pair"),
        ({"account": ""}, "Choose an account"),
    ],
)
def test_what_does_not_exist_is_refused_beside_its_field(
    desk: Desk, changes: dict[str, str], sentence: str
) -> None:
    response = desk.client.post("/borrow/", desk.fields(**changes))

    assert response.status_code == 422
    assert sentence in text_of(response)


def test_the_confirm_page_says_everything_that_will_be_sent(desk: Desk) -> None:
    response = desk.client.post("/borrow/", desk.fields())

    assert response.status_code == 200
    page = text_of(response)
    assert "Borrow 20.00000000 USDT on BTC_USDT with Desk (PAPER)." in page
    assert "Borrow 20 USDT on paper" in page
    assert "0.00045833" in page  # the first hour
    assert token_of(response)
    assert not Instruction.objects.exists()


def test_real_money_is_named_on_the_button() -> None:
    desk = make_desk(venue="bitmart", allow_money=True)
    factories.give_second_factor(desk.owner)

    page = text_of(desk.client.post("/borrow/", desk.fields()))

    assert "Borrow 20 USDT, real money" in page
    assert "LIVE" in page


def test_repaying_all_shows_the_amount_and_the_cap_if_an_hour_turns(desk: Desk) -> None:
    response = desk.client.post("/repay/", desk.fields(amount="") | {"repay_all": "1"})

    assert response.status_code == 200
    page = text_of(response)
    assert "15.00034374" in page
    assert "at most" in page
    assert "15.00068748" in page


def test_a_link_to_repay_all_shows_the_same_and_places_nothing(desk: Desk) -> None:
    query = desk.fields(amount="") | {"repay_all": "on"}

    page = text_of(desk.client.get("/repay/", query))

    assert "at most" in page
    assert "15.00068748" in page
    assert not Instruction.objects.exists()
    assert desk.client.get("/repay/", {"repay_all": "on"}).status_code == 200


def test_repaying_all_without_account_figures_goes_by_the_records_and_says_so(desk: Desk) -> None:
    MarginSide.objects.all().delete()
    factories.make_borrow(account=desk.account, principal="15", interest="0.00034374")

    page = text_of(desk.client.post("/repay/", desk.fields(amount="") | {"repay_all": "1"}))

    assert "15.00034374" in page
    assert "The figure comes from the records" in page


def test_repaying_all_of_nothing_is_refused() -> None:
    desk = make_desk(owed=False)

    response = desk.client.post("/repay/", desk.fields(amount="") | {"repay_all": "1"})

    assert response.status_code == 422
    assert "Nothing is known to be owed" in text_of(response)


def test_a_choice_made_without_script_is_shown_by_a_reload(desk: Desk) -> None:
    response = desk.client.post("/borrow/", desk.fields() | {"show": "1"})

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/borrow/?account=")


@pytest.mark.parametrize(
    ("switch", "sentence"),
    [
        ({"stopped": True}, "The stop switch of Desk is on"),
        ({"repay_only": True}, "set to repaying only"),
    ],
)
def test_a_switch_of_the_account_stops_the_form(
    desk: Desk, switch: dict[str, bool], sentence: str
) -> None:
    Account.objects.update(**switch)

    response = desk.client.post("/borrow/", desk.fields())

    assert response.status_code == 409
    assert sentence in text_of(response)


def test_repaying_goes_on_while_borrowing_is_off(desk: Desk) -> None:
    Account.objects.update(repay_only=True)

    assert desk.client.post("/repay/", desk.fields(amount="15")).status_code == 200


def test_the_stop_switch_for_all_stops_repaying_too(desk: Desk) -> None:
    SiteState.load()
    SiteState.objects.update(stopped=True, stopped_reason="audit")

    response = desk.client.post("/repay/", desk.fields(amount="15"))

    assert response.status_code == 409
    assert "The stop switch for all accounts is on (audit)" in text_of(response)


def test_a_live_key_moves_money_only_once_its_owner_allowed_it() -> None:
    desk = make_desk(venue="bitmart", allow_money=False)

    response = desk.client.post("/borrow/", desk.fields())

    assert response.status_code == 409
    assert "has not allowed borrowing and repaying" in text_of(response)


@BOTH
def test_real_money_needs_a_second_factor_and_the_page_leads_to_it(path: str) -> None:
    desk = make_desk(venue="bitmart", allow_money=True, owed=True)

    response = desk.client.post(path, desk.fields(amount="10"))

    assert response.status_code == 409
    assert "needs a second factor" in text_of(response)
    assert 'href="/accounts/2fa/"' in text_of(response)
    assert not Instruction.objects.exists()
    factories.give_second_factor(desk.owner)
    assert token_of(desk.client.post(path, desk.fields(amount="10")))


@BOTH
def test_after_a_restore_nothing_is_asked_that_would_only_expire(
    desk: Desk, path: str, tmp_path: Path
) -> None:
    recovery.recover(journal=Journal(tmp_path / "sends"), now=desk.now, why="restored")

    response = desk.client.post(path, desk.fields(amount="10"))

    assert response.status_code == 409
    assert "The database was restored: nothing is sent until" in text_of(response)
    assert 'value="10"' in text_of(response)
    SiteState.objects.update(recovered_at=desk.now - timedelta(days=1))
    assert "have been read again" in text_of(desk.client.post(path, desk.fields(amount="10")))
    factories.make_feed(account=desk.account, name="records", last_success_at=desk.now)
    assert desk.client.post(path, desk.fields(amount="10")).status_code == 200


def test_an_open_instruction_in_the_same_place_is_linked(desk: Desk) -> None:
    holder = factories.make_instruction(account=desk.account, created_at=desk.now)

    response = desk.client.post("/borrow/", desk.fields())

    assert response.status_code == 409
    assert f"/instructions/{holder.pk}/" in text_of(response)


def test_an_open_borrow_does_not_hinder_a_repay(desk: Desk) -> None:
    factories.make_instruction(account=desk.account, state=State.SENDING, created_at=desk.now)

    assert desk.client.post("/repay/", desk.fields(amount="15")).status_code == 200


def test_old_terms_hold_a_borrow_back_but_not_a_repay(desk: Desk) -> None:
    Terms.objects.update(as_of=desk.now - timedelta(minutes=6))
    desk.account.terms.update(as_of=desk.now - timedelta(minutes=6))
    factories.make_feed(error="The paper exchange does not answer.")

    borrow = text_of(desk.client.post("/borrow/", desk.fields()))
    repay = desk.client.post("/repay/", desk.fields(amount="15"))

    assert "Look for newer figures" in borrow
    assert "last read 6 min ago: the paper exchange does not answer. Nothing is" in borrow
    assert 'name="token"' not in borrow
    assert token_of(repay)


def test_a_silent_worker_is_named_with_its_seconds(desk: Desk) -> None:
    Heartbeat.objects.update(at=desk.now - timedelta(seconds=90))

    assert "has been silent for 9" in text_of(desk.client.get("/borrow/", desk.fields()))


def test_text_that_people_chose_is_escaped() -> None:
    desk = make_desk(label="<img src=x onerror=alert(1)>")

    for response in (
        desk.client.get("/borrow/", desk.fields(amount="<b>")),
        desk.client.post("/borrow/", desk.fields()),
    ):
        assert "<img src=x" not in text_of(response)
        assert "<b>" not in text_of(response)


def test_what_is_wrong_with_an_amount_comes_below_its_field_while_it_is_typed(desk: Desk) -> None:
    query = desk.fields(amount="99999")
    headers = {"HX-Request": "true", "HX-Target": "trade-quote"}

    page = text_of(desk.client.get("/borrow/", query))
    fragment = text_of(desk.client.get("/borrow/", query, headers=headers))

    said = 'id="amount-said" class="said" role="status"'
    assert f"{said}>" in page
    assert f'{said} hx-swap-oob="true">' in fragment
    for text in (page, fragment):
        assert text.count("at most 50,000 USDT on BTC_USDT, and lends you 135.12 USDT now.") == 1
        assert "First hour, at once" not in text
        assert "Owed after" not in text


def test_a_disabled_pair_gives_one_reason_and_no_forecast(desk: Desk) -> None:
    Market.objects.update(enabled=False)
    desk.account.terms.update(borrowable=0)

    page = text_of(desk.client.get("/borrow/", desk.fields(amount="20")))

    assert page.count("notice-bad") == 1
    assert "The exchange has disabled BTC_USDT" in page
    for advice in ("collateral", "First hour, at once", "Owed after", 'class="primary large"'):
        assert advice not in page
    assert 'class="large" type="submit">Look at it' in page


def test_a_repayment_says_what_of_it_is_interest() -> None:
    desk = make_desk(owed=True)

    part = text_of(desk.client.post("/repay/", desk.fields(amount="0.0003")))
    more = text_of(desk.client.post("/repay/", desk.fields(amount="5")))

    assert "What it changes" in part
    assert "nothing: interest bears none" in part
    assert re.search(r"to interest, first</dt><dd>.*?0\.0003", part)
    assert re.search(r"and to principal</dt><dd>.*?4\.99965626", more)
    assert "nothing: interest bears none" not in more


def test_the_button_waits_as_long_as_the_server_refuses(desk: Desk, settings: Settings) -> None:
    settings.CONFIRM_MIN_SECONDS = Decimal("2.50")

    page = text_of(desk.client.post("/borrow/", desk.fields()))

    assert 'data-wait="2.5"' in page
