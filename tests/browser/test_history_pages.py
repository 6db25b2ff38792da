"""Long lists of the history in a browser: pages and orders come as fragments, and nothing is lost
on the way.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.factories import NOW, borrow_row, keep, make_account, make_coverage

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
    to, sentence = page.get_by_label("To, that day included"), page.locator("#to-error p")

    to.fill("2026-11-10")
    to.press("Tab")
    expect(sentence).to_contain_text("before the beginning")
    expect(to).to_have_attribute("aria-invalid", "true")

    to.fill("2026-11-21")
    to.press("Tab")
    expect(sentence).to_have_count(0)
    expect(to).not_to_have_attribute("aria-invalid", "true")


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


def test_pages_turn_without_script(open_page: OpenPage, owner: User, borrows: None) -> None:
    page = open_page("/history/borrows/", person=owner, java_script_enabled=False)

    page.locator("#page-next").click()

    assert first_record(page) == "L050"
    assert page.locator("h1").inner_text() == "History"
