"""A newcomer's first hour, in a browser, with every real process: key, rates, borrow, repay, CSV.

Once with script and once without; the product is started as a person starts it.
"""

import csv
import re
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
from playwright.sync_api import Browser, Page, expect

from launch import broker
from tests.browser.conftest import browser
from tests.start.processes import wait_until
from tests.start.running import Running

__all__ = ["browser"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        sys.platform != "linux" or broker.missing_wheel() is not None,
        reason="starts the product with its embedded broker",
    ),
]

PATIENCE_MS = 60_000
HUMAN_MS = 2_200  # nobody confirms sooner


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    scratch = tmp_path_factory.mktemp("journey")
    running = Running(scratch / "data", scratch / "output")
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.end_whatever_is_left()


@pytest.fixture(params=[True, False], ids=["with-script", "without-script"])
def page(request: pytest.FixtureRequest, browser: Browser, running: Running) -> Iterator[Page]:
    context = browser.new_context(
        base_url=f"http://localhost:{running.port}",
        java_script_enabled=request.param,
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield page
    context.close()
    assert complaints == []


def sign_in(page: Page, running: Running) -> None:
    password = re.search(r"^ +password +(\S+)$", running.output(), re.MULTILINE)
    page.goto("/")
    page.fill("[name=login]", "admin")
    page.fill("[name=password]", password[1])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_title(re.compile("Overview"))


def connect_paper_key(page: Page) -> str:
    """One click; give the id of the account once it can be chosen."""
    before = set(accounts(page))
    page.goto("/keys/")
    page.locator("form[action$='/keys/paper/'] button").first.click()
    wait_until(lambda: set(accounts(page)) - before, patience=60)
    return (set(accounts(page)) - before).pop()


def accounts(page: Page) -> list[str]:
    """The ids that the borrow form offers."""
    page.goto("/borrow/?symbol=SOL_USDT&currency=USDT")
    options = page.locator("#id_account option").all()
    return [value for option in options if (value := option.get_attribute("value"))]


def alarms(page: Page) -> int:
    """How many parts of the site the overview calls lifeless."""
    page.goto("/")
    return page.get_by_text("never shown life").count()


def until_shown(page: Page, address: str, text: str) -> None:
    """Come back to a page until the workers have filled it."""

    def is_shown() -> bool:
        page.goto(address)
        return page.get_by_text(text).count() > 0

    wait_until(is_shown, patience=90)


def place(page: Page, button: str) -> str:
    """Confirm at a person's pace, and follow the instruction to its end."""
    page.wait_for_timeout(HUMAN_MS)
    page.get_by_role("button", name=button).click()
    expect(page).to_have_url(re.compile("/instructions/"))
    address = page.url

    def is_final() -> bool:
        page.goto(address)
        state = page.locator("[data-state]").get_attribute("data-state")
        return state not in ("QUEUED", "CLAIMED", "SENDING", "UNKNOWN")

    wait_until(is_final, patience=60)
    return page.locator("[data-state]").get_attribute("data-state")


def test_a_newcomer_borrows_and_repays_on_paper(page: Page, running: Running) -> None:
    sign_in(page, running)
    account = connect_paper_key(page)
    wait_until(lambda: not alarms(page), patience=10)
    until_shown(page, "/rates/?q=SOL", "SOL_USDT")

    query = f"account={account}&symbol=SOL_USDT&currency=USDT"
    until_shown(page, f"/borrow/?{query}&amount=20", "You can borrow")
    page.locator("#trade-form .primary").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Borrow 20.00000000 USDT")
    assert place(page, "Borrow 20 USDT on paper") == "CONFIRMED"

    until_shown(page, f"/history/borrows/?{query}", "20.00000000")
    until_shown(page, "/loans/", "SOL_USDT")

    page.goto(f"/repay/?{query}")
    page.get_by_role("button", name="Repay all").click()
    assert place(page, re.compile("^Repay .* on paper")) == "CONFIRMED"

    rows = download(page, f"/history/borrows.csv?{query}")
    assert [row["currency"] for row in rows] == ["USDT"] * len(rows)
    assert "20.00000000" in [row["principal"] for row in rows]
    assert "Traceback" not in running.output()


def download(page: Page, address: str) -> list[dict[str, str]]:
    """The rows of a CSV, asked for with the browser's session."""
    answer = page.request.get(address)
    assert answer.ok
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(StringIO(answer.text())))
