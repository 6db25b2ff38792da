"""Borrowing and repaying in a browser: with script and without, by pointer, and for everybody."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from loans.models import Heartbeat, Instruction, Side, State
from loans.services.transitions import move
from tests import factories
from tests.browser.conftest import OpenPage
from tests.browser.test_looks import scrolls_sideways, violations
from tests.views.trade import Desk, make_desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk() -> Desk:
    desk = make_desk(owed=True)
    other = factories.make_market(symbol="1000SATS_USDT", as_of=desk.now)
    for side in Side:
        factories.make_terms(market=other, side=side, as_of=desk.now, daily_rate="0.001")
    return desk


def address(desk: Desk, kind: str = "borrow", **changes: str) -> str:
    fields = desk.fields(**changes)
    return f"/{kind}/?" + "&".join(f"{name}={value}" for name, value in fields.items())


def confirm(page: Page, words: str) -> None:
    """Press the last button, as soon as it counts."""
    page.wait_for_timeout(2100)
    page.get_by_role("button", name=words).click()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_of_a_borrow_is_accessible(desk: Desk, open_page: OpenPage, theme: str) -> None:
    page = open_page(address(desk), person=desk.owner, color_scheme=theme)
    assert violations(page) == []
    page.fill("#id_amount", "1e5")
    page.click("#trade-form .primary")
    assert violations(page) == []
    page.fill("#id_amount", "20")
    page.click("#trade-form .primary")
    expect(page.get_by_role("heading", name="Borrow 20.00000000 USDT")).to_be_visible()
    assert violations(page) == []
    page.goto(address(desk, "repay", amount="15"))
    assert violations(page) == []


def test_who_is_refused_goes_on_in_the_field_that_is_wrong(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(address(desk), person=desk.owner)

    page.fill("#id_amount", "1e5")
    page.click("#trade-form .primary")

    expect(page.locator("#id_amount_error")).to_be_visible()
    expect(page.locator("#id_amount")).to_be_focused()


@pytest.mark.parametrize("state", [State.QUEUED, State.CONFIRMED, State.REJECTED, State.UNKNOWN])
def test_an_instructions_page_is_accessible(desk: Desk, open_page: OpenPage, state: State) -> None:
    row = factories.make_instruction(account=desk.account, state=state, created_at=desk.now)

    page = open_page(f"/instructions/{row.pk}/", person=desk.owner)

    assert violations(page) == []


def test_a_decision_and_the_list_are_accessible(desk: Desk, open_page: OpenPage) -> None:
    row = factories.make_instruction(
        account=desk.account, state=State.NEEDS_HUMAN, created_at=desk.now
    )
    page = open_page(f"/instructions/{row.pk}/", person=desk.owner)
    assert violations(page) == []
    page.goto("/instructions/")
    assert violations(page) == []


@pytest.mark.parametrize("kind", ["borrow", "repay"])
def test_the_widest_figures_fit_a_phone(desk: Desk, open_page: OpenPage, kind: str) -> None:
    desk.account.terms.update(borrowable="99999999999.12345678", max_borrow="199999999999")
    page = open_page(
        address(desk, kind, amount="99999999999.12345678"), person=desk.owner, width=390
    )

    assert not scrolls_sideways(page)
    page.click("#trade-form .primary")
    assert not scrolls_sideways(page)


def test_figures_follow_the_choice_and_the_typing(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(address(desk), person=desk.owner)

    page.select_option("#id_symbol", "1000SATS_USDT")
    expect(page.locator("#quote-title")).to_have_text("USDT on 1000SATS_USDT")
    page.select_option("#id_symbol", "BTC_USDT")
    expect(page.locator("#quote-title")).to_have_text("USDT on BTC_USDT")
    page.locator("#id_amount").fill("100")
    expect(page.locator("#trade-quote")).to_contain_text("0.00229166")

    expect(page.locator("#id_amount")).to_be_focused()
    expect(page).to_have_url(re.compile("amount=100"))


def test_typing_while_new_figures_are_on_their_way_is_kept(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(address(desk, amount="1"), person=desk.owner)
    page.route("**/borrow/?*", lambda route: (page.wait_for_timeout(300), route.continue_()))

    page.select_option("#id_symbol", "1000SATS_USDT")
    page.locator("#id_amount").fill("77")

    expect(page.locator("#quote-title")).to_have_text("USDT on 1000SATS_USDT")
    expect(page.locator("#id_amount")).to_have_value("77")
    expect(page.locator("#trade-quote")).to_contain_text("0.00320832")  # 77 at 0.1 % a day


def test_a_part_of_the_most_is_filled_in_exactly(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(address(desk), person=desk.owner)

    page.get_by_role("link", name="25 %").click()

    expect(page.locator("#id_amount")).to_have_value("33.78000000")
    expect(page.locator("#trade-quote")).to_contain_text("33.78 of 135.12")


@pytest.mark.parametrize("script", [True, False])
def test_a_borrow_is_placed_with_script_and_without(
    desk: Desk, open_page: OpenPage, script: bool
) -> None:
    page = open_page("/borrow/", person=desk.owner, java_script_enabled=script)
    page.select_option("#id_symbol", "BTC_USDT")
    page.fill("#id_amount", "20")
    page.get_by_role("button", name="Show figures").click()
    expect(page.locator("#trade-quote")).to_contain_text("0.00045833")
    page.click("#trade-form .primary")

    confirm(page, "Borrow 20 USDT on paper")

    expect(page.locator("[data-state]")).to_have_attribute("data-state", "QUEUED")
    assert Instruction.objects.count() == 1


def test_two_quick_presses_are_one_instruction(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(address(desk), person=desk.owner)
    page.click("#trade-form .primary")
    page.wait_for_timeout(2100)

    page.get_by_role("button", name="Borrow 20 USDT on paper").dblclick()

    expect(page.locator("[data-state]")).to_be_visible()
    assert Instruction.objects.count() == 1


def test_the_page_follows_to_the_outcome_says_it_and_falls_silent(
    desk: Desk, open_page: OpenPage
) -> None:
    row = factories.make_instruction(account=desk.account, created_at=desk.now)
    page = open_page(f"/instructions/{row.pk}/", person=desk.owner)
    expect(page.locator("[data-state]")).to_have_attribute("data-state", "QUEUED")

    move(
        row, sources=(State.QUEUED,), to=State.CANCELLED, now=timezone.now(), note="Taken back.",
        settled_at=timezone.now(),
    )  # fmt: skip

    expect(page.locator("[data-state]")).to_have_attribute("data-state", "CANCELLED")
    expect(page.locator("#live")).to_contain_text("Cancelled. Nothing was sent.")
    assert page.locator("[data-state]").get_attribute("hx-trigger") is None


def test_a_reason_being_typed_survives_the_asking(desk: Desk, open_page: OpenPage) -> None:
    row = factories.make_instruction(
        account=desk.account, state=State.NEEDS_HUMAN, created_at=desk.now
    )
    page = open_page(f"/instructions/{row.pk}/", person=desk.owner)
    page.fill("#id_reason", "Seen in the loan li")

    with page.expect_response(lambda answer: "seen=" in answer.url, timeout=8000) as asked:
        pass

    assert asked.value.status == 204
    expect(page.locator("#id_reason")).to_have_value("Seen in the loan li")
    expect(page.locator("#id_reason")).to_be_focused()


def test_an_old_worker_is_counted_up_while_the_page_is_open(
    desk: Desk, open_page: OpenPage
) -> None:
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=40))
    row = factories.make_instruction(account=desk.account, created_at=timezone.now())

    page = open_page(f"/instructions/{row.pk}/", person=desk.owner)

    main = page.locator("main")
    expect(main).to_contain_text("silent for 4")
    first = int(re.search(r"silent for (\d+) s", main.inner_text())[1])
    later = "|".join(str(first + n) for n in range(4, 10))
    expect(main).to_contain_text(re.compile(f"silent for ({later}) s"), timeout=9000)
