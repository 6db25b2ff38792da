"""Long lists of the history in a browser: pages and orders come as fragments, and nothing is lost
on the way.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.factories import (
    NOW,
    borrow_row,
    keep,
    make_account,
    make_borrow,
    make_coverage,
    make_instruction,
    make_repay,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = 120
LIST = "#history-rows table.pinned tbody tr"
BEGINS_BELOW_THE_BAND = """
    document.querySelector("#history-rows").getBoundingClientRect().top
        >= document.querySelector(".band").getBoundingClientRect().bottom
"""


@pytest.fixture
def borrows(owner: User) -> None:
    account = make_account(owner=owner)
    make_coverage(account=account, kind="borrow")
    keep(
        "borrow",
        [
            borrow_row(account=account, record_id=f"L{n:03d}", at=NOW - timedelta(minutes=n))
            for n in range(ROWS)
        ],
    )


def first_record(page: Page) -> str:
    return page.locator(f"{LIST} .record-id").first.inner_text()


@pytest.mark.parametrize("width", [1440, 390])
def test_the_next_page_comes_alone_and_begins_in_view(
    open_page: OpenPage, owner: User, borrows: None, width: int
) -> None:
    page = open_page("/history/borrows/", person=owner, width=width)
    page.evaluate("window.kept = true")
    page.evaluate("htmx.config.defaultSettleDelay = 2000")  # what waits for it comes too late

    page.locator("#page-next").press("Enter")
    expect(page.locator(f"{LIST} .record-id").first).to_have_text("L050")

    assert page.evaluate("window.kept") is True
    assert "after=" in page.url
    expect(page.locator("#page-next")).to_be_focused()
    assert page.evaluate(BEGINS_BELOW_THE_BAND)
    expect(page.locator("#live")).to_have_text("50 rows shown, beginning with record L050")
    page.locator("#page-next").press("Enter")
    expect(page.locator(LIST)).to_have_count(ROWS - 100)
    expect(page.locator("#live")).to_have_text("20 rows shown, beginning with record L100")
    expect(page.get_by_role("region", name="Borrows")).to_be_focused()
    page.go_back()
    expect(page.locator(f"{LIST} .record-id").first).to_have_text("L050")


def test_an_order_chosen_in_the_list_stays_when_the_filter_changes(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/", person=owner)
    page.locator("#sort-at").click()
    expect(page.locator(f"{LIST} .record-id").first).to_have_text(f"L{ROWS - 1}")

    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("From").press("Tab")

    expect(page).to_have_url(re.compile(r"from=2020-01-01"))
    assert "sort=at" in page.url
    assert first_record(page) == f"L{ROWS - 1}"


def test_a_field_is_marked_as_wrong_for_as_long_as_it_is(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/?from=2026-11-20", person=owner)
    to, sentence = page.get_by_label("To, a day included"), page.locator("#to-error p")

    to.fill("2026-11-10")
    to.press("Tab")
    expect(sentence).to_contain_text("before the beginning")
    expect(to).to_have_attribute("aria-invalid", "true")

    to.fill("2026-11-21")
    to.press("Tab")
    expect(sentence).to_have_count(0)
    expect(to).not_to_have_attribute("aria-invalid", "true")


def test_a_date_that_is_half_typed_is_named_and_nothing_is_asked_for(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/?from=2026-11-20", person=owner)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    start = page.get_by_label("From")

    start.focus()
    page.keyboard.type("112120")  # its year is 0020 so far
    page.wait_for_timeout(500)
    assert not [address for address in asked if "from=0" in address]
    page.keyboard.type("26")
    expect(page).to_have_url(re.compile(r"from=2026-11-21"))

    start.focus()
    page.keyboard.press("Backspace")
    page.locator("#currency").select_option("USDT")
    expect(page.locator("#from-error")).to_have_text("Finish this date, or clear it.")
    expect(start).to_have_attribute("aria-invalid", "true")
    assert "currency" not in page.url

    start.fill("2026-11-20")
    start.press("Tab")
    expect(page).to_have_url(re.compile(r"currency=USDT"))
    expect(page.locator("#from-error")).to_have_text("")


def test_an_instant_put_right_is_a_date_again(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/?from=never", person=owner)
    start = page.get_by_label("From")
    expect(start).to_have_attribute("type", "text")

    start.fill("2026-11-20")
    start.press("Tab")

    expect(start).to_have_attribute("type", "date")
    expect(start).to_have_value("2026-11-20")


@pytest.mark.parametrize("width", [1280, 700, 390])
@pytest.mark.parametrize("query", ["", "?q=nothing-of-that-name", "?from=2026-11-20"])
def test_the_menu_of_files_stays_in_the_window(
    open_page: OpenPage, owner: User, borrows: None, width: int, query: str
) -> None:
    page = open_page(f"/history/borrows/{query}", person=owner, width=width)

    page.get_by_text("Save as", exact=True).click()

    box = page.locator(".files-menu > .sheet").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if bar := page.locator(".bottombar").bounding_box():  # only phones have one
        assert 0 <= box["y"] <= box["y"] + box["height"] <= bar["y"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_way_to_the_instruction_is_there_to_be_pressed(
    open_page: OpenPage, owner: User, width: int
) -> None:
    account = make_account(owner=owner)
    loan = make_borrow(account=account)
    make_instruction(account=account, requested_by=owner, state="CONFIRMED", borrow_record=loan)
    page = open_page("/history/borrows/", person=owner, width=width)

    page.get_by_role("link", name="Instruction", exact=True).locator("svg").click()

    expect(page).to_have_url(re.compile("/instructions/[0-9a-f]"))


def test_a_late_answer_leaves_list_and_address_in_agreement(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/", person=owner)
    held: list[Route] = []
    page.route(re.compile("after="), lambda route: held.append(route))
    page.locator("#page-next").click()
    page.wait_for_timeout(100)

    page.get_by_label("From").fill("2026-11-20")
    page.get_by_label("From").press("Tab")
    held[0].continue_()

    expect(page).to_have_url(re.compile(r"from=2026-11-20"))
    expect(page.locator(f"{LIST} .record-id").first).to_have_text("L000")
    assert "after=" not in page.url


def test_applying_what_applies_already_is_no_step_back(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/", person=owner)
    page.locator("#currency").select_option("USDT")
    expect(page).to_have_url(re.compile(r"currency=USDT$"))

    page.locator("#history-table").evaluate("table => (table.dataset.old = true)")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#history-table[data-old]")).to_have_count(0)
    page.go_back()

    expect(page).to_have_url(re.compile(r"/history/borrows/$"))
    expect(page.locator("#currency")).to_have_value("")


def test_what_is_typed_with_pauses_is_one_step_back(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/", person=owner)
    search = page.get_by_label("Search")
    for text in ("L0", "L01", "L011"):
        search.press_sequentially(text[-1] if text != "L0" else text)
        expect(page).to_have_url(re.compile(f"q={text}$"))
    search.blur()

    page.locator("#currency").select_option("USDT")
    expect(page).to_have_url(re.compile("q=L011&currency=USDT$"))
    for address in ("q=L011$", r"/history/borrows/$"):
        with page.expect_event("load"):  # nothing is kept of a page: a step back loads it anew
            page.go_back()
        expect(page).to_have_url(re.compile(address))


def test_a_usual_span_fills_in_its_days_beside_what_was_chosen_since(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/?from=2026-11-20T00:00", person=owner)
    page.locator("#currency").select_option("USDT")
    expect(page).to_have_url(re.compile(r"currency=USDT"))
    page.evaluate("window.kept = true")

    link = page.get_by_role("group", name="Usual spans").get_by_role("link", name="Last year")
    link.press("Enter")

    expect(page).to_have_url(re.compile(r"currency=USDT&from=\d{4}-01-01&to=\d{4}-12-31$"))
    expect(page.get_by_label("From")).to_have_value(re.compile(r"^\d{4}-01-01$"))
    expect(page.get_by_label("From")).to_have_attribute("type", "date")
    expect(page.locator("#history-table")).to_contain_text("Nothing matches")
    expect(link).to_be_focused()
    assert page.evaluate("window.kept") is True


def test_a_usual_span_is_a_link_without_script(
    open_page: OpenPage, owner: User, borrows: None
) -> None:
    page = open_page("/history/borrows/?currency=USDT", person=owner, java_script_enabled=False)

    page.get_by_role("link", name="Last year").click()

    assert re.search(r"currency=USDT&from=\d{4}-01-01&to=\d{4}-12-31$", page.url)
    assert page.get_by_label("From").input_value().endswith("-01-01")


def test_pages_turn_without_script(open_page: OpenPage, owner: User, borrows: None) -> None:
    page = open_page("/history/borrows/", person=owner, java_script_enabled=False)

    page.locator("#page-next").click()

    assert first_record(page) == "L050"
    assert page.locator("h1").inner_text() == "History"


@pytest.mark.parametrize("kind", ["borrow", "repay"])
def test_a_phone_says_whose_each_row_is_where_there_are_several_accounts(
    open_page: OpenPage, owner: User, kind: str
) -> None:
    label = "A desk of sixty characters: " + "x" * 32
    desk = make_account(owner=owner, label=label)
    make = make_borrow if kind == "borrow" else make_repay
    make(account=desk, at=NOW)
    page = open_page(f"/history/{kind}s/", person=owner, width=390)
    name = page.locator(f"{LIST} .account-name")
    expect(name).to_have_count(0)

    make_account(owner=owner, label="Another desk")
    page.reload()

    expect(name).to_be_visible()
    expect(name).to_have_text(label)
    second_line = page.locator(f"{LIST} th").bounding_box()
    assert abs(name.bounding_box()["y"] - second_line["y"]) < second_line["height"]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
